"""What a survey of an archive counted at its source: one event, so that progress can be shown without listing anew."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from ezcold_operators.ledger.events import Event, record
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.ledger.tables import event

WHAT = "counted"


@dataclass(frozen=True, slots=True)
class Count:
    """One survey. Times are seconds since the epoch."""

    first: float
    """Where the first of the intervals begins,"""
    last: float
    """and where the last one ends."""
    left: Mapping[float, int] = field(default_factory=dict)
    """Items that no run had taken yet, by the beginning of their interval; intervals without any are left out."""
    uncovered: int = 0
    """Items that are in no interval."""
    at: float = 0.0
    """When the survey began; given by `latest`."""


def note(ledger: Ledger, launcher: str, by: str, count: Count) -> None:
    """Keep a survey.

    :param by: who surveyed; it stands where runs have their id. :param count: its `at` is when the listing began.
    :raises LedgerUnavailable:
    """
    told = {"first": count.first, "last": count.last, "uncovered": count.uncovered,
            "left": {str(start): n for start, n in count.left.items() if n}}  # fmt: skip
    with ledger.transaction("reprise.counted") as conn:
        record(conn, count.at, by, launcher, [Event(WHAT, detail=json.dumps(told, separators=(",", ":")))])


def latest(conn: Connection, launcher: str) -> Count | None:
    """The last survey of this launcher's archive."""
    query = (
        select(event.c.at, event.c.detail)
        .where(event.c.launcher == launcher, event.c.what == WHAT)
        .order_by(event.c.id.desc())
        .limit(1)
    )
    row = conn.execute(query).first()
    if row is None:
        return None
    told = json.loads(row.detail)
    left = {float(start): int(n) for start, n in told["left"].items()}
    return Count(told["first"], told["last"], left, told["uncovered"], row.at)


def taken_since(conn: Connection, launcher: str, run_ids: Sequence[str], at: float) -> dict[str, int]:
    """Items that each of these runs took after that time."""
    query = select(event.c.run_id, func.count(event.c.item_id.distinct())).where(
        event.c.launcher == launcher, event.c.run_id.in_(run_ids), event.c.what == "fetched", event.c.at >= at
    )
    return {str(run_id): int(n) for run_id, n in conn.execute(query.group_by(event.c.run_id))}
