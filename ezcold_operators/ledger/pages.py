"""What the pages ask of the ledger: indexed, and paged by key over a million rows. Reads only, but for `downloaded`.

`readable` is the launchers whose documents may be shown: those that the asking person may read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    exists,
    func,
    literal_column,
    or_,
    select,
    text,
    tuple_,
    union,
)

from ezcold_operators.ledger.events import Event, clean, record
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.ledger.people import Decision
from ezcold_operators.ledger.tables import account, delivery, document, event, item

PAGE = 50
aliased_item = item.alias()
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

    @property
    def dated(self) -> bool:
        """Whether it asks for days."""
        return self.since is not None or self.until is not None


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
    """Documents that the search names, newest first, after the document `before`; with their deliveries.

    Newest is by when the item was taken where the search has days, else by id: each has an index.

    :param readable: None: all launchers.
    """
    found: set[tuple[float, int]] = set()
    for query in _queries(search):
        query = _bounded(_after(conn, query, search, before), readable, search)
        found.update((float(row.stamp), int(row.id)) for row in conn.execute(query.limit(limit)))
    return described(conn, [number for _stamp, number in sorted(found, reverse=True)[:limit]])


def _queries(search: Search) -> list[Select[Any]]:
    """One query for each way in which the text can be meant: each has an index of its own."""
    with_item = document.join(item, item.c.id == document.c.item_id)
    if search.dated:
        base = select(document.c.id, item.c.staged_at.label("stamp")).select_from(with_item)
        base = base.order_by(item.c.staged_at.desc(), document.c.id.desc())
    else:
        base = select(document.c.id, literal_column("0").label("stamp")).order_by(document.c.id.desc())
    if not search.text:
        return [base]
    of_item = base if search.dated else base.select_from(with_item)
    queries = [
        base.where(_holds(search.text, document.c.name)),
        of_item.where(_holds(search.text, item.c.name, item.c.subject, item.c.sender)),
    ]
    folded = search.text.lower()
    if len(folded) >= 8 and set(folded) <= _HEX:
        top = folded + "g"  # a range, which every collation's index can serve for these 16 letters
        queries.append(base.where(document.c.sha256 >= folded, document.c.sha256 < top))
        taken = aliased_item.c
        named = select(taken.id).where(taken.sha256 >= folded, taken.sha256 < top).limit(500)
        queries.append(base.where(document.c.item_id.in_(named)))
    return queries


def _holds(part: str, *columns: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a column has this part, in any case. SQLite, and PostgreSQL in the C locale, fold ASCII alone: accented
    letters are looked for as typed, in small letters and in capitals.
    """
    wanted = {part} if part.isascii() else {part, part.lower(), part.upper()}
    likes = ["%" + clean(one).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%" for one in wanted]
    return or_(*(column.ilike(like, escape="\\") for column in columns for like in sorted(likes)))


def _after(conn: Connection, query: Select[Any], search: Search, before: int | None) -> Select[Any]:
    """What comes after a document in the order of the query."""
    if before is None:
        return query
    if not search.dated:
        return query.where(document.c.id < before)
    owner = aliased_item.c
    stamp = select(owner.staged_at).join(document, document.c.item_id == owner.id).where(document.c.id == before)
    last = conn.execute(stamp).scalar_one_or_none()
    return query if last is None else query.where(tuple_(item.c.staged_at, document.c.id) < (last, before))


def _bounded(query: Select[Any], readable: Collection[str] | None, search: Search) -> Select[Any]:
    if readable is not None:
        query = query.where(document.c.launcher.in_(list(readable)))
    if search.launcher:
        query = query.where(document.c.launcher == search.launcher)
    if search.scenario:
        to = and_(delivery.c.document_id == document.c.id, delivery.c.scenario == search.scenario)
        query = query.where(exists().where(to).correlate(document))
    if search.run_id:
        touched = select(event.c.item_id).where(event.c.launcher == search.launcher, event.c.run_id == search.run_id)
        query = query.where(document.c.item_id.in_(touched))
    if search.since is not None:
        query = query.where(item.c.staged_at >= search.since)
    if search.until is not None:
        query = query.where(item.c.staged_at < search.until)
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


def contents(conn: Connection, item_ids: Sequence[int], limit: int = 20) -> dict[int, list[tuple[str | None, int]]]:
    """(name, size) of what was found in each item, at most so many an item."""
    found: dict[int, list[tuple[str | None, int]]] = {}
    query = select(document.c.item_id, document.c.name, document.c.size).where(document.c.item_id.in_(item_ids))
    for row in conn.execute(query.order_by(document.c.id)):
        mine = found.setdefault(row.item_id, [])
        if len(mine) < limit:
            mine.append((row.name, row.size))
    return found


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
