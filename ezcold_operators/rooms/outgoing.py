"""Ledger rows as drivers want them, and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from ezcold_operators.cold.base import Outgoing, Prepared
from ezcold_operators.filtering import Candidate, effective_name
from ezcold_operators.rooms.base import River


def outgoing(river: River, row: Any) -> Outgoing:
    """A row of `deliveries.rows` as a document on its way."""
    seconds = row.mail_date or row.received_at
    date = datetime.fromtimestamp(seconds, tz=UTC) if seconds else None
    metadata = json.loads(row.metadata)
    named = Candidate(row.name, row.media_type, None, row.role, False, row.size)
    return Outgoing(
        delivery_id=row.id,
        file=river.stage.path(row.sha256),
        size=row.size,
        sha256=row.sha256,
        name=effective_name(named),
        media_type=row.media_type,
        date=date,
        context={
            "launcher": row.launcher, "scenario": row.scenario, "number": _number(river, row),
            "item": row.item_id, "document": row.document_id,
            "path": row.path, "source": row.source_key, "source_name": row.item_name, "sender": row.sender,
            "recipients": row.recipients, "subject": row.subject, "message_id": row.message_id, "sha256": row.sha256,
            "size": row.size, "media_type": row.media_type, "metadata": metadata,
            "envelope": json.loads(row.envelope) if row.envelope else None,
            "beside": metadata.get("beside") if row.role == "index" else None,
        },
    )  # fmt: skip


def prepared(row: Any) -> Prepared:
    """What stands in a `sending` row."""
    return Prepared(row.id, row.token, row.part, row.final, row.identity)


def columns(one: Prepared) -> dict[str, Any]:
    """A Prepared as columns of its row."""
    return {
        "delivery_id": one.delivery_id, "token": one.token, "part": one.part, "final": one.final,
        "identity": one.identity,
    }  # fmt: skip


def _number(river: River, row: Any) -> str:
    scenario = river.scenarios.get(row.scenario)
    return str(scenario.number) if scenario and scenario.number is not None else ""
