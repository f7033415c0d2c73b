"""Items in the ledger: which are known, staging new ones, quarantine."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from ezcold_operators.ledger.events import Event, clean, record
from ezcold_operators.ledger.ledger import Ledger, dump
from ezcold_operators.ledger.many import execute_many
from ezcold_operators.ledger.tables import document, item, place

ATTEMPTS = 3
"""After so many failures that an item itself caused, it is quarantined."""

_OF_KEYS = (item.c.launcher == bindparam("launcher")) & item.c.source_key.in_(bindparam("keys", expanding=True))
_KNOWN = select(item.c.source_key, item.c.fingerprint).where(_OF_KEYS, item.c.state != "missing")
_PRESENT = select(item.c.id, item.c.source_key, item.c.fingerprint, item.c.state, item.c.attempts).where(_OF_KEYS)
_ORIGINALS = (
    select(item.c.id, item.c.sha256, item.c.name, item.c.source_key, item.c.fingerprint)
    .where(item.c.launcher == bindparam("launcher"), item.c.sha256.in_(bindparam("hashes", expanding=True)),
           item.c.duplicate_of.is_(None))
    .order_by(item.c.id.desc())
)  # fmt: skip
_FRESH = insert(item)


@dataclass(frozen=True, slots=True)
class NewItem:
    """One item as the fetch room hands it over: staged if it has a sha256, else with the reason why it is not."""

    key: str
    fingerprint: str
    place: str
    name: str
    size: int
    handle: Mapping[str, Any]
    received: datetime | None
    sha256: str | None
    reason: str = ""
    quarantined: bool = False


def known(conn: Connection, launcher: str, keys: Sequence[str]) -> set[tuple[str, str]]:
    """The (key, fingerprint) pairs among these keys that need no download."""
    return {(key, fingerprint) for key, fingerprint in conn.execute(_KNOWN, {"launcher": launcher, "keys": keys}).all()}


def states(conn: Connection, launcher: str, keys: Sequence[str]) -> dict[tuple[str, str], str]:
    """The state of each item with one of these keys, by (key, fingerprint)."""
    rows = conn.execute(_PRESENT, {"launcher": launcher, "keys": keys})
    return {(row.source_key, row.fingerprint): row.state for row in rows}


def unfinished(conn: Connection, launcher: str) -> bool:
    """Something that was taken is not settled yet: a room has work."""
    query = select(item.c.id).where(item.c.launcher == launcher, item.c.state.in_(("staged", "decoded"))).limit(1)
    return conn.execute(query).first() is not None


def revive(conn: Connection, launcher: str, has: Callable[[str], bool]) -> None:
    """Missing items whose bytes are in the stage after all (the same bytes came under another key)."""
    query = select(item.c.id, item.c.sha256).where(item.c.launcher == launcher, item.c.state == "missing")
    for row in conn.execute(query).all():
        if row.sha256 and has(row.sha256):
            conn.execute(update(item).where(item.c.id == row.id).values(state="staged"))


def any_missing(conn: Connection, launcher: str) -> bool:
    """Some item's bytes must be fetched again."""
    return bool(missing(conn, launcher))


def missing(conn: Connection, launcher: str) -> list[int]:
    """Items whose bytes must be fetched again: marks must not be trusted to skip them."""
    query = select(item.c.id).where(item.c.launcher == launcher, item.c.state == "missing")
    return list(conn.execute(query).scalars())


def still_missing(conn: Connection, item_ids: Sequence[int]) -> list[Any]:
    """Those of these items that nobody has read meanwhile."""
    columns = (item.c.id, item.c.source_key, item.c.fingerprint, item.c.sha256)
    found: list[Any] = []
    for start in range(0, len(item_ids), 500):
        some = item.c.id.in_(item_ids[start : start + 500])
        found += conn.execute(select(*columns).where(some, item.c.state == "missing").with_for_update()).all()
    return found


def marks(conn: Connection, launcher: str) -> dict[str, str]:
    rows = conn.execute(select(place.c.place, place.c.mark).where(place.c.launcher == launcher))
    return {row.place: row.mark for row in rows}


def save_marks(conn: Connection, launcher: str, new: Mapping[str, str]) -> None:
    if not new:
        return
    conn.execute(delete(place).where(place.c.launcher == launcher, place.c.place.in_(list(new))))
    conn.execute(insert(place), [{"launcher": launcher, "place": p, "mark": m} for p, m in new.items()])


def forget_mark(conn: Connection, launcher: str, at: str) -> None:
    """The place is listed in full next time."""
    conn.execute(delete(place).where(place.c.launcher == launcher, place.c.place == at))


def stage(
    ledger: Ledger, conn: Connection, run_id: str, launcher: str, new: Sequence[NewItem], by_content: bool, files: bool
) -> int:
    """Insert what nobody has inserted yet; the number of items newly staged (duplicates included).

    :param by_content: bytes that this launcher already took become a `duplicate_of` (launcher.md, `duplicates`).
    :param files: a file is the same only under the same relative path.
    """
    ledger.serialise(conn, f"stage {launcher}")  # so that nobody else inserts between our look and our insert
    now = ledger.now(conn)
    rows = {(row["source_key"], row["fingerprint"]): row for row in (_row(run_id, launcher, one, now) for one in new)}
    at = _present(conn, launcher, rows)
    fresh = [row for pair, row in rows.items() if pair not in at]
    back = [row for pair, row in rows.items() if pair in at and at[pair].state == "missing"]
    begun: set[int] = set()
    if by_content:
        # What was decoded once may owe deliveries of its own: it stays an item in its own right.
        begun = _with_documents(conn, [at[row["source_key"], row["fingerprint"]].id for row in back])
        new_to_us = [row for row in back if at[row["source_key"], row["fingerprint"]].id not in begun]
        _find_originals(conn, launcher, [*fresh, *new_to_us], files)
    execute_many(conn, _FRESH, fresh)
    for row in back:
        _bring_back(conn, row, at[row["source_key"], row["fingerprint"]])
    ids = _present(conn, launcher, rows) if fresh or back else {}
    twins = _link_twins(conn, [*back, *fresh], ids, files, begun) if by_content else {}
    events: list[Event] = []
    for row in (*fresh, *back):
        item_id = int(ids[row["source_key"], row["fingerprint"]].id)
        events.extend(_staging_events(item_id, row, twins.get(item_id)))
    record(conn, now, run_id, launcher, events)
    return sum(1 for row in (*fresh, *back) if row["sha256"])


def _row(run_id: str, launcher: str, one: NewItem, now: float) -> dict[str, Any]:
    state = "quarantined" if one.quarantined else ("staged" if one.sha256 else "missing")
    return {
        "launcher": launcher, "source_key": clean(one.key), "fingerprint": clean(one.fingerprint),
        "place": clean(one.place), "name": clean(one.name), "handle": dump(one.handle), "size": one.size,
        "sha256": one.sha256, "received_at": one.received.timestamp() if one.received else None, "state": state,
        "reason": clean(one.reason), "run_id": run_id, "staged_at": now, "duplicate_of": None,
        "attempts": 0 if one.sha256 else 1,
    }  # fmt: skip


def _present(conn: Connection, launcher: str, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], Any]:
    rows = conn.execute(_PRESENT, {"launcher": launcher, "keys": [key for key, _fingerprint in pairs]})
    return {pair: row for row in rows if (pair := (row.source_key, row.fingerprint)) in pairs}


def _with_documents(conn: Connection, item_ids: Sequence[int]) -> set[int]:
    if not item_ids:
        return set()
    return set(conn.execute(select(document.c.item_id).where(document.c.item_id.in_(item_ids)).distinct()).scalars())


def _find_originals(conn: Connection, launcher: str, rows: Sequence[dict[str, Any]], files: bool) -> None:
    """Same bytes, taken by an earlier batch: nothing to decode, the item is settled together with its original."""
    hashes = [row["sha256"] for row in rows if row["sha256"]]
    if not hashes:
        return
    found = conn.execute(_ORIGINALS, {"launcher": launcher, "hashes": hashes}).all()
    first = {(one.sha256, one.name if files else ""): one for one in found}
    for row in rows:
        one = first.get((row["sha256"], row["name"] if files else ""))
        if one is not None and (one.source_key, one.fingerprint) != (row["source_key"], row["fingerprint"]):
            row["duplicate_of"], row["state"] = one.id, "decoded"


def _link_twins(
    conn: Connection, new: Sequence[dict[str, Any]], ids: Mapping[tuple[str, str], Any], files: bool, begun: set[int]
) -> dict[int, int]:
    """Same bytes twice within one batch: the first is the original. What was begun is no other's twin."""
    first: dict[tuple[str, str], int] = {}
    twins: dict[int, int] = {}
    for row in new:
        if not row["sha256"] or row["duplicate_of"] is not None:
            continue
        item_id = int(ids[row["source_key"], row["fingerprint"]].id)
        original = first.setdefault((row["sha256"], row["name"] if files else ""), item_id)
        if original != item_id and item_id not in begun:
            twins[item_id] = original
    for item_id, original in twins.items():
        conn.execute(update(item).where(item.c.id == item_id).values(duplicate_of=original, state="decoded"))
    return twins


def _staging_events(item_id: int, row: Mapping[str, Any], twin: int | None) -> list[Event]:
    if row["state"] == "quarantined":
        return [Event("quarantined", item_id, detail=row["reason"])]
    if not row["sha256"]:
        return [Event("missing", item_id, detail=row["reason"])]
    events = [Event("fetched", item_id, detail=row["source_key"])]
    original = row["duplicate_of"] if twin is None else twin
    if original is not None:
        events.append(Event("duplicate", item_id, detail=str(original)))
    return events


def _bring_back(conn: Connection, row: dict[str, Any], at: Any) -> None:
    """A missing item was read, or could again not be read: only the latter counts as an attempt."""
    if row["state"] == "missing":
        row["attempts"] = at.attempts + 1
        if row["attempts"] >= ATTEMPTS:
            row["state"] = "quarantined"
    conn.execute(update(item).where(item.c.id == at.id, item.c.state == "missing").values(row))


def quarantine(conn: Connection, now: float, run_id: str, launcher: str, item_id: int, reason: str) -> None:
    """Put a living item into quarantine; once is enough."""
    moved = conn.execute(
        update(item)
        .where(item.c.id == item_id, item.c.state.in_(("staged", "decoded", "missing")))
        .values(state="quarantined", reason=clean(reason), claimed_by=None, claimed_until=None)
    )
    if moved.rowcount:
        record(conn, now, run_id, launcher, [Event("quarantined", item_id, detail=reason)])


def handle_of(text: str) -> dict[str, Any]:
    """The JSON of a handle, envelope or metadata column."""
    value = json.loads(text)
    assert isinstance(value, dict)
    return value


def lost(conn: Connection, item_ids: Iterable[int], has: Callable[[str], bool]) -> None:
    """Documents of these items are gone from the stage: decode again what is still there, fetch the rest again."""
    for row in conn.execute(select(item.c.id, item.c.sha256).where(item.c.id.in_(list(item_ids)))).all():
        state = "staged" if row.sha256 and has(row.sha256) else "missing"
        living = (item.c.id == row.id) & (item.c.state != "quarantined")
        conn.execute(update(item).where(living).values(state=state))
