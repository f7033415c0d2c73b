"""Which items may be acknowledged, and writing down that they were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, select, update

from ezcold_operators.ledger.deliveries import unsettled_filter
from ezcold_operators.ledger.events import Event, clean, record
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.ledger.tables import delivery, document, event, item


def ready(conn: Connection, launcher: str, after_id: int, limit: int) -> list[Any]:
    """Items whose every document is judged and every delivery has a receipt, ascending by id above `after_id`.

    Each row has `wanted`: something of it was sent. A duplicate is ready when its original is.
    """
    wanted = select(delivery.c.id).where(delivery.c.item_id == item.c.id).exists().label("wanted")
    query = (
        select(item, wanted)
        .where(
            item.c.launcher == launcher, item.c.state == "decoded", item.c.duplicate_of.is_(None), ~unsettled_filter(),
            item.c.id > after_id,
        )
        .order_by(item.c.id)
        .limit(limit)
    )  # fmt: skip
    return list(conn.execute(query).all())


def ready_duplicates(conn: Connection, launcher: str, after_id: int, limit: int) -> list[Any]:
    """Duplicates whose original is settled, with what was wanted of the original.

    `dismissed`: a person gave the original up, so no copy of it may leave its source.
    """
    original = item.alias("original")
    wanted = select(delivery.c.id).where(delivery.c.item_id == original.c.id).exists().label("wanted")
    given_up = select(event.c.id).where(event.c.item_id == original.c.id, event.c.what == "dismissed")
    query: Select[Any] = (
        select(item, wanted, given_up.exists().label("dismissed"))
        .join(original, original.c.id == item.c.duplicate_of)
        .where(item.c.launcher == launcher, item.c.state == "decoded", original.c.state == "settled",
               item.c.id > after_id)
        .order_by(item.c.id)
        .limit(limit)
    )  # fmt: skip
    return list(conn.execute(query).all())


def documents_of(conn: Connection, item_ids: Sequence[int]) -> list[Any]:
    query = select(document).where(document.c.item_id.in_(item_ids)).order_by(document.c.id)
    return list(conn.execute(query).all())


def settled(ledger: Ledger, conn: Connection, run_id: str, launcher: str, done: Sequence[tuple[int, str, str]]) -> int:
    """Take (item id, what the source says now, detail) to settled; how many were ours to take."""
    now = ledger.now(conn)
    ids = [item_id for item_id, _what, _detail in done]
    waiting = select(item.c.id).where(item.c.id.in_(ids), item.c.state == "decoded")
    mine = set(conn.execute(waiting.order_by(item.c.id).with_for_update()).scalars().all())
    if not mine:
        return 0
    conn.execute(update(item).where(item.c.id.in_(mine)).values(state="settled", settled_at=now, reason=""))
    events = [Event("acknowledged", i, detail=f"{what} {detail}".strip()) for i, what, detail in done if i in mine]
    record(conn, now, run_id, launcher, [*events, *(Event("settled", i) for i in mine)])
    return len(mine)


def not_acknowledged(ledger: Ledger, conn: Connection, run_id: str, launcher: str, item_id: int, detail: str) -> None:
    """The source would not do it for this one: tried again in the next run."""
    conn.execute(update(item).where(item.c.id == item_id, item.c.state == "decoded").values(reason=clean(detail)))
    record(conn, ledger.now(conn), run_id, launcher, [Event("failed", item_id, detail=detail)])


def blob_needed(conn: Connection, sha256: str) -> bool:
    """Whether a row still needs these bytes: an item not settled, a document of one, one with open deliveries."""
    of_item = select(item.c.id).where(item.c.sha256 == sha256, item.c.state != "settled")
    of_document = (
        select(document.c.id)
        .join(item, item.c.id == document.c.item_id)
        .where(document.c.sha256 == sha256, item.c.state != "settled")
    )
    of_delivery = (
        select(document.c.id)
        .join(delivery, delivery.c.document_id == document.c.id)
        .where(document.c.sha256 == sha256, delivery.c.state.not_in(("sent", "dismissed")))
    )
    return any(conn.execute(query.limit(1)).first() is not None for query in (of_item, of_document, of_delivery))


def still_decoded(conn: Connection, item_ids: Sequence[int]) -> set[int]:
    """Those of these items that nobody has settled yet."""
    return set(
        conn.execute(select(item.c.id).where(item.c.id.in_(item_ids), item.c.state == "decoded")).scalars().all()
    )
