"""A ledger with one launcher's items in it, brought from state to state as the rooms do."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from ezcold_operators.ledger import decodings, deliveries, items
from ezcold_operators.ledger.decodings import NewDecoding, NewDocument
from ezcold_operators.ledger.deliveries import Verdict
from ezcold_operators.ledger.items import NewItem
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.ledger.tables import delivery, document, event, item


def sha(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def new(key: str, content: str | None = "", **over: Any) -> NewItem:
    """An item under this key; `content` None: it could not be read."""
    values: dict[str, Any] = {
        "key": key, "fingerprint": f"f-{key}", "place": "p", "name": "", "size": 3, "handle": {"uid": 1},
        "received": None, "sha256": None if content is None else sha(content or key), "reason": "",
    }  # fmt: skip
    return NewItem(**values | over)


def doc(content: str, path: str = "1", name: str | None = "a.pdf", **over: Any) -> NewDocument:
    values: dict[str, Any] = {
        "path": path, "name": name, "media_type": "application/pdf", "sniffed": None, "role": "attachment",
        "inline": False, "size": 3, "sha256": sha(content), "metadata": {},
    }  # fmt: skip
    return NewDocument(**values | over)


class Book:
    """One launcher in one ledger."""

    def __init__(self, ledger: Ledger, launcher: str = "l1", run: str = "r1") -> None:
        self.ledger, self.launcher, self.run = ledger, launcher, run

    def stage(self, *new_items: NewItem, by_content: bool = True, files: bool = False) -> int:
        with self.ledger.transaction("test") as conn:
            return items.stage(self.ledger, conn, self.run, self.launcher, new_items, by_content, files)

    def decode(self, item_id: int, *documents: NewDocument, **over: Any) -> int:
        with self.ledger.transaction("test") as conn:
            found = [NewDecoding(item_id, documents, **over)]
            return decodings.decoded(self.ledger, conn, self.run, self.launcher, found)

    def judge(self, *verdicts: tuple[int, str, Sequence[str]]) -> None:
        """(document id, verdict, scenarios) each."""
        with self.ledger.transaction("test") as conn:
            owner = {row.id: row.item_id for row in conn.execute(select(document.c.id, document.c.item_id))}
            rows = [Verdict(d, owner[d], verdict, tuple(to), "because") for d, verdict, to in verdicts]
            deliveries.judge(self.ledger, conn, self.run, self.launcher, rows)

    def sending(self, delivery_id: int, token: str = "tok") -> set[int]:
        prepared = {"delivery_id": delivery_id, "token": token, "part": f"/p/{token}", "final": f"/w/{token}",
                    "identity": "me"}  # fmt: skip
        with self.ledger.transaction("test") as conn:
            return deliveries.sending(self.ledger, conn, self.run, self.launcher, "folder", [prepared])

    def sent(self, *ids: int) -> None:
        with self.ledger.transaction("test") as conn:
            rows = [(row, "receipt", row.final) for row in deliveries.rows(conn, ids)]
            deliveries.sent(self.ledger, conn, self.run, self.launcher, rows)

    def refuse(self, delivery_id: int, *, last: bool = False, token: str = "") -> bool:
        with self.ledger.transaction("test") as conn:
            (row,) = deliveries.rows(conn, [delivery_id])
            args = (self.ledger, conn, self.run, self.launcher, row, "too odd")
            return deliveries.refused(*args, last=last, token=token)

    def rows(self, *columns: Any) -> list[tuple[Any, ...]]:
        """Rows ordered by their first column."""
        with self.ledger.read() as conn:
            return [tuple(row) for row in conn.execute(select(*columns).order_by(columns[0]))]

    def states(self) -> dict[str, str]:
        """Item states by key."""
        return {str(key): str(state) for _id, key, state in self.rows(item.c.id, item.c.source_key, item.c.state)}

    def ids(self) -> dict[str, int]:
        return {str(key): int(n) for n, key in self.rows(item.c.id, item.c.source_key)}

    def delivery_states(self) -> list[str]:
        return [str(state) for _id, state in self.rows(delivery.c.id, delivery.c.state)]

    def events(self) -> list[tuple[str, str]]:
        return [(str(what), str(detail)) for _id, what, detail in self.rows(event.c.id, event.c.what, event.c.detail)]
