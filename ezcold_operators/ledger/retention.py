"""What the ledger may forget: the events of items that are done with. Their rows stay: identity never expires."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, delete, func, select

from ezcold_operators.ledger.deliveries import CLOSED
from ezcold_operators.ledger.tables import delivery, event, item

KEPT = ("dismissed",)
"""Events that later decisions rest on: no copy of a dismissed item may leave its source."""


def _old(before: float) -> ColumnElement[bool]:
    """Events of items settled before that time that owe nothing, and of launchers as a whole."""
    open_ones = select(delivery.c.id).where(delivery.c.item_id == item.c.id, delivery.c.state.not_in(CLOSED))
    done = select(item.c.id).where(item.c.state == "settled", item.c.settled_at < before, ~open_ones.exists())
    return (
        (event.c.at < before)
        & event.c.what.not_in(KEPT)
        & (event.c.item_id.is_(None) | event.c.item_id.in_(done))
    )  # fmt: skip


def forgettable(conn: Connection, before: float) -> int:
    """How many events `forget` would remove."""
    return int(conn.execute(select(func.count()).select_from(event).where(_old(before))).scalar_one())


def forget(conn: Connection, before: float, limit: int) -> int:
    """Remove up to so many events older than that time (seconds since the epoch); how many there were."""
    ids = list(conn.execute(select(event.c.id).where(_old(before)).order_by(event.c.id).limit(limit)).scalars())
    if ids:
        conn.execute(delete(event).where(event.c.id.in_(ids)))
    return len(ids)
