"""The reprise of a legacy archive: its intervals, what lies in each, and what none of them covers.

Intervals are those of the DAG's timetable: local midnights, Mondays, firsts of the month, in the launcher's timezone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from typing import Literal

from ezcold_operators.config.launcher import Launcher
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _
from ezcold_operators.ledger import counted, items
from ezcold_operators.ledger.counted import Count
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.sources.base import Listed, Session

FIRST = date(1970, 1, 1)
"""Where the DAG of a reprise begins; what is dated before it has no interval."""
Why = Literal["undated", "before", "after"]


@dataclass(slots=True)
class Interval:
    """One backfill run's share of the archive: start <= date < end."""

    start: datetime
    end: datetime
    done: int = 0
    left: int = 0
    quarantined: int = 0


@dataclass(slots=True)
class Survey:
    """The archive against the intervals; `uncovered` counts what none of them takes, by why."""

    intervals: list[Interval]
    uncovered: dict[Why, int]

    @property
    def left(self) -> int:
        return sum(one.left for one in self.intervals)


def intervals(launcher: Launcher, first: date, last: date, now: datetime | None = None) -> list[Interval]:
    """Those that hold a day of first..last (both included) and are over: the others' items are still to come.

    :raises ConfigurationError: the launcher is not for a reprise, the days are in no order, or no interval is over.
    """
    if launcher.reprise is None:
        raise ConfigurationError(
            _("{id} has no `reprise`: only such a launcher takes an archive").format(id=launcher.launcher)
        )
    if last < first:
        raise ConfigurationError(_("the first day, {first}, is after the last, {last}").format(first=first, last=last))
    if first < FIRST:
        raise ConfigurationError(_("a reprise begins on {day} at the earliest").format(day=FIRST))
    import pendulum

    moment, every = now or datetime.now(UTC), launcher.reprise.every
    found = []
    day = pendulum.date(first.year, first.month, first.day).start_of(every)
    while day <= last:
        following = day.add(**{f"{every}s": 1})
        # As Airflow has it: of a midnight that comes twice, the second; of one that a clock skips, what follows it.
        start, end = (pendulum.datetime(d.year, d.month, d.day, tz=launcher.timezone) for d in (day, following))
        if end > moment:
            break
        if start < end:  # a clock can skip a whole day
            found.append(Interval(start, end))
        day = following
    if not found:
        raise ConfigurationError(
            _("no interval from {first} to {last} is over yet: a reprise takes the past").format(first=first, last=last)
        )
    return found


def survey(
    ledger: Ledger,
    launcher: Launcher,
    session: Session,
    wanted: Sequence[Interval],
    tell: Callable[[Listed, Why], None],
    progress: Callable[[int], None] = lambda _done: None,
) -> Survey:
    """List the archive once, and count; `tell` is given each item that no interval covers. Holds no list of items.

    :raises SourceUnavailable: :raises AuthenticationFailed: :raises LedgerUnavailable:
    """
    starts = [one.start for one in wanted]
    answer = Survey(list(wanted), {})
    seen = 0
    listing = session.list({}, None)
    while chunk := list(islice(listing, 500)):
        inside: list[tuple[Interval, Listed]] = []
        for listed in chunk:
            found = _place(listed.date, wanted, starts)
            if isinstance(found, Interval):
                inside.append((found, listed))
            else:
                answer.uncovered[found] = answer.uncovered.get(found, 0) + 1
                tell(listed, found)
        _count(ledger, launcher.launcher, inside)
        seen += len(chunk)
        progress(seen)
    session.marks()  # says what could not be listed
    return answer


def _place(when: datetime | None, wanted: Sequence[Interval], starts: Sequence[datetime]) -> Interval | Why:
    if when is None:
        return "undated"
    n = bisect_right(starts, when) - 1
    if n < 0:
        return "before"
    return wanted[n] if when < wanted[n].end else "after"


def _count(ledger: Ledger, launcher: str, inside: Sequence[tuple[Interval, Listed]]) -> None:
    with ledger.read() as conn:
        states = items.states(conn, launcher, [listed.key for _interval, listed in inside])
    for interval, listed in inside:
        state = states.get((listed.key, listed.fingerprint))
        if state == "quarantined":
            interval.quarantined += 1
        elif state is None or state == "missing":
            interval.left += 1
        else:
            interval.done += 1


def minutes_left(launcher: Launcher, left: int, at_once: int = 1) -> int | None:
    """How long the rest takes at the launcher's rate, which each of the runs at once keeps; None where it has none."""
    rate = (launcher.limits.per_minute or 0) * at_once
    return -(-left // rate) if rate else None


def keep(ledger: Ledger, launcher: Launcher, by: str, found: Survey, began: float) -> None:
    """Let the pages show what is left, without listing the archive anew.

    :param began: when the listing began, seconds since the epoch. :raises LedgerUnavailable:
    """
    first, last = found.intervals[0].start.timestamp(), found.intervals[-1].end.timestamp()
    left = {one.start.timestamp(): one.left for one in found.intervals}
    counted.note(ledger, launcher.launcher, by, Count(first, last, left, sum(found.uncovered.values()), began))


def shown(survey: Survey) -> Iterator[dict[str, object]]:
    """The intervals as plain values."""
    for one in survey.intervals:
        yield {
            "start": one.start.isoformat(), "end": one.end.isoformat(), "done": one.done, "left": one.left,
            "quarantined": one.quarantined,
        }  # fmt: skip
