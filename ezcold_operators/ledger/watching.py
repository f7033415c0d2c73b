"""How each launcher stands, from the ledger alone: what it owes, since when, and whether it is quieter than usual."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, Integer, cast, func, select

from ezcold_operators.ledger import counted, troubles
from ezcold_operators.ledger.deliveries import OPEN
from ezcold_operators.ledger.tables import delivery, event, item

DAY = 86_400.0
WINDOW_DAYS = 60
"""What is usual is what these last days (s. `Rhythm`) showed."""
ENOUGH_ITEMS = 10
"""Fewer in the window say nothing of a rhythm."""


@dataclass(slots=True)
class Standing:
    """One launcher. Times are seconds since the epoch, None where there is nothing."""

    launcher: str
    items: int = 0
    waiting: int = 0
    """Items taken and not settled, quarantine aside."""
    quarantined: int = 0
    quarantined_since_yesterday: int = 0
    owed: int = 0
    oldest_owed: float | None = None
    last_item: float | None = None
    last_activity: float | None = None
    last_run: str = ""
    """The run that did something last; a run that found nothing leaves no trace in the ledger."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What a launcher usually gets: over the days from its first item in the window to its last."""

    a_day: float
    longest_gap: float
    """Seconds between two items, the longest in the window: a night, a weekend, a holiday."""
    silence: float
    """Seconds since the last item."""

    @property
    def is_silent(self) -> bool:
        """Longer without an item than ever in the window, by half, and than a day and a half."""
        return self.silence > max(1.5 * DAY, 1.5 * self.longest_gap)


def standings(conn: Connection, now: float) -> dict[str, Standing]:
    """Every launcher that the ledger knows, by id."""
    found: dict[str, Standing] = {}

    def of(name: str) -> Standing:
        return found.setdefault(name, Standing(name))

    states = select(item.c.launcher, item.c.state, func.count(), func.max(item.c.staged_at))
    for name, state, count, last in conn.execute(states.group_by(item.c.launcher, item.c.state)):
        one = of(name)
        one.items += count
        one.last_item = max(one.last_item or last, last)
        if state == "quarantined":
            one.quarantined = count
        elif state != "settled":
            one.waiting += count
    owing = select(delivery.c.launcher, func.count(), func.min(delivery.c.owed_at)).where(delivery.c.state.in_(OPEN))
    for name, count, oldest in conn.execute(owing.group_by(delivery.c.launcher)):
        of(name).owed, of(name).oldest_owed = count, oldest
    fresh = (
        select(item.c.launcher, func.count(event.c.item_id.distinct()))
        .join(event, event.c.item_id == item.c.id)
        .where(item.c.state == "quarantined", event.c.what == "quarantined", event.c.at > now - DAY)
    )
    for name, count in conn.execute(fresh.group_by(item.c.launcher)):
        of(name).quarantined_since_yesterday = count
    at_work = event.c.what.not_in([*troubles.EVENTS, counted.WHAT])
    last_events = select(func.max(event.c.id)).where(at_work).group_by(event.c.launcher)
    for row in conn.execute(select(event.c.launcher, event.c.at, event.c.run_id).where(event.c.id.in_(last_events))):
        of(row.launcher).last_activity, of(row.launcher).last_run = row.at, row.run_id
    return dict(sorted(found.items()))


def debts(conn: Connection, launcher: str) -> tuple[int, float | None]:
    """(deliveries that a launcher owes, since when the oldest)."""
    query = select(func.count(), func.min(delivery.c.owed_at)).where(
        delivery.c.launcher == launcher, delivery.c.state.in_(OPEN)
    )
    count, oldest = conn.execute(query).one()
    return int(count), oldest


def rhythm(conn: Connection, launcher: str, now: float) -> Rhythm | None:
    """What is usual for a launcher; None where its past says too little. Read by days, so 60 rows at most."""
    day: Any = cast(func.floor(item.c.staged_at / DAY), Integer)
    query = (
        select(day.label("day"), func.count().label("n"), func.min(item.c.staged_at).label("first"),
               func.max(item.c.staged_at).label("last"))
        .where(item.c.launcher == launcher, item.c.staged_at > now - WINDOW_DAYS * DAY)
        .group_by(day)
        .order_by(day)
    )  # fmt: skip
    days = list(conn.execute(query))
    total = sum(row.n for row in days)
    if total < ENOUGH_ITEMS or len(days) < 2:
        return None
    gaps = [after.first - before.last for before, after in pairwise(days)]
    gaps += [(row.last - row.first) / max(1, row.n - 1) for row in days]
    span = max(1.0, (days[-1].last - days[0].first) / DAY)
    return Rhythm(total / span, max(gaps), now - days[-1].last)
