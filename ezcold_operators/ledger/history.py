"""Reading the ledger for people: what happened to a document, what a run did, what is owed."""

from __future__ import annotations

import unicodedata
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select

from ezcold_operators.ledger.deliveries import about, owing
from ezcold_operators.ledger.events import clean
from ezcold_operators.ledger.tables import delivery, document, event, item


def find_items(conn: Connection, text: str, limit: int = 50) -> list[int]:
    """Items that the text names: by file name, subject, sender, message-id, sha256 (from 8 digits on), newest first."""
    # Names stand in the ledger as they were sent, and a Mac types and sends its accents decomposed.
    forms = sorted({clean(text), *(unicodedata.normalize(form, clean(text)) for form in ("NFC", "NFD"))})
    fields: list[ColumnElement[Any]] = [item.c.name, item.c.subject, item.c.sender, item.c.message_id]
    likes = ["%" + form.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%" for form in forms]
    in_item: list[ColumnElement[bool]] = [f.ilike(like, escape="\\") for f in fields for like in likes]
    in_document: list[ColumnElement[bool]] = [document.c.name.ilike(like, escape="\\") for like in likes]
    folded = text.lower()
    if len(folded) >= 8 and all(c in "0123456789abcdef" for c in folded):
        in_item.append(item.c.sha256.startswith(folded))
        in_document.append(document.c.sha256.startswith(folded))
    query = (
        select(item.c.id)
        .where(or_(*in_item, item.c.id.in_(select(document.c.item_id).where(or_(*in_document)))))
        .order_by(item.c.id.desc())
        .limit(limit)
    )
    return list(conn.execute(query).scalars())


def item_history(conn: Connection, item_id: int) -> dict[str, Any]:
    """Everything known of one item: its row, documents, deliveries, events in order."""

    def many(query: Any) -> list[dict[str, Any]]:
        return [dict(row._mapping) for row in conn.execute(query)]

    return {
        "item": many(select(item).where(item.c.id == item_id))[0],
        "documents": many(select(document).where(document.c.item_id == item_id).order_by(document.c.id)),
        "deliveries": many(select(delivery).where(delivery.c.item_id == item_id).order_by(delivery.c.id)),
        "events": many(select(event).where(event.c.item_id == item_id).order_by(event.c.id)),
    }


def run_counts(conn: Connection, launcher: str, run_id: str) -> dict[str, Any]:
    """What one run did, from its events; the keys of `ezcold run --json` but `launcher` and `errors`."""

    def count(what: str) -> int:
        query = select(func.count(event.c.item_id.distinct())).where(
            event.c.launcher == launcher, event.c.run_id == run_id, event.c.what == what
        )
        return int(conn.execute(query).scalar_one())

    in_run = (event.c.launcher == launcher) & (event.c.run_id == run_id)
    details = conn.execute(select(event.c.detail).where(in_run, event.c.what == "decoded")).scalars()
    sent = conn.execute(
        select(delivery.c.scenario, func.count(delivery.c.id.distinct()))
        .join(event, (event.c.document_id == delivery.c.document_id) & (event.c.what == "sent"))
        .where(in_run, about(delivery.c.scenario))
        .group_by(delivery.c.scenario)
        .order_by(delivery.c.scenario)
    )
    rejected = conn.execute(
        select(func.count(event.c.document_id.distinct())).where(in_run, event.c.what == "rejected")
    ).scalar_one()
    return {
        "fetched": count("fetched"),
        "documents": sum(int(d) for d in details if d.isdigit()),
        "rejected": int(rejected),
        "sent": {str(scenario): int(n) for scenario, n in sent},
        "settled": count("settled"),
        "quarantined": count("quarantined"),
        "owed": sum(owing(conn, launcher).values()),
    }


def quarantined_reasons(conn: Connection, launcher: str, run_id: str, limit: int = 20) -> list[str]:
    """Why items were quarantined in this run, each reason once."""
    query = (
        select(event.c.detail)
        .where(event.c.launcher == launcher, event.c.run_id == run_id, event.c.what == "quarantined",
               event.c.document_id.is_(None))
        .distinct()
        .limit(limit)
    )  # fmt: skip
    return list(conn.execute(query).scalars())
