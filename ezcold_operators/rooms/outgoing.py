"""Ledger rows as drivers want them, and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from ezcold_operators.cold.base import Outgoing, Prepared
from ezcold_operators.filtering import Candidate, effective_name
from ezcold_operators.ledger import indexes
from ezcold_operators.rooms.base import River


def outgoing(river: River, row: Any) -> Outgoing:
    """A row of `deliveries.rows` as a document on its way."""
    seconds = row.mail_date or row.received_at
    date = datetime.fromtimestamp(seconds, tz=UTC) if seconds else None
    context = {
        "launcher": row.launcher, "item": row.item_id, "sender": row.sender, "subject": row.subject,
        "message_id": row.message_id,
    }  # fmt: skip
    if row.role == indexes.ROLE:
        context["beside"] = json.loads(row.metadata).get("beside")
    return Outgoing(
        delivery_id=row.id,
        file=river.stage.path(row.sha256),
        size=row.size,
        sha256=row.sha256,
        name=effective_name(Candidate(row.name, row.media_type, None, row.role, False, row.size)),
        media_type=row.media_type,
        date=date,
        context=context,
    )


def prepared(row: Any) -> Prepared:
    """What stands in a `sending` row."""
    return Prepared(row.id, row.token, row.part, row.final, row.identity)


def columns(one: Prepared) -> dict[str, Any]:
    """A Prepared as columns of its row."""
    return {
        "delivery_id": one.delivery_id, "token": one.token, "part": one.part, "final": one.final,
        "identity": one.identity,
    }  # fmt: skip
