"""The intervals of a reprise, and the survey of an archive against them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import Launcher
from ezcold_operators.config.settings import Settings
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.ledger import counted
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.rooms import reprise
from ezcold_operators.rooms.base import make_source

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 6, 15, 12, tzinfo=PARIS)


def launcher(path: str = "/data/archive/*.*", zone: str = "Europe/Paris", **over: object) -> Launcher:
    content = {
        "launcher": "archive",
        "timezone": zone,
        "source": {"protocol": "folder", "path": path, "subfolders": True, "settle_seconds": 0},
        "routes": [{"extensions": ["*"], "send_to": ["s"]}],
        "reprise": {"by": "modified", "every": "month", **over},
    }
    return Launcher.model_validate(content)


def test_the_months_of_two_days_are_whole_months_in_the_launchers_own_time() -> None:
    found = reprise.intervals(launcher(), date(2026, 1, 15), date(2026, 3, 1), NOW)
    assert [(one.start, one.end) for one in found] == [
        (datetime(2026, 1, 1, tzinfo=PARIS), datetime(2026, 2, 1, tzinfo=PARIS)),
        (datetime(2026, 2, 1, tzinfo=PARIS), datetime(2026, 3, 1, tzinfo=PARIS)),
        (datetime(2026, 3, 1, tzinfo=PARIS), datetime(2026, 4, 1, tzinfo=PARIS)),
    ]
    assert found[0].start.astimezone(UTC) == datetime(2025, 12, 31, 23, tzinfo=UTC)


def test_an_interval_that_is_not_over_is_left_out() -> None:
    found = reprise.intervals(launcher(), date(2026, 5, 1), date(2026, 12, 31), NOW)
    assert [one.start.date() for one in found] == [date(2026, 5, 1)]
    with pytest.raises(ConfigurationError, match="is over yet"):
        reprise.intervals(launcher(), date(2026, 6, 1), date(2026, 6, 15), NOW)


def test_days_in_no_order_before_the_first_or_for_a_live_launcher_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="is after the last"):
        reprise.intervals(launcher(), date(2026, 2, 1), date(2026, 1, 1), NOW)
    with pytest.raises(ConfigurationError, match="at the earliest"):
        reprise.intervals(launcher(), date(1969, 1, 1), date(2026, 1, 1), NOW)
    live = launcher().model_copy(update={"reprise": None})
    with pytest.raises(ConfigurationError, match="has no `reprise`"):
        reprise.intervals(live, date(2026, 1, 1), date(2026, 1, 1), NOW)


DAYS = st.dates(date(1970, 1, 6), date(2026, 5, 31))


@settings(deadline=None)
@given(DAYS, DAYS, st.sampled_from(["day", "week", "month"]), st.sampled_from(["Europe/Paris", "Indian/Reunion"]))
def test_intervals_join_without_gap_or_overlap_and_hold_both_days(one: date, two: date, every: str, zone: str) -> None:
    first, last = sorted((one, min(two, one + timedelta(days=400))))
    found = reprise.intervals(launcher(zone=zone, every=every), first, last, NOW)
    assert all(a.end == b.start for a, b in pairwise(found))
    noon = [datetime(d.year, d.month, d.day, 12, tzinfo=ZoneInfo(zone)) for d in (first, last)]
    assert found[0].start <= noon[0] < found[0].end
    assert found[-1].start <= noon[1] < found[-1].end or found[-1].end <= NOW <= found[-1].end + timedelta(days=31)


@pytest.mark.parametrize(
    ("zone", "first", "last"),
    [
        ("Europe/Paris", date(2026, 3, 20), date(2026, 4, 10)),
        ("Europe/Paris", date(1976, 9, 24), date(1976, 9, 28)),  # the 26th begins twice
        ("America/Havana", date(2025, 10, 30), date(2025, 11, 5)),  # so does 2 November
        ("Asia/Beirut", date(2025, 3, 27), date(2025, 4, 2)),  # the clock skips the midnight of the 30th
        ("Pacific/Apia", date(2011, 12, 27), date(2012, 1, 3)),  # and here the whole of 30 December
    ],
)
@pytest.mark.parametrize("every", ["day", "week", "month"])
def test_they_are_the_intervals_that_airflow_makes(every: str, zone: str, first: date, last: date) -> None:
    import pendulum
    from airflow.sdk import CronDataIntervalTimetable
    from airflow.serialization.encoders import coerce_to_core_timetable
    from airflow.timetables.base import TimeRestriction

    from ezcold_operators.dag import EVERY

    timetable = coerce_to_core_timetable(CronDataIntervalTimetable(EVERY[every], timezone=zone))
    found = reprise.intervals(launcher(zone=zone, every=every), first, last, NOW)
    earliest, latest = (pendulum.instance(one.start.astimezone(UTC)) for one in (found[0], found[-1]))
    theirs, interval = [], None
    while info := timetable.next_dagrun_info(
        last_automated_data_interval=interval, restriction=TimeRestriction(earliest, latest, True)
    ):
        interval = info.data_interval
        theirs.append((interval.start.timestamp(), interval.end.timestamp()))
    assert theirs == [(one.start.timestamp(), one.end.timestamp()) for one in found]


def put(file: Path, when: datetime) -> None:
    import os

    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"%PDF-1.4\n" + file.name.encode())
    os.utime(file, (when.timestamp(), when.timestamp()))


def survey(tmp_path: Path, one: Launcher, first: date, last: date) -> tuple[reprise.Survey, dict[str, str]]:
    outside: dict[str, str] = {}
    source = one.source.model_copy(update={"path": f"{tmp_path}/archive/*.*"})
    one = one.model_copy(update={"source": source})
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        with make_source(one, ledger, Settings.from_env()).open(Credentials()) as session:
            wanted = reprise.intervals(one, first, last, NOW)
            tell = lambda listed, why: outside.__setitem__(listed.name, why)  # noqa: E731
            return reprise.survey(ledger, one, session, wanted, tell), outside


def test_what_no_interval_covers_is_told_with_the_reason(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    put(archive / "old.pdf", datetime(2025, 12, 31, 23, 59, 59, tzinfo=PARIS))
    put(archive / "first.pdf", datetime(2026, 1, 1, tzinfo=PARIS))
    put(archive / "last.pdf", datetime(2026, 2, 28, 23, 59, 59, tzinfo=PARIS))
    put(archive / "new.pdf", datetime(2026, 3, 1, tzinfo=PARIS))
    found, outside = survey(tmp_path, launcher(), date(2026, 1, 1), date(2026, 2, 1))
    assert outside == {"old.pdf": "before", "new.pdf": "after"}
    assert [(one.done, one.left, one.quarantined) for one in found.intervals] == [(0, 1, 0), (0, 1, 0)]
    assert found.uncovered == {"before": 1, "after": 1}


def test_a_survey_is_kept_for_the_pages(tmp_path: Path) -> None:
    for day in (1, 2, 40):
        put(tmp_path / "archive" / f"{day}.pdf", datetime(2026, 1, 1, 12, tzinfo=PARIS) + timedelta(days=day))
    found, _outside = survey(tmp_path, launcher(), date(2026, 1, 1), date(2026, 1, 31))
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        reprise.keep(ledger, launcher(), "reprise", found, 7.0)
        with ledger.read() as conn:
            kept = counted.latest(conn, "archive")
    january, february = (datetime(2026, month, 1, tzinfo=PARIS).timestamp() for month in (1, 2))
    assert kept == counted.Count(january, february, {january: 2}, 1, 7.0)


def test_by_path_what_names_no_date_is_undated(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    when = datetime(2020, 1, 1, tzinfo=PARIS)
    for name in ("2026/01/a.pdf", "2026/13/b.pdf", "divers/c.pdf", "2027/01/d.pdf"):
        put(archive / name, when)
    one = launcher(by="path", path_pattern="{yyyy}/{mm}")
    found, outside = survey(tmp_path, one, date(2026, 1, 1), date(2026, 1, 31))
    assert outside == {"2026/13/b.pdf": "undated", "divers/c.pdf": "undated", "2027/01/d.pdf": "after"}
    assert found.left == 1


def test_the_time_left_follows_the_rate() -> None:
    one = launcher().model_copy(update={"limits": launcher().limits.model_copy(update={"per_minute": 60})})
    assert (reprise.minutes_left(one, 121), reprise.minutes_left(launcher(), 121)) == (3, None)
    assert reprise.minutes_left(one, 121, at_once=2) == 2
