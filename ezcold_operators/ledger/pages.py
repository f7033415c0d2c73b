"""What the pages ask of the ledger: indexed, and paged by key over a million rows. Reads only, but for `downloaded`.

`readable` is the launchers whose documents may be shown: those that the asking person may read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, literal_column, or_, select, text, union

from ezcold_operators.ledger.events import Event, clean, record
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.ledger.people import Decision
from ezcold_operators.ledger.tables import account, delivery, document, event, item

PAGE = 50
_OPEN_ITEM, _OPEN_DELIVERY = text("item.state <> 'settled'"), text("delivery.state <> 'sent'")
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Search:
    """What a person asked for; empty fields ask for nothing. Times are seconds since the epoch, until excluded."""

    text: str = ""
    launcher: str = ""
    scenario: str = ""
    run_id: str = ""
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """What one launcher has open: items not settled, deliveries owed, items in quarantine."""

    items: int = 0
    owed: int = 0
    quarantined: int = 0


def known(conn: Connection) -> list[str]:
    """Every launcher that the ledger has items of, by name; an index is skipped through, not read."""
    first = select(func.min(item.c.launcher).label("name")).cte("names", recursive=True)
    following = select(func.min(item.c.launcher)).where(item.c.launcher > first.c.name).scalar_subquery()
    names = first.union_all(select(following).where(first.c.name.is_not(None)))
    return [str(name) for name in conn.execute(select(names.c.name)).scalars() if name is not None]


def counts(conn: Connection) -> dict[str, Counts]:
    """What is open, by launcher; launchers that have nothing open are left out."""
    items = dict(_grouped(conn, select(item.c.launcher, func.count()).where(_OPEN_ITEM).group_by(item.c.launcher)))
    owed = select(delivery.c.launcher, func.count()).where(_OPEN_DELIVERY, delivery.c.state.in_(("owed", "sending")))
    debts = dict(_grouped(conn, owed.group_by(delivery.c.launcher)))
    held = _held().subquery()
    bad = dict(_grouped(conn, select(held.c.launcher, func.count()).group_by(held.c.launcher)))
    return {name: Counts(items.get(name, 0), debts.get(name, 0), bad.get(name, 0)) for name in {*items, *debts, *bad}}


def _grouped(conn: Connection, query: Any) -> list[tuple[str, int]]:
    return [(str(name), int(count)) for name, count in conn.execute(query)]


def _held() -> Any:
    """(launcher, id) of items in quarantine, or with a document or a delivery there; each once."""
    bad_item = select(item.c.launcher, item.c.id.label("id")).where(_OPEN_ITEM, item.c.state == "quarantined")
    bad_delivery = select(delivery.c.launcher, delivery.c.item_id.label("id")).where(
        _OPEN_DELIVERY, delivery.c.state == "quarantined"
    )
    open_item = exists().where(item.c.id == document.c.item_id, item.c.state != "settled")
    bad_document = select(document.c.launcher, document.c.item_id.label("id")).where(
        text("document.verdict = 'quarantined'"), open_item
    )
    return union(bad_item, bad_delivery, bad_document)


def quarantine(
    conn: Connection, readable: Collection[str] | None, launcher: str = "", before: int | None = None, limit: int = PAGE
) -> list[int]:
    """Ids of items that wait for a person, newest first, below `before`."""
    held = _held().subquery()
    query = select(held.c.id).order_by(held.c.id.desc()).limit(limit)
    if readable is not None:
        query = query.where(held.c.launcher.in_(list(readable)))
    if launcher:
        query = query.where(held.c.launcher == launcher)
    if before is not None:
        query = query.where(held.c.id < before)
    return list(conn.execute(query).scalars())


def sent_between(conn: Connection, start: float, end: float) -> dict[str, int]:
    """Documents sent, by launcher, from start (seconds since the epoch) to before end."""
    query = select(event.c.launcher, func.count()).where(
        event.c.what == literal_column("'sent'"), event.c.at >= start, event.c.at < end
    )
    return dict(_grouped(conn, query.group_by(event.c.launcher)))


def documents(
    conn: Connection, readable: Collection[str] | None, search: Search, before: int | None = None, limit: int = PAGE
) -> list[dict[str, Any]]:
    """Documents that the search names, newest first, below the document id `before`; with their deliveries.

    :param readable: None: all launchers.
    """
    found: set[int] = set()
    for query in _queries(search):
        query = _bounded(query, readable, search, before)
        found.update(conn.execute(query.limit(limit)).scalars())
    ids = sorted(found, reverse=True)[:limit]
    return described(conn, ids)


def _queries(search: Search) -> list[Select[Any]]:
    """One query for each way in which the text can be meant: each has an index of its own."""
    base = select(document.c.id).order_by(document.c.id.desc())
    if not search.text:
        return [base]
    like = "%" + clean(search.text).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    named = base.where(document.c.name.ilike(like, escape="\\"))
    fields: list[ColumnElement[bool]] = [
        column.ilike(like, escape="\\") for column in (item.c.name, item.c.subject, item.c.sender)
    ]
    of_item = base.join(item, item.c.id == document.c.item_id).where(or_(*fields))
    queries = [named, of_item]
    folded = search.text.lower()
    if len(folded) >= 8 and set(folded) <= _HEX:
        top = folded + "g"  # a range, which every collation's index can serve for these 16 letters
        queries.append(base.where(document.c.sha256 >= folded, document.c.sha256 < top))
        queries.append(
            base.where(
                document.c.item_id.in_(select(item.c.id).where(item.c.sha256 >= folded, item.c.sha256 < top).limit(500))
            )
        )
    return queries


def _bounded(query: Select[Any], readable: Collection[str] | None, search: Search, before: int | None) -> Select[Any]:
    if readable is not None:
        query = query.where(document.c.launcher.in_(list(readable)))
    if search.launcher:
        query = query.where(document.c.launcher == search.launcher)
    if before is not None:
        query = query.where(document.c.id < before)
    if search.scenario:
        to = and_(delivery.c.document_id == document.c.id, delivery.c.scenario == search.scenario)
        query = query.where(exists().where(to))
    if search.run_id:
        touched = select(event.c.item_id).where(event.c.launcher == search.launcher, event.c.run_id == search.run_id)
        query = query.where(document.c.item_id.in_(touched))
    if search.since is not None or search.until is not None:
        when: list[ColumnElement[bool]] = [item.c.id == document.c.item_id]
        if search.since is not None:
            when.append(item.c.staged_at >= search.since)
        if search.until is not None:
            when.append(item.c.staged_at < search.until)
        query = query.where(exists().where(*when).correlate(document))
    return query


def described(conn: Connection, ids: Sequence[int]) -> list[dict[str, Any]]:
    """Documents with what a list shows of their items and deliveries, in the order of the ids."""
    if not ids:
        return []
    columns = [
        document.c.id, document.c.item_id, document.c.launcher, document.c.name, document.c.path, document.c.size,
        document.c.sha256, document.c.verdict, document.c.reason, document.c.role, item.c.subject, item.c.sender,
        item.c.name.label("item_name"), item.c.received_at, item.c.staged_at, item.c.state.label("item_state"),
        item.c.reason.label("item_reason"),
    ]  # fmt: skip
    joined = select(*columns).join(item, item.c.id == document.c.item_id).where(document.c.id.in_(ids))
    rows: dict[int, dict[str, Any]] = {row.id: {**row._mapping, "deliveries": []} for row in conn.execute(joined)}
    sent = select(delivery.c.document_id, delivery.c.scenario, delivery.c.state, delivery.c.sent_at)
    for one in conn.execute(sent.where(delivery.c.document_id.in_(ids)).order_by(delivery.c.id)):
        rows[one.document_id]["deliveries"].append(dict(one._mapping))
    return [rows[i] for i in ids if i in rows]


def launcher_of(conn: Connection, item_ids: Sequence[int]) -> dict[int, str]:
    """The launcher of each item that there is."""
    query = select(item.c.id, item.c.launcher).where(item.c.id.in_(item_ids))
    return {row.id: row.launcher for row in conn.execute(query)}


def by_run(conn: Connection, launcher: str, run_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """Items that each of these runs fetched, by the state in which they are now."""
    found: dict[str, dict[str, int]] = {}
    query = (
        select(event.c.run_id, item.c.state, func.count(item.c.id.distinct()))
        .join(item, item.c.id == event.c.item_id)
        .where(event.c.launcher == launcher, event.c.run_id.in_(run_ids), event.c.what == "fetched")
        .group_by(event.c.run_id, item.c.state)
    )
    for run_id, state, count in conn.execute(query):
        found.setdefault(run_id, {})[state] = int(count)
    return found


def unsettled_sample(conn: Connection, launcher: str, limit: int = 20) -> list[dict[str, Any]]:
    """Some of what a launcher still owes, oldest first."""
    query = (
        select(item.c.id, item.c.subject, item.c.name, item.c.state, item.c.staged_at)
        .where(_OPEN_ITEM, item.c.launcher == launcher)
        .order_by(item.c.id)
        .limit(limit)
    )
    return [dict(row._mapping) for row in conn.execute(query)]


def accounts(conn: Connection) -> list[Mapping[str, Any]]:
    """Signed-in accounts, without their tokens."""
    columns = [account.c.key, account.c.protocol, account.c.login, account.c.tenant, account.c.state]
    query = select(*columns, account.c.expires_at, account.c.updated_at).order_by(account.c.login)
    return [dict(row._mapping) for row in conn.execute(query)]


def downloaded(ledger: Ledger, by: Decision, row: Any) -> None:
    """Note who fetched a document's bytes through the pages."""
    with ledger.transaction("people.downloaded") as conn:
        told = [Event("downloaded", row.item_id, row.id, by.detail())]
        record(conn, ledger.now(conn), by.run_id, row.launcher, told)


def unlink(ledger: Ledger, key: str) -> bool:
    """Forget an account and its tokens; False if it was not there."""
    with ledger.transaction("account.unlink") as conn:
        return bool(conn.execute(account.delete().where(account.c.key == key)).rowcount)
