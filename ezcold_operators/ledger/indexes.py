"""Groups and indexes in the ledger: which deliveries must wait for which.

An index is a document of its item with role `index` and a delivery of its own, owed from the moment the documents that
it tells of are owed, so that its item cannot be settled without it; its bytes are made when it is its turn. One index
stands for all documents of an item that go to a scenario (`group: true`), or for one document: its metadata then name
that document in `of`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, or_, select, update

from ezcold_operators.ledger.events import Event, record
from ezcold_operators.ledger.ledger import Ledger, dump
from ezcold_operators.ledger.tables import delivery, document, item

ROLE = "index"
CLOSED = ("sent", "dismissed")
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def owe(
    conn: Connection, now: float, launcher: str, owed: Sequence[Mapping[str, Any]], wanted: Mapping[str, bool]
) -> None:
    """Owe the indexes of deliveries that are owed as of this transaction.

    :param owed: rows of `delivery` with document_id, item_id and scenario.
    :param wanted: the scenarios that want an index; True: one for the item.
    """
    mine = [row for row in owed if row["scenario"] in wanted]
    if not mine:
        return
    ids = {row["item_id"] for row in mine}
    there, paths = _present(conn, ids)
    fresh: dict[tuple[int, str], tuple[str, dict[str, Any]]] = {}
    for row in mine:
        scenario, item_id = row["scenario"], row["item_id"]
        one_for_all = wanted[scenario]
        if one_for_all and (item_id, scenario) in there:
            continue
        there.add((item_id, scenario))
        plain = f"{ROLE}/{scenario}" if one_for_all else f"{ROLE}/{scenario}/{row['document_id']}"
        path, n = plain, 1
        while (item_id, path) in paths:
            n += 1
            path = f"{plain}~{n}"
        paths.add((item_id, path))
        fresh[item_id, path] = (scenario, {} if one_for_all else {"of": row["document_id"]})
    _insert(conn, now, launcher, fresh)


def _present(conn: Connection, item_ids: Iterable[int]) -> tuple[set[tuple[int, str]], set[tuple[int, str]]]:
    """(item, scenario) that already have an index of their own that is not sent yet; every (item, path)."""
    ids = list(item_ids)
    rows = conn.execute(
        select(document.c.item_id, document.c.path, document.c.role, document.c.metadata, delivery.c.scenario,
               delivery.c.state)
        .outerjoin(delivery, delivery.c.document_id == document.c.id)
        .where(document.c.item_id.in_(ids))
    ).all()  # fmt: skip
    waiting = {
        (row.item_id, row.scenario)
        for row in rows
        if row.role == ROLE and row.state in ("owed", "quarantined") and "of" not in json.loads(row.metadata)
    }
    return waiting, {(row.item_id, row.path) for row in rows}


def _insert(
    conn: Connection, now: float, launcher: str, fresh: Mapping[tuple[int, str], tuple[str, dict[str, Any]]]
) -> None:
    if not fresh:
        return
    conn.execute(
        insert(document),
        [
            {"item_id": item_id, "launcher": launcher, "path": path, "name": "", "media_type": "", "sniffed": None,
             "role": ROLE, "inline": False, "size": 0, "sha256": EMPTY, "metadata": dump(metadata),
             "verdict": "accepted", "reason": ""}
            for (item_id, path), (_scenario, metadata) in fresh.items()
        ],
    )  # fmt: skip
    ids = conn.execute(
        select(document.c.id, document.c.item_id, document.c.path).where(
            document.c.item_id.in_({item_id for item_id, _path in fresh}), document.c.role == ROLE
        )
    ).all()
    conn.execute(
        insert(delivery),
        [
            {"document_id": row.id, "item_id": row.item_id, "launcher": launcher, "state": "owed", "owed_at": now,
             "scenario": fresh[row.item_id, row.path][0]}
            for row in ids if (row.item_id, row.path) in fresh
        ],
    )  # fmt: skip


def not_an_index() -> ColumnElement[bool]:
    """A delivery of a document that came with its item."""
    its = document.alias("its")
    return ~select(its.c.id).where(its.c.id == delivery.c.document_id, its.c.role == ROLE).exists()


def undecided(item_id: Any) -> ColumnElement[bool]:
    """An item has documents that nobody has judged, or that wait for a person."""
    some = document.alias("some")
    waiting = or_(some.c.verdict.is_(None), some.c.verdict == "quarantined")
    return select(some.c.id).where(some.c.item_id == item_id, waiting).exists()


def group_is_whole() -> ColumnElement[bool]:
    """A delivery's item was read as a whole and every document of it judged; or its group has begun to go in."""
    whole = item.alias("whole")
    read = select(whole.c.id).where(whole.c.id == delivery.c.item_id, whole.c.state.in_(("decoded", "settled")))
    other = delivery.alias("other")
    begun = select(other.c.id).where(
        other.c.item_id == delivery.c.item_id, other.c.scenario == delivery.c.scenario,
        other.c.state.in_(("sending", "sent")),
    )  # fmt: skip
    return begun.exists() | (read.exists() & ~undecided(delivery.c.item_id))


@dataclass(frozen=True, slots=True)
class Due:
    """Index deliveries whose turn it is, and those that have nothing to tell of."""

    ready: list[int] = field(default_factory=list)
    needless: list[int] = field(default_factory=list)


def due(conn: Connection, launcher: str, scenario: str) -> Due:
    """The owed indexes of a scenario whose every document has a receipt, or was given up by a person."""
    mine = (delivery.c.launcher == launcher) & (delivery.c.scenario == scenario)
    owed = conn.execute(
        select(delivery.c.id, delivery.c.item_id, document.c.metadata, undecided(delivery.c.item_id).label("undecided"))
        .join(document, document.c.id == delivery.c.document_id)
        .where(mine, delivery.c.state == "owed", document.c.role == ROLE)
        .order_by(delivery.c.id)
    ).all()
    if not owed:
        return Due()
    of_items = select(delivery.c.item_id).join(document, document.c.id == delivery.c.document_id).where(
        mine, delivery.c.state == "owed", document.c.role == ROLE
    )  # fmt: skip
    states: dict[tuple[int, int | None], set[str]] = {}
    for row in conn.execute(
        select(delivery.c.item_id, delivery.c.document_id, delivery.c.state)
        .join(document, document.c.id == delivery.c.document_id)
        .where(mine, document.c.role != ROLE, delivery.c.item_id.in_(of_items))
    ):
        states.setdefault((row.item_id, row.document_id), set()).add(row.state)
        states.setdefault((row.item_id, None), set()).add(row.state)
    found = Due()
    for row in owed:
        of = json.loads(row.metadata).get("of")
        members = states.get((row.item_id, of), set())
        if members - set(CLOSED) or (of is None and row.undecided):
            continue
        (found.ready if "sent" in members else found.needless).append(row.id)
    return found


def needless(ledger: Ledger, conn: Connection, run_id: str, launcher: str, ids: Sequence[int]) -> None:
    """Give up owed indexes that have nothing to tell of, or that the scenario wants no more."""
    here = delivery.c.id.in_(ids) & (delivery.c.state == "owed")
    rows = conn.execute(
        select(delivery.c.id, delivery.c.item_id, delivery.c.document_id, delivery.c.scenario).where(here)
    )
    events = [Event("needless", row.item_id, row.document_id, f"{row.scenario}: index") for row in rows.all()]
    conn.execute(update(delivery).where(here).values(state="dismissed", claimed_by=None, claimed_until=None))
    record(conn, ledger.now(conn), run_id, launcher, events)


def members(conn: Connection, item_id: int, scenario: str, of: int | None) -> list[Any]:
    """The documents that an index tells of, with how they fared at the scenario, in the order of the item.

    Those that went to other scenarios only are left out.
    """
    columns: list[Any] = [document, delivery.c.state, delivery.c.final, delivery.c.last_error]
    here = (delivery.c.document_id == document.c.id) & (delivery.c.scenario == scenario)
    query = (
        select(*columns)
        .outerjoin(delivery, here)
        .where(document.c.item_id == item_id, document.c.role != ROLE)
        .where(or_(delivery.c.id.is_not(None), document.c.verdict == "rejected"))
        .order_by(document.c.id)
    )
    if of is not None:
        query = query.where(document.c.id == of)
    return list(conn.execute(query).all())


def written(conn: Connection, new: Sequence[Mapping[str, Any]]) -> None:
    """Note the bytes of indexes: rows of document id, name, media_type, size, sha256, metadata (a mapping)."""
    for one in new:
        values = {key: value for key, value in one.items() if key != "id"} | {"metadata": dump(one["metadata"])}
        conn.execute(update(document).where(document.c.id == one["id"], document.c.role == ROLE).values(values))
