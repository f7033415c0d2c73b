"""Events: what happened, in order; the answer to "why?" and the source of every summary."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert

from ezcold_operators import log
from ezcold_operators.ledger.many import execute_many
from ezcold_operators.ledger.tables import event

_APPEND = insert(event)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to an item or a document.

    what: fetched, missing, duplicate, decoded, undecoded, accepted, rejected, quarantined, sending, sent, refused,
    acknowledged, settled, failed, renamed, replayed, dismissed, resent, downloaded, needless (an index that tells of
    nothing); of no item: unable:<kind> (a run could not work, s. troubles), counted (a survey, s. counted).
    """

    what: str
    item_id: int | None = None
    document_id: int | None = None
    detail: str = ""


def record(conn: Connection, at: float, run_id: str, launcher: str, events: Iterable[Event]) -> None:
    """Append events in this transaction, and log each as one structured line."""
    rows: list[dict[str, Any]] = [
        {"at": at, "run_id": run_id, "launcher": launcher, "item_id": e.item_id, "document_id": e.document_id,
         "what": e.what, "detail": clean(e.detail)}
        for e in events
    ]  # fmt: skip
    execute_many(conn, _APPEND, rows)
    for row in rows if log.enabled(log.INFO) else ():
        log.info(row["what"], launcher=launcher, run_id=run_id, item=row["item_id"], document=row["document_id"])


def clean(text: str | None) -> str:
    """Text that every database takes: no NUL, no lone surrogate (names from mail and from disks have both)."""
    if not text:
        return ""
    if text.isascii() and "\x00" not in text:
        return text
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")
