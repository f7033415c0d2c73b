"""What a person decides in the ledger: replay a quarantined item, dismiss it with a reason, send a document again.

    replay    item: staged (decoded again), or missing (read again); its documents: unjudged; its deliveries: owed
    dismiss   item: settled, its source untouched for ever; its deliveries: dismissed
    resend    a delivery: owed, also one that was sent already

Every decision is an event that says who took it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, or_, select, update

from ezcold_operators.ledger import indexes
from ezcold_operators.ledger.deliveries import OPEN
from ezcold_operators.ledger.events import Event, clean, record
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.ledger.tables import delivery, document, event, item

UNSENT: dict[str, Any] = {
    "state": "owed", "token": "", "part": "", "final": "", "identity": "", "receipt": "", "attempts": 0,
    "last_error": "", "sent_at": None, "claimed_by": None, "claimed_until": None,
}  # fmt: skip
"""A delivery as if it had never been begun."""
UNFINISHED = ("staged", "decoded", "missing", "quarantined")


@dataclass(frozen=True, slots=True)
class Decision:
    """Who decides, as which run of the ledger."""

    run_id: str
    who: str
    reason: str = ""

    def detail(self) -> str:
        """For an event: who, and what they said."""
        return ": ".join(part for part in (self.who, self.reason) if part)


def quarantined(conn: Connection, launcher: str | None = None) -> list[int]:
    """Items in quarantine, or with a document or a delivery there, oldest first."""
    bad_delivery = select(delivery.c.item_id).where(delivery.c.state == "quarantined")
    bad_document = select(document.c.item_id).where(document.c.verdict == "quarantined", item.c.state != "settled")
    bad_document = bad_document.join(item, item.c.id == document.c.item_id)
    where: list[ColumnElement[bool]] = [
        or_(item.c.state == "quarantined", item.c.id.in_(bad_delivery), item.c.id.in_(bad_document))
    ]
    if launcher is not None:
        where.append(item.c.launcher == launcher)
    return list(conn.execute(select(item.c.id).where(*where).order_by(item.c.id)).scalars())


def unfinished(conn: Connection, launcher: str) -> list[int]:
    """Items of a launcher that are not settled, or still owe something, oldest first."""
    owing = select(delivery.c.item_id).where(
        delivery.c.launcher == launcher, delivery.c.state.in_((*OPEN, "quarantined"))
    )
    query = select(item.c.id).where(
        item.c.launcher == launcher, or_(item.c.state.in_(UNFINISHED), item.c.id.in_(owing))
    )
    return list(conn.execute(query.order_by(item.c.id)).scalars())


def existing(conn: Connection, item_ids: Sequence[int]) -> list[int]:
    """Those of these ids that there are."""
    return list(conn.execute(select(item.c.id).where(item.c.id.in_(item_ids)).order_by(item.c.id)).scalars())


def launchers(conn: Connection) -> dict[str, dict[str, int]]:
    """Every launcher that the ledger knows: items not settled, deliveries owed and quarantined."""
    names = conn.execute(select(item.c.launcher).distinct()).scalars()
    found: dict[str, dict[str, int]] = {str(name): {"items": 0, "owed": 0, "quarantined": 0} for name in names}
    living = select(item.c.launcher, func.count()).where(item.c.state.in_(UNFINISHED)).group_by(item.c.launcher)
    for name, count in conn.execute(living):
        found[name]["items"] = int(count)
    for key, states in (("owed", OPEN), ("quarantined", ("quarantined",))):
        query = select(delivery.c.launcher, func.count()).where(delivery.c.state.in_(states))
        for name, count in conn.execute(query.group_by(delivery.c.launcher)):
            found[name][key] = int(count)
    return found


def describe(conn: Connection, item_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Items for a person, with the documents and deliveries that are in quarantine, and since when (seconds)."""
    answer = []
    for start in range(0, len(item_ids), 500):
        ids = item_ids[start : start + 500]
        since: Mapping[int, float] = {
            row.item_id: row.at
            for row in conn.execute(
                select(event.c.item_id, func.max(event.c.at).label("at"))
                .where(event.c.item_id.in_(ids), event.c.what.in_(("quarantined", "refused")))
                .group_by(event.c.item_id)
            )
        }
        documents = _by_item(conn, select(document).where(document.c.item_id.in_(ids)), document.c.verdict)
        deliveries = _by_item(conn, select(delivery).where(delivery.c.item_id.in_(ids)), delivery.c.state)
        for row in conn.execute(select(item).where(item.c.id.in_(ids)).order_by(item.c.id)):
            answer.append(
                {
                    "id": row.id, "launcher": row.launcher, "name": row.name, "subject": row.subject,
                    "sender": row.sender, "source": row.source_key, "received": row.received_at, "state": row.state,
                    "reason": row.reason, "since": since.get(row.id),
                    "documents": [
                        {"id": d.id, "name": d.name, "reason": d.reason} for d in documents.get(row.id, ())
                    ],
                    "deliveries": [
                        {"id": d.id, "document": d.document_id, "scenario": d.scenario, "error": d.last_error}
                        for d in deliveries.get(row.id, ())
                    ],
                }
            )  # fmt: skip
    return answer


def _by_item(conn: Connection, query: Any, state: ColumnElement[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in conn.execute(query.where(state == "quarantined").order_by("id")):
        found.setdefault(row.item_id, []).append(row)
    return found


def replay(ledger: Ledger, conn: Connection, by: Decision, item_id: int, has: Callable[[str], bool]) -> bool:
    """Take one item, with what is in quarantine of it, out of quarantine; False if nothing of it is there.

    A delivery whose part was written in a parts folder is left to the recovery, which alone can tell whether it went.
    """
    row = _locked(ledger, conn, item_id)
    if row is None:
        return False
    count = int(_undecided(conn, item_id))
    mine = (delivery.c.item_id == item_id) & (delivery.c.state == "quarantined")
    begun = mine & (delivery.c.driver == "folder") & (delivery.c.part != "")
    count += conn.execute(update(delivery).where(begun).values(state="sending", attempts=0, last_error="")).rowcount
    count += conn.execute(update(delivery).where(mine).values(UNSENT)).rowcount
    if row.state == "quarantined":
        _to(conn, item_id, state="staged" if row.sha256 and has(row.sha256) else "missing", reason="", attempts=0)
        count += 1
    if not count:
        return False
    record(conn, ledger.now(conn), by.run_id, row.launcher, [Event("replayed", item_id, detail=by.detail())])
    return True


def _undecided(conn: Connection, item_id: int) -> int:
    mine = (document.c.item_id == item_id) & (document.c.verdict == "quarantined")
    return conn.execute(update(document).where(mine).values(verdict=None, reason="")).rowcount


def dismiss(ledger: Ledger, conn: Connection, by: Decision, item_id: int, owed: bool = False) -> bool:
    """Give up what is in quarantine of one item and settle it, its source left as it is; False if there is nothing.

    :param owed: also what is owed, and an item that waits: for launchers that are no more.
    """
    row = _locked(ledger, conn, item_id)
    if row is None:
        return False
    states = ("quarantined", *OPEN) if owed else ("quarantined",)
    mine = (delivery.c.item_id == item_id) & delivery.c.state.in_(states)
    given_up = conn.execute(select(delivery.c.document_id, delivery.c.scenario).where(mine)).all()
    conn.execute(update(delivery).where(mine).values(state="dismissed", claimed_by=None, claimed_until=None))
    bad = document.c.verdict == "quarantined"
    undecided = (document.c.item_id == item_id) & (or_(bad, document.c.verdict.is_(None)) if owed else bad)
    reason = clean(by.detail())
    documents = conn.execute(update(document).where(undecided).values(verdict="rejected", reason=reason)).rowcount
    wanted = UNFINISHED if owed else ("quarantined",)
    settled = row.state in wanted
    if not (given_up or documents or settled):
        return False
    now = ledger.now(conn)
    events = [Event("dismissed", item_id, d.document_id, f"{d.scenario}: {by.detail()}") for d in given_up]
    record(conn, now, by.run_id, row.launcher, [*events, Event("dismissed", item_id, detail=by.detail())])
    if settled:
        _to(conn, item_id, state="settled", settled_at=now, reason=reason)
        _dismiss_copies(conn, now, by, row)
    return True


def _dismiss_copies(conn: Connection, now: float, by: Decision, row: Any) -> None:
    """The same bytes under other keys wait for this item: they stay at their source like it."""
    copies = conn.execute(
        select(item.c.id).where(item.c.duplicate_of == row.id, item.c.state.in_(UNFINISHED))
    ).scalars()
    for copy in list(copies):
        _to(conn, copy, state="settled", settled_at=now, reason=clean(by.detail()))
        record(conn, now, by.run_id, row.launcher, [Event("dismissed", copy, detail=by.detail())])


def documents(conn: Connection, item_id: int | None = None, document_id: int | None = None) -> list[Any]:
    """Documents of an item, or one document, with the item's launcher and state."""
    query = select(document, item.c.state.label("item_state")).join(item, item.c.id == document.c.item_id)
    where = document.c.item_id == item_id if document_id is None else document.c.id == document_id
    return list(conn.execute(query.where(where).order_by(document.c.id)).all())


def resend(
    ledger: Ledger, conn: Connection, by: Decision, rows: Sequence[Any], scenario: str, index: bool | None = None
) -> list[int]:
    """Owe documents of one launcher to a scenario (again), with a new index if it wants one; ids of the deliveries.

    One that is on its way already is left alone.

    :param rows: of `documents`. :param index: None: the scenario wants none; True: one for the item.
    """
    launcher = rows[0].launcher
    ledger.serialise(conn, f"judge {launcher}")
    now = ledger.now(conn)
    again = [row for row in rows if _owe(conn, now, row, scenario)]
    owed = [{"document_id": row.id, "item_id": row.item_id, "scenario": scenario} for row in again
            if row.role != indexes.ROLE]  # fmt: skip
    known = _indexes(conn, rows, scenario)
    if index is not None:
        indexes.owe(conn, now, launcher, owed, {scenario: index})
    fresh = {one: at for one, at in _indexes(conn, rows, scenario).items() if one not in known}
    detail = f"{scenario}: {by.detail()}"
    told = [(row.item_id, row.id) for row in again] + list(fresh.values())
    record(conn, now, by.run_id, launcher, [Event("resent", item_id, one, detail) for item_id, one in told])
    mine = delivery.c.document_id.in_([row.id for row in rows]) & (delivery.c.scenario == scenario)
    ids = conn.execute(select(delivery.c.id).where(mine).order_by(delivery.c.id)).scalars()
    return [*ids, *fresh]


def _owe(conn: Connection, now: float, row: Any, scenario: str) -> bool:
    where = (delivery.c.document_id == row.id) & (delivery.c.scenario == scenario)
    found = conn.execute(select(delivery.c.id, delivery.c.state).where(where).with_for_update()).first()
    if found is None:
        values = {"document_id": row.id, "item_id": row.item_id, "launcher": row.launcher, "scenario": scenario}
        conn.execute(insert(delivery).values(**values, state="owed", owed_at=now))
        return True
    if found.state not in OPEN:
        conn.execute(update(delivery).where(where).values(**UNSENT, owed_at=now))
    return found.state not in OPEN


def _indexes(conn: Connection, rows: Sequence[Any], scenario: str) -> dict[int, tuple[int, int]]:
    """Index deliveries of these items to a scenario: (item, document) by id."""
    query = (
        select(delivery.c.id, delivery.c.item_id, delivery.c.document_id)
        .join(document, document.c.id == delivery.c.document_id)
        .where(delivery.c.item_id.in_({row.item_id for row in rows}), delivery.c.scenario == scenario,
               document.c.role == indexes.ROLE)
        .order_by(delivery.c.id)
    )  # fmt: skip
    return {row.id: (row.item_id, row.document_id) for row in conn.execute(query)}


def _locked(ledger: Ledger, conn: Connection, item_id: int) -> Any:
    launcher = conn.execute(select(item.c.launcher).where(item.c.id == item_id)).scalar_one_or_none()
    if launcher is None:
        return None
    ledger.serialise(conn, f"judge {launcher}")  # before the row, as the filter room does: no deadlock
    return conn.execute(select(item).where(item.c.id == item_id).with_for_update()).first()


def _to(conn: Connection, item_id: int, **values: Any) -> None:
    values |= {"claimed_by": None, "claimed_until": None}
    conn.execute(update(item).where(item.c.id == item_id).values(values))
