"""Decode: raw bytes to documents, in a child process, so that a mail that kills its decoder kills nothing else (R4)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from ezcold_operators.decoding.base import Decoded, Found, Headers, Options
from ezcold_operators.decoding.decoders import Decoders
from ezcold_operators.decoding.requests import Failure, Request
from ezcold_operators.errors import EzcoldError
from ezcold_operators.i18n import _
from ezcold_operators.ledger import claims, decodings, items
from ezcold_operators.ledger.decodings import NewDecoding, NewDocument
from ezcold_operators.ledger.events import Event
from ezcold_operators.ledger.tables import item
from ezcold_operators.rooms import partials
from ezcold_operators.rooms.base import Keys, River, decode_options, decryption_keys
from ezcold_operators.rooms.staging import Staging
from ezcold_operators.stage import Batch, Blob

BATCH = 200
WRITE_ITEMS = 200
WRITE_BYTES = 64_000_000


def decode(river: River) -> dict[str, Any]:
    """Decode every staged item; what fails is tried again, then quarantined; its neighbours go on.

    :raises StageUnavailable: :raises LedgerUnavailable: :raises ConfigurationError:
    """
    with opened(river) as room:
        return room.finish()


@contextmanager
def opened(river: River) -> Iterator[Decoding]:
    """The room, for turns beside another one.

    :raises StageUnavailable: :raises LedgerUnavailable:
    """
    with ExitStack() as stack:
        stack.enter_context(claims.renewed(river.ledger, item))
        workdir, decoders = stack.enter_context(river.stage.workdir()), stack.enter_context(Decoders())
        room = Decoding(river, workdir, decoders)
        stack.enter_context(room.staging)
        yield room


class Decoding:
    """One run's decoding: what is under way, and its counts."""

    def __init__(self, river: River, workdir: Path, decoders: Decoders) -> None:
        self.river = river
        self.decoded = self.documents = self.failed = 0
        self.staging: Staging[_Written] = Staging(self._record)
        self._decoders = decoders
        self._workdir = workdir
        self._sent = 0
        self._keys: Keys | None = None
        self._options: Options | None = None
        self._rows: deque[Any] = deque()
        self._last = 0
        self._more = True
        self._found: list[tuple[Request, Decoded]] = []
        self._size = 0
        self._parts: dict[int, partials.Part] = {}
        self._again = False
        self._trouble: EzcoldError | None = None

    def turn(self) -> None:
        """What can be done without waiting for a decoder, beside another room; trouble waits for `finish`."""
        if self._trouble is not None:
            return
        try:
            self._more = True
            self._feed()
            while self._decoders.ready():
                self._take(*self._decoders.receive())
        except EzcoldError as exc:
            self._trouble = exc

    def finish(self) -> dict[str, Any]:
        """Decode all that is staged, each item once in each of several passes, and join what came in parts.

        :raises StageUnavailable: :raises LedgerUnavailable: :raises ConfigurationError:
        """
        if self._trouble is not None:
            raise self._trouble
        self._unlock()  # what is wrong with the keys is said even when nothing waits
        self._drain()  # the turns' pass: what is under way must not be claimed again
        with self.river.ledger.transaction("decode.revived") as conn:
            items.revive(conn, self.river.id, self.river.stage.has)
        for _attempt in range(items.ATTEMPTS):
            self._last, self._again = 0, False
            self._drain()
            if not self._again:
                break
        self._join()
        return {"decoded": self.decoded, "documents": self.documents, "failed": self.failed}

    def _unlock(self) -> Keys:
        if self._keys is None:
            self._keys = decryption_keys(self.river.launcher, self.river.credentials)
        return self._keys

    def _drain(self) -> None:
        """Until nothing is staged any more that this pass has not seen, and all is written down."""
        self._more = True
        while self._feed():
            self._take(*self._decoders.receive())
        self._write()
        self.staging.finish()

    def _feed(self) -> bool:
        """Give the decoders as much as they take; whether they owe an answer."""
        while self._decoders.room and (self._rows or self._claim()):
            self._decoders.send(self._request(self._rows.popleft()))
        return self._decoders.busy

    def _claim(self) -> bool:
        """More staged items, each once a pass; whether there are any."""
        where = (item.c.launcher == self.river.id) & (item.c.state == "staged")
        while self._more and not self._rows:
            with self.river.ledger.transaction("decode.claim") as conn:
                ids = claims.claim(self.river.ledger, conn, item, where, BATCH, self._last)
                rows = conn.execute(select(item).where(item.c.id.in_(ids)).order_by(item.c.id)).all() if ids else []
            self._more = bool(rows)
            if rows:
                self._last = rows[-1].id
                self._rows.extend(row for row in self._here(rows) if row.id not in self._parts)
        return bool(self._rows)

    def _take(self, request: Request, answer: Decoded | Failure) -> None:
        """Write down an answer, together with others."""
        if isinstance(answer, Failure):
            self._fail(request.tag, answer.reason)
            return
        part = partials.waiting(self.river, request.tag, answer, time.time())
        if part is not None:
            self._parts[part.row.id] = part
            return
        self._found.append((request, answer))
        self._size += sum(one.size for one in answer.documents)
        if len(self._found) >= WRITE_ITEMS or self._size >= WRITE_BYTES:
            self._write()

    def _here(self, rows: Sequence[Any]) -> list[Any]:
        """Rows whose bytes are in the stage; the others' are taken from their source again."""
        gone = {row.id for row in rows if not self.river.stage.has(row.sha256)}
        if gone:
            with self.river.ledger.transaction("decode.lost") as conn:
                items.lost(conn, gone, self.river.stage.has)
            self.river.failed(_("items vanished from the stage: they are taken from the source again"))
        return [row for row in rows if row.id not in gone]

    def _join(self) -> None:
        """Mails sent in several mails that are all here: the first item gets the documents, the others follow it."""
        for whole, parts in partials.whole_mails(self.river, list(self._parts.values()), self._workdir):
            first, others = parts[0].row, [part.row.id for part in parts[1:]]
            options = decode_options(self.river.launcher, "", self._keys)
            for request, answer in self._decoders.map(
                [Request(whole, self._workdir, options, tag=first, prefix=f"{whole.name}-")]
            ):
                if isinstance(answer, Failure):
                    self._fail(first, answer.reason)
                else:
                    self._found = [(request, answer)]
                    self._write(others)
        self.staging.finish()

    def _request(self, row: Any) -> Request:
        if self._options is None or self._options.name != row.name:
            self._options = decode_options(self.river.launcher, row.name, self._unlock())
        self._sent += 1
        raw, prefix = self.river.stage.path(row.sha256), f"{self._sent}-"
        return Request(raw, self._workdir, self._options, tag=row, size=row.size, prefix=prefix)

    def _fail(self, row: Any, reason: str) -> None:
        with self.river.ledger.transaction("decode.failed") as conn:
            args = (self.river.ledger, conn, self.river.run_id, self.river.id, row.id, reason)
            if decodings.attempt_failed(*args):
                self.failed += 1
            else:
                self._again = True

    def _write(self, followers: Sequence[int] = ()) -> None:
        found, self._found, self._size = self._found, [], 0
        if not found:
            return
        batch = self.river.stage.batch()
        new = [_decoding(request.tag, answer, batch) for request, answer in found]
        self.staging.give(batch, _Written(new, followers))

    def _record(self, written: _Written) -> None:
        with self.river.ledger.transaction("decode.decoded") as conn:
            args = (self.river.ledger, conn, self.river.run_id, self.river.id)
            self.documents += decodings.decoded(*args, written.decodings)
            if written.followers:
                decodings.follow(*args, written.followers, written.decodings[0].item_id)
        self.decoded += len(written.decodings)
        self.river.progress("decode", self.decoded, None)


@dataclass(frozen=True, slots=True)
class _Written:
    """What a batch of the stage holds: decodings, items that follow the first of them."""

    decodings: list[NewDecoding]
    followers: Sequence[int]


def _decoding(row: Any, answer: Decoded, stage: Batch) -> NewDecoding:
    documents = [_document(one, stage) for one in answer.documents]
    if "references" in row.handle:
        documents += _references(items.handle_of(row.handle))
    headers = answer.headers or Headers()
    envelope = answer.envelope
    return NewDecoding(
        item_id=row.id,
        documents=documents,
        sender=headers.sender,
        recipients=headers.recipients,
        subject=headers.subject,
        message_id=headers.message_id,
        sent=headers.date if isinstance(headers.date, datetime) else None,
        envelope={"type": envelope.type, "metadata": dict(envelope.metadata)} if envelope else None,
        quarantined=answer.quarantined or "",
        events=(Event("envelope", row.id, detail=envelope.type),) if envelope else (),
    )


def _document(one: Found, stage: Batch) -> NewDocument:
    stage.adopt(one.file, Blob(one.sha256, one.size))
    return NewDocument(
        one.path, one.name, one.media_type, one.sniffed, one.role, one.inline, one.size, one.sha256, one.metadata
    )


EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def _references(handle: dict[str, Any]) -> list[NewDocument]:
    """Files that the source only names (cloud attachments): rows that the filter room rejects with their link."""
    return [
        NewDocument(f"reference/{n}", str(one.get("name", "")), "application/octet-stream", None, "reference", False,
                    0, EMPTY, {"link": str(one.get("url", ""))})
        for n, one in enumerate(handle.get("references", []), start=1)
    ]  # fmt: skip
