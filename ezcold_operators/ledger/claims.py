"""Claims save double work; what is correct never depends on them. They end with their holder (see leases)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, or_, select, true, update

from ezcold_operators.errors import Unavailable
from ezcold_operators.ledger import holders
from ezcold_operators.ledger.leases import HEARTBEAT_SECONDS, LEASE_SECONDS
from ezcold_operators.ledger.ledger import Ledger


def claim(
    ledger: Ledger, conn: Connection, table: Table, where: ColumnElement[bool], limit: int, after_id: int = 0
) -> list[int]:
    """Claim up to `limit` rows with an id above `after_id` that nobody living has claimed; their ids, ascending."""
    now, holder = ledger.now(conn), holders.me()
    where &= table.c.id > after_id
    free = or_(table.c.claimed_until.is_(None), table.c.claimed_until < now, table.c.claimed_by == holder)
    found = _first(conn, table, where & free, limit)
    # Whose holders died, only among the rows that come before the last found: else each batch would read all that wait.
    before = table.c.id < found[-1] if len(found) == limit else true()
    held = select(table.c.claimed_by).where(where, before, table.c.claimed_until >= now, table.c.claimed_by != holder)
    dead = [other for other in conn.execute(held.distinct()).scalars().all() if holders.is_dead(other)]
    if dead:
        found = _first(conn, table, where & (free | table.c.claimed_by.in_(dead)), limit)
    if found:
        values = {"claimed_by": holder, "claimed_until": now + LEASE_SECONDS}
        conn.execute(update(table).where(table.c.id.in_(found)).values(values))
    return found


def _first(conn: Connection, table: Table, where: ColumnElement[bool], limit: int) -> list[int]:
    query = select(table.c.id).where(where).order_by(table.c.id).limit(limit).with_for_update(skip_locked=True)
    return list(conn.execute(query).scalars().all())


def release(conn: Connection, table: Table, ids: Sequence[int]) -> None:
    """Give up claims of ours."""
    if ids:
        mine = table.c.id.in_(ids) & (table.c.claimed_by == holders.me())
        conn.execute(update(table).where(mine).values(claimed_by=None, claimed_until=None))


@contextmanager
def renewed(ledger: Ledger, table: Table) -> Iterator[None]:
    """Renew every claim of this process on `table` while the block works."""
    stop = Event()

    def beat() -> None:
        while not stop.wait(HEARTBEAT_SECONDS):
            try:
                with ledger.transaction("claims.renew") as conn:
                    values: dict[str, Any] = {"claimed_until": ledger.now(conn) + LEASE_SECONDS}
                    conn.execute(update(table).where(table.c.claimed_by == holders.me()).values(values))
            except Unavailable:
                continue  # claims that run out cost double work, nothing else

    def release_all() -> None:
        with ledger.transaction("claims.release") as conn:
            mine = table.c.claimed_by == holders.me()
            conn.execute(update(table).where(mine).values(claimed_by=None, claimed_until=None))

    thread = Thread(target=beat, name=f"claims {table.name}", daemon=True)
    thread.start()
    with holders.releasing(release_all):
        try:
            yield
        finally:
            stop.set()
            thread.join()
