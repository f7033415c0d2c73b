"""`ezcold reprise` on the command line: an old mailbox surveyed, and what it refuses."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tests.cli.place import Place
from tests.conftest import require
from tests.servers.dovecot import Dovecot

PARIS = ZoneInfo("Europe/Paris")


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    require("dovecot")
    with Dovecot() as server:
        yield server


@pytest.mark.dovecot
def test_an_old_mailbox_by_the_day_its_mails_came(
    place: Place, dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = dovecot.user("archive", "secret")
    for when in (
        datetime(2023, 12, 31, 23, 59, 59, tzinfo=PARIS),
        datetime(2024, 1, 1, 0, 0, 0, tzinfo=PARIS),
        datetime(2024, 2, 29, 12, tzinfo=PARIS),
        datetime(2024, 3, 1, 0, 0, 0, tzinfo=PARIS),
    ):
        box.deliver(f"Subject: {when:%d %m}\r\n\r\nhello\r\n".encode(), received=when.timestamp())
    conn = {"conn_type": "imap", "host": "localhost", "port": dovecot.imaps, "login": "archive", "password": "secret",
            "extra": {"ca_file": str(dovecot.ca_file)}}  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_BOX", json.dumps(conn))
    file = place.launcher(
        "old", source={"protocol": "imap", "connection": "box", "path": "INBOX"} | {"settle_seconds": 10},
        reprise={"every": "month"}, limits={"per_minute": 1},
    )  # fmt: skip
    text = file.read_text().replace("  settle_seconds: 10\n", "")
    file.write_text(text)
    answer = place.call("reprise", "--dry-run", "--json", file, "2024-01-01", "2024-02-29")
    assert answer.code == 0, answer.err
    seen = answer.json()
    assert [(one["start"][:10], one["left"]) for one in seen["intervals"]] == [("2024-01-01", 1), ("2024-02-01", 1)]
    assert sorted(one["why"] for one in seen["uncovered"]) == ["after", "before"]
    assert (seen["left"], seen["minutes_left"], seen["created"]) == (2, 2, False)
    assert [mail.flags for mail in box.mails()] == [""] * 4


def test_what_it_refuses(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    live = place.call("reprise", "--dry-run", place.file, "2024-01-01", "2024-02-29")
    assert (live.code, "has no `reprise`" in live.err) == (2, True)
    file = place.launcher("old", reprise={"every": "month"})
    assert place.call("reprise", "--dry-run", file, "2024-01-01", "demain").code == 2
    assert place.call("reprise", "--dry-run", file, "2024-03-01", "2024-01-01").code == 2
    this_month = time.strftime("%Y-%m-01")
    assert place.call("reprise", "--dry-run", file, this_month, this_month).code == 2
    place.incoming.rename(place.root / "away")
    assert place.call("reprise", "--dry-run", file, "2024-01-01", "2024-02-29").code == 3
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("no_airflow")))
    monkeypatch.delenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")
    none = place.call("reprise", file, "2024-01-01", "2024-02-29")
    assert (none.code, "there is no Airflow here" in none.err) == (2, True)


def test_what_is_done_left_and_held_is_counted(place: Place) -> None:
    file = place.launcher("old", reprise={"every": "month"}, limits={"max_item_mb": 1})
    for name, size in (("a.pdf", 10), ("b.pdf", 1_000_001), ("c.pdf", 10)):
        place.put(name, b"x" * size, datetime(2024, 1, 5, tzinfo=PARIS).timestamp())
    text = file.read_text()
    file.write_text(text.replace("reprise:\n  every: month\n", ""))  # as a backfill run would take it
    (place.incoming / "c.pdf").rename(place.root / "c.pdf")
    place.call("run", file)
    (place.root / "c.pdf").rename(place.incoming / "c.pdf")
    file.write_text(text)
    shown = place.call("reprise", "--dry-run", file, "2024-01-15", "2024-01-20")
    assert "2024-01-01 to 2024-02-01: 1 done, 1 left, 1 in quarantine" in shown.out
