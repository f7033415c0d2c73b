"""What decoding found in an item: documents, headers, or a failure that counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from ezcold_operators.ledger.events import Event, clean, record
from ezcold_operators.ledger.items import ATTEMPTS
from ezcold_operators.ledger.ledger import Ledger, dump
from ezcold_operators.ledger.many import execute_many
from ezcold_operators.ledger.tables import document, item

# Locked until our commit, so that of two runs that decoded one item only the first writes.
_STAGED = (
    select(item.c.id)
    .where(item.c.id.in_(bindparam("ids", expanding=True)), item.c.state == "staged")
    .order_by(item.c.id)
    .with_for_update()
)
_HAVE = select(document.c.item_id, document.c.path, document.c.sha256, document.c.role).where(
    document.c.item_id.in_(bindparam("ids", expanding=True))
)
_OUTCOME = (
    update(item)
    .where(item.c.id == bindparam("_id"), item.c.state == "staged")
    .values({name: bindparam(name) for name in (
        "state", "reason", "sender", "recipients", "subject", "message_id", "sent_at", "envelope"
    )} | {"claimed_by": None, "claimed_until": None})
)  # fmt: skip
_FRESH = insert(document)


@dataclass(frozen=True, slots=True)
class NewDocument:
    """One document as the decode room hands it over."""

    path: str
    name: str | None
    media_type: str
    sniffed: str | None
    role: str
    inline: bool
    size: int
    sha256: str
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NewDecoding:
    """What decoding one item gave."""

    item_id: int
    documents: Sequence[NewDocument]
    sender: str = ""
    recipients: str = ""
    subject: str = ""
    message_id: str = ""
    sent: datetime | None = None
    envelope: Mapping[str, Any] | None = None
    quarantined: str = ""
    events: Sequence[Event] = field(default_factory=tuple)


def decoded(ledger: Ledger, conn: Connection, run_id: str, launcher: str, new: Sequence[NewDecoding]) -> int:
    """Write down what was found; the number of documents new to the ledger.

    Decoding again adds only what the item does not have yet by (sha256, occurrence), whatever its part number became.
    """
    now = ledger.now(conn)
    staged = set(conn.execute(_STAGED, {"ids": [one.item_id for one in new]}).scalars().all())
    won = [one for one in new if one.item_id in staged]
    if not won:
        return 0
    execute_many(conn, _OUTCOME, [_outcome(one) for one in won])
    have: dict[int, list[Any]] = {}
    for row in conn.execute(_HAVE, {"ids": staged}).all():
        have.setdefault(row.item_id, []).append(row)
    fresh = [row for one in won for row in _fresh(launcher, one, have.get(one.item_id, []))]
    execute_many(conn, _FRESH, fresh)
    events: list[Event] = []
    for one in won:
        events += [Event("decoded", one.item_id, detail=str(len(one.documents))), *one.events]
        if one.quarantined:
            events.append(Event("quarantined", one.item_id, detail=one.quarantined))
    record(conn, now, run_id, launcher, events)
    return len(fresh)


def _outcome(one: NewDecoding) -> dict[str, Any]:
    return {
        "_id": one.item_id, "state": "quarantined" if one.quarantined else "decoded",
        "reason": clean(one.quarantined), "sender": clean(one.sender), "recipients": clean(one.recipients),
        "subject": clean(one.subject), "message_id": clean(one.message_id),
        "sent_at": one.sent.timestamp() if one.sent else None,
        "envelope": dump(one.envelope) if one.envelope else None,
    }  # fmt: skip


def _fresh(launcher: str, one: NewDecoding, rows: Sequence[Any]) -> list[dict[str, Any]]:
    paths = {row.path for row in rows}
    have = Counter(row.sha256 for row in rows if row.role != "index")
    fresh = []
    for doc in one.documents:
        if have[doc.sha256] > 0:
            have[doc.sha256] -= 1
            continue
        path, n = clean(doc.path), 1
        while path in paths:
            n += 1
            path = f"{clean(doc.path)}~{n}"
        paths.add(path)
        fresh.append(
            {"item_id": one.item_id, "launcher": launcher, "path": path,
             "name": clean(doc.name) if doc.name is not None else None, "media_type": clean(doc.media_type),
             "sniffed": doc.sniffed, "role": doc.role, "inline": doc.inline, "size": doc.size, "sha256": doc.sha256,
             "metadata": dump(doc.metadata)}
        )  # fmt: skip
    return fresh


def attempt_failed(ledger: Ledger, conn: Connection, run_id: str, launcher: str, item_id: int, reason: str) -> bool:
    """Count a failure that the item itself caused; True if that was its last, and it is now quarantined."""
    attempts = conn.execute(select(item.c.attempts).where(item.c.id == item_id)).scalar_one() + 1
    out = bool(attempts >= ATTEMPTS)
    values: dict[str, Any] = {"attempts": attempts, "reason": clean(reason)}
    if out:
        values |= {"state": "quarantined", "claimed_by": None, "claimed_until": None}
    conn.execute(update(item).where(item.c.id == item_id, item.c.state == "staged").values(values))
    what = "quarantined" if out else "undecoded"
    record(conn, ledger.now(conn), run_id, launcher, [Event(what, item_id, detail=reason)])
    return out


def follow(ledger: Ledger, conn: Connection, run_id: str, launcher: str, item_ids: Sequence[int], first: int) -> None:
    """Items that are parts of one mail: settled with the first, which has the documents."""
    conn.execute(
        update(item)
        .where(item.c.id.in_(item_ids), item.c.state == "staged")
        .values(state="decoded", duplicate_of=first, claimed_by=None, claimed_until=None)
    )
    events = [Event("joined", item_id, detail=str(first)) for item_id in item_ids]
    record(conn, ledger.now(conn), run_id, launcher, events)
