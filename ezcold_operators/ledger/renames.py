"""A launcher that was renamed takes its past with it, so that nothing is imported again."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select, update

from ezcold_operators.ledger.events import Event, record
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.ledger.tables import delivery, document, event, item, place


def carry_over(ledger: Ledger, run_id: str, launcher: str, formerly: Sequence[str]) -> None:
    """A renamed launcher takes its past with it (launcher.md, `formerly`)."""
    for old in formerly:
        with ledger.read() as conn:
            if conn.execute(select(item.c.id).where(item.c.launcher == old).limit(1)).first() is None:
                continue
        with ledger.transaction("launcher.rename") as conn:
            ledger.serialise(conn, f"stage {launcher}")
            taken = select(item.c.source_key, item.c.fingerprint).where(item.c.launcher == launcher)
            both = {tuple(row) for row in conn.execute(taken)}
            mine = conn.execute(
                select(item.c.id, item.c.source_key, item.c.fingerprint).where(item.c.launcher == old)
            ).all()
            ids = [row.id for row in mine if (row.source_key, row.fingerprint) not in both]
            if not ids:  # what both took stays under its old name; that was said when the rest was taken over
                continue
            for start in range(0, len(ids), 500):
                chunk = ids[start : start + 500]
                for table, column in ((item, item.c.id), (document, document.c.item_id), (delivery, delivery.c.item_id),
                                      (event, event.c.item_id)):  # fmt: skip
                    conn.execute(update(table).where(column.in_(chunk)).values(launcher=launcher))
            conn.execute(delete(place).where(place.c.launcher.in_((old, launcher))))
            record(conn, ledger.now(conn), run_id, launcher, [Event("renamed", detail=old)])
