"""Verdicts and deliveries in the ledger: owed -> sending -> sent, or quarantined."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, bindparam, func, insert, or_, select, update

from ezcold_operators.ledger import indexes
from ezcold_operators.ledger.events import Event, clean, record
from ezcold_operators.ledger.items import ATTEMPTS, quarantine
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.ledger.many import execute_many
from ezcold_operators.ledger.tables import delivery, document, event, item

OPEN = ("owed", "sending")
CLOSED = ("sent", "dismissed")
CHUNK = 5000
"""Ids in one statement: SQLite takes 32766 parameters, PostgreSQL 65535."""

_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_JUDGED = (
    update(document)
    .where(document.c.id == bindparam("_id"))
    .values(verdict=bindparam("verdict"), reason=bindparam("reason"))
)
_OWED = insert(delivery)
_COLUMNS: list[Any] = [
    delivery, document.c.name, document.c.media_type, document.c.size, document.c.sha256, document.c.metadata,
    document.c.path, document.c.role, item.c.sender, item.c.recipients, item.c.subject, item.c.message_id,
    item.c.sent_at.label("mail_date"), item.c.received_at, item.c.name.label("item_name"), item.c.envelope,
    item.c.source_key,
]  # fmt: skip
_ROWS = (
    select(*_COLUMNS)
    .join(document, document.c.id == delivery.c.document_id)
    .join(item, item.c.id == delivery.c.item_id)
    .where(delivery.c.id.in_(_IDS))
    .order_by(delivery.c.id)
)
# Locked until our commit: nobody else takes one between our look and our update.
_STILL = (
    select(delivery.c.id)
    .where(delivery.c.id.in_(_IDS), delivery.c.state == bindparam("state"))
    .order_by(delivery.c.id)
    .with_for_update()
)
_SENDING = (
    update(delivery)
    .where(delivery.c.id == bindparam("delivery_id"), delivery.c.state == "owed")
    .values({name: bindparam(name) for name in ("driver", "token", "part", "final", "identity")} | {"state": "sending"})
)
_SENT = (
    update(delivery)
    .where(delivery.c.id == bindparam("_id"), delivery.c.state == "sending")
    .values(state="sent", receipt=bindparam("receipt"), sent_at=bindparam("sent_at"), last_error="", claimed_by=None,
            claimed_until=None)
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the filter room says of one document."""

    document_id: int
    item_id: int
    verdict: str
    """accepted, rejected or quarantined."""
    scenarios: tuple[str, ...] = ()
    reason: str = ""


def unjudged(conn: Connection, launcher: str, limit: int) -> list[Any]:
    """Documents without a verdict, with what is known of their item, oldest first."""
    query = (
        select(document, item.c.envelope, item.c.name.label("item_name"))
        .join(item, item.c.id == document.c.item_id)
        .where(document.c.launcher == launcher, document.c.verdict.is_(None))
        .order_by(document.c.id)
        .limit(limit)
    )
    return list(conn.execute(query).all())


def judge(
    ledger: Ledger,
    conn: Connection,
    run_id: str,
    launcher: str,
    verdicts: Sequence[Verdict],
    indexed: Mapping[str, bool] | None = None,
) -> None:
    """Write verdicts and what is owed for them; a document already judged by another run stays as it is.

    :param indexed: scenarios that want an index (see `indexes.owe`).
    """
    now = ledger.now(conn)
    ledger.serialise(conn, f"judge {launcher}")
    ids = [v.document_id for v in verdicts]
    free = set(
        conn.execute(select(document.c.id).where(document.c.id.in_(ids), document.c.verdict.is_(None))).scalars().all()
    )
    mine = [v for v in verdicts if v.document_id in free]
    if not mine:
        return
    judged = [{"_id": v.document_id, "verdict": v.verdict, "reason": clean(v.reason)} for v in mine]
    execute_many(conn, _JUDGED, judged)
    owed = [
        {"document_id": v.document_id, "item_id": v.item_id, "launcher": launcher, "scenario": s, "state": "owed",
         "owed_at": now}
        for v in mine for s in v.scenarios
    ]  # fmt: skip
    execute_many(conn, _OWED, owed)
    indexes.owe(conn, now, launcher, owed, indexed or {})
    record(
        conn, now, run_id, launcher,
        [Event(v.verdict, v.item_id, v.document_id, v.reason or ", ".join(v.scenarios)) for v in mine],
    )  # fmt: skip
    for v in mine:
        if v.verdict == "quarantined":
            quarantine(conn, now, run_id, launcher, v.item_id, v.reason)


def owing(conn: Connection, launcher: str) -> dict[str, int]:
    """Deliveries still owed, by scenario."""
    rows = conn.execute(
        select(delivery.c.scenario, func.count())
        .where(delivery.c.launcher == launcher, delivery.c.state.in_(OPEN))
        .group_by(delivery.c.scenario)
        .order_by(delivery.c.scenario)
    )
    return {str(scenario): int(count) for scenario, count in rows}


def rows(conn: Connection, ids: Sequence[int]) -> list[Any]:
    """Deliveries with their document and item, by delivery id."""
    wanted = sorted(ids)
    pieces = (wanted[start : start + CHUNK] for start in range(0, len(wanted), CHUNK))
    return [row for piece in pieces for row in conn.execute(_ROWS, {"ids": piece}).all()]


def sending(
    ledger: Ledger, conn: Connection, run_id: str, launcher: str, driver: str, prepared: Sequence[Mapping[str, Any]]
) -> set[int]:
    """Take prepared deliveries from owed to sending; the ids that were ours to take. The rest lost a race."""
    if not prepared:
        return set()
    won = set(conn.execute(_STILL, {"ids": [one["delivery_id"] for one in prepared], "state": "owed"}).scalars().all())
    execute_many(conn, _SENDING, [{**one, "driver": driver} for one in prepared if one["delivery_id"] in won])
    return won


def sent(
    ledger: Ledger, conn: Connection, run_id: str, launcher: str, receipts: Sequence[tuple[Any, str, str]]
) -> None:
    """Take (row, receipt, detail) from sending to sent."""
    now = ledger.now(conn)
    if not receipts:
        return
    ids = [row.id for row, _receipt, _detail in receipts]
    still = set(conn.execute(_STILL, {"ids": ids, "state": "sending"}).scalars().all())
    mine = [r for r in receipts if r[0].id in still]
    if not mine:
        return
    rows = [{"_id": row.id, "receipt": clean(receipt), "sent_at": now} for row, receipt, _detail in mine]
    execute_many(conn, _SENT, rows)
    record(
        conn, now, run_id, launcher,
        [Event("sent", row.item_id, row.document_id, f"{row.scenario}: {detail}") for row, _receipt, detail in mine],
    )  # fmt: skip


def _ours(token: str) -> ColumnElement[bool]:
    """Owed, or sent under this very token: what another run meanwhile sends under its own is not ours to change."""
    return or_(delivery.c.state == "owed", (delivery.c.state == "sending") & (delivery.c.token == token))


def back_to_owed(conn: Connection, ids: Sequence[int], error: str, token: str = "") -> None:
    """Certainly not sent, and not the file's fault: owed again, no attempt counted.

    :param token: that it was being sent under; none if it was only prepared.
    """
    conn.execute(
        update(delivery)
        .where(delivery.c.id.in_(ids), _ours(token))
        .values(state="owed", last_error=clean(error), claimed_by=None, claimed_until=None)
    )


def refused(
    ledger: Ledger, conn: Connection, run_id: str, launcher: str, row: Any, error: str, *, last: bool, token: str = ""
) -> bool:
    """The scenario refuses this file (or, `last`, a person must decide): count it; True if it is now quarantined.

    :param token: that it was being sent under; none if it was only prepared.
    """
    attempts = int(row.attempts) + 1
    out = last or attempts >= ATTEMPTS
    values = {"attempts": attempts, "last_error": clean(error), "claimed_by": None, "claimed_until": None,
              "state": "quarantined" if out else "owed"}  # fmt: skip
    if not last:  # its part was thrown away: nothing of it may have gone in
        values |= {"token": "", "part": "", "final": "", "identity": ""}
    moved = conn.execute(update(delivery).where(delivery.c.id == row.id, _ours(token)).values(values)).rowcount
    if not moved:
        return False
    now = ledger.now(conn)
    record(conn, now, run_id, launcher, [Event("refused", row.item_id, row.document_id, f"{row.scenario}: {error}")])
    if out:
        quarantine(conn, now, run_id, launcher, row.item_id, f"{row.scenario}: {error}")
    return out


def about(scenario: ColumnElement[str]) -> ColumnElement[bool]:
    """Events whose detail begins with this scenario; never a LIKE, to which the `_` of an id is any character."""
    return func.substr(event.c.detail, 1, func.length(scenario) + 2) == scenario + ": "


def orphans(conn: Connection, launcher: str, affiliated: Sequence[str]) -> list[int]:
    """Open deliveries to scenarios that this launcher is no longer affiliated to, and that nobody asked for."""
    asked = select(event.c.id).where(
        event.c.document_id == delivery.c.document_id, event.c.item_id == delivery.c.item_id,
        event.c.what == "resent", about(delivery.c.scenario),
    )  # fmt: skip
    where = [delivery.c.launcher == launcher, delivery.c.state.in_(OPEN), ~asked.exists()]
    if affiliated:
        where.append(delivery.c.scenario.not_in(affiliated))
    return list(conn.execute(select(delivery.c.id).where(*where).order_by(delivery.c.id)).scalars())


def open_claimable(launcher: str, scenario: str, state: str) -> Any:
    """The condition of a claim on this scenario's deliveries in one state."""
    return (delivery.c.launcher == launcher) & (delivery.c.scenario == scenario) & (delivery.c.state == state)


def unsettled_filter() -> Any:
    """Documents or deliveries of an item that keep it from being settled."""
    waiting = select(document.c.id).where(
        document.c.item_id == item.c.id, or_(document.c.verdict.is_(None), document.c.verdict == "quarantined")
    )
    open_ones = select(delivery.c.id).where(delivery.c.item_id == item.c.id, delivery.c.state.not_in(CLOSED))
    return waiting.exists() | open_ones.exists()


def names_part(conn: Connection, part: str) -> bool:
    """Some delivery that is not done with names this part."""
    query = select(delivery.c.id).where(delivery.c.part == part, delivery.c.state.not_in(CLOSED)).limit(1)
    return conn.execute(query).first() is not None


def bytes_gone(conn: Connection, item_id: int, reason: str, has: Callable[[str], bool]) -> None:
    """What is owed of this item and has no bytes any more waits for a person with it."""
    query = select(delivery.c.id, document.c.sha256).join(document, document.c.id == delivery.c.document_id)
    rows = conn.execute(query.where(delivery.c.item_id == item_id, delivery.c.state == "owed")).all()
    lost = [row.id for row in rows if not has(row.sha256)]
    values = {"state": "quarantined", "last_error": clean(reason), "claimed_by": None, "claimed_until": None}
    conn.execute(update(delivery).where(delivery.c.id.in_(lost), delivery.c.state == "owed").values(values))
