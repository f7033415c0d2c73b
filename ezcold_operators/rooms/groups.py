"""Groups and indexes: what may go into a scenario now, and the bytes of an index when it is its turn.

Files first: an index goes when everything that it tells of has its receipt, so that whoever reads it finds everything.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, select, true

from ezcold_operators.cold import index
from ezcold_operators.cold.names import split
from ezcold_operators.config.scenario import Scenario
from ezcold_operators.ledger import deliveries, indexes
from ezcold_operators.ledger.tables import delivery
from ezcold_operators.rooms.base import River


def wanted(river: River) -> dict[str, bool]:
    """The scenarios that want an index; True: one for the item."""
    return {name: one.group for name, one in river.scenarios.items() if one.index != "none"}


def may_go(scenario: Scenario) -> ColumnElement[bool]:
    """The condition on an owed delivery of a document: of a group, only when the group is whole."""
    return indexes.not_an_index() & (indexes.group_is_whole() if scenario.group else true())


def work_to_do(river: River, scenario: Scenario) -> bool:
    """Something can be recovered or paid now. What waits for its group must not cost a login each time."""
    mine = (delivery.c.launcher == river.id) & (delivery.c.scenario == scenario.id)
    now = (delivery.c.state == "sending") | ((delivery.c.state == "owed") & may_go(scenario))
    with river.ledger.read() as conn:
        if conn.execute(select(delivery.c.id).where(mine, now).limit(1)).first() is not None:
            return True
        found = indexes.due(conn, river.id, scenario.id)
    return bool(found.ready or found.needless)


def ready(river: River, scenario: Scenario) -> list[int]:
    """Index deliveries whose turn it is; those that nobody needs any more are dismissed."""
    with river.ledger.read() as conn:
        found = indexes.due(conn, river.id, scenario.id)
    needless = [*found.needless, *(found.ready if scenario.index == "none" else ())]
    if needless:
        with river.ledger.transaction("groups.needless") as conn:
            indexes.needless(river.ledger, conn, river.run_id, river.id, needless)
    return found.ready if scenario.index != "none" else []


def write(river: River, scenario: Scenario, rows: Sequence[Any]) -> list[Any]:
    """Give indexes their bytes, in the stage and in the ledger; their rows as they are now.

    :raises ConfigurationError: the template cannot be used. :raises StageUnavailable:
    """
    if not rows:
        return []
    new = []
    with river.stage.batch() as batch:
        for row in rows:
            of = json.loads(row.metadata).get("of")
            with river.ledger.read() as conn:
                members = indexes.members(conn, row.item_id, scenario.id, of)
            blob = batch.put([index.render(scenario, facts(row, scenario, members))])
            metadata: dict[str, Any] = {} if of is None else {"of": of}
            if of is not None and members and members[0].final:
                metadata["beside"] = members[0].final.rpartition("/")[2]
            new.append(
                {"id": row.document_id, "name": _name(row, scenario), "media_type": index.media_type(scenario),
                 "size": blob.size, "sha256": blob.sha256, "metadata": metadata}
            )  # fmt: skip
        batch.commit()
    with river.ledger.transaction("groups.indexed") as conn:
        indexes.written(conn, new)
        return deliveries.rows(conn, [row.id for row in rows])


def _name(row: Any, scenario: Scenario) -> str:
    """Before the driver makes it safe: as its item is called."""
    last = (row.item_name or row.subject or "").replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    stem = split(last)[0] if row.item_name else last
    return f"{stem.strip() or 'index'}.{index.extension(scenario)}"


def facts(row: Any, scenario: Scenario, members: Sequence[Any]) -> dict[str, Any]:
    """What an index tells (cold.index), from a row of `deliveries.rows` and those of `indexes.members`."""
    return {
        "launcher": row.launcher, "scenario": scenario.id, "number": scenario.number, "source": row.source_key,
        "source_name": row.item_name, "sender": row.sender, "recipients": row.recipients, "subject": row.subject,
        "message_id": row.message_id, "sent": _date(row.mail_date), "received": _date(row.received_at),
        "envelope": json.loads(row.envelope) if row.envelope else None,
        "documents": [_member(one) for one in members],
    }  # fmt: skip


def _member(one: Any) -> dict[str, Any]:
    sent = one.state == "sent"
    if sent:
        state, reason = "sent", ""
    elif one.state is None:
        state, reason = "rejected", one.reason
    else:
        state, reason = "refused", one.last_error or one.reason
    return {
        "file": one.final.rpartition("/")[2] if sent else "", "name": one.name or "", "path": one.path, "state": state,
        "reason": reason, "size": one.size, "sha256": one.sha256, "media_type": one.media_type,
        "metadata": json.loads(one.metadata),
    }  # fmt: skip


def _date(seconds: float | None) -> str | None:
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else None
