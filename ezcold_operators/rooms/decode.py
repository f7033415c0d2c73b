"""Decode: raw bytes to documents, in a child process, so that a mail that kills its decoder kills nothing else (R4)."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from ezcold_operators.decoding.base import Decoded, Found, Headers
from ezcold_operators.decoding.guard import DecoderProcess, Failure, Request
from ezcold_operators.i18n import _
from ezcold_operators.ledger import claims, decodings, items
from ezcold_operators.ledger.decodings import NewDecoding, NewDocument
from ezcold_operators.ledger.events import Event
from ezcold_operators.ledger.tables import item
from ezcold_operators.rooms import partials
from ezcold_operators.rooms.base import River, decode_options, decryption_keys
from ezcold_operators.stage import Batch, Blob, mapped

BATCH = 200
WRITE_ITEMS = 100
WRITE_BYTES = 64_000_000


def decode(river: River) -> dict[str, Any]:
    """Decode every staged item; what fails is tried again, then quarantined; its neighbours go on.

    :raises StageUnavailable: :raises LedgerUnavailable:
    """
    room = _Decoding(river)
    with river.ledger.transaction("decode.revived") as conn:
        items.revive(conn, river.id, river.stage.has)
    with claims.renewed(river.ledger, item), river.stage.workdir() as workdir, DecoderProcess() as decoder:
        room.workdir = workdir
        for attempt in range(items.ATTEMPTS):
            room.again = False
            for rows in room.claimed():
                room.decode(decoder, rows)
            if not room.again or attempt + 1 == items.ATTEMPTS:
                break
        room.join(decoder)
    return {"decoded": room.decoded, "documents": room.documents, "failed": room.failed}


class _Decoding:
    """One run's decoding: its counts, and whether an item waits for another attempt."""

    def __init__(self, river: River) -> None:
        self.river = river
        self.decoded = self.documents = self.failed = 0
        self.again = False
        self.workdir = Path()
        self._folders: list[Path] = []
        self._parts: dict[int, partials.Part] = {}
        self.keys = decryption_keys(river.launcher, river.credentials)

    def claimed(self) -> Iterator[Sequence[Any]]:
        """Staged items, claimed batch by batch, each once a pass."""
        last = 0
        while True:
            where = (item.c.launcher == self.river.id) & (item.c.state == "staged")
            with self.river.ledger.transaction("decode.claim") as conn:
                ids = claims.claim(self.river.ledger, conn, item, where, BATCH, last)
                rows = conn.execute(select(item).where(item.c.id.in_(ids)).order_by(item.c.id)).all() if ids else []
            if not rows:
                return
            last = rows[-1].id
            yield rows

    def decode(self, decoder: DecoderProcess, rows: Sequence[Any]) -> None:
        """Decode one batch and write it down, in pieces that become durable together."""
        here = [row for row in rows if self.river.stage.has(row.sha256)]
        gone = [row for row in rows if not self.river.stage.has(row.sha256)]
        if gone:
            with self.river.ledger.transaction("decode.lost") as conn:
                items.lost(conn, [row.id for row in gone], self.river.stage.has)
            self.river.failed(_("items vanished from the stage: they are taken from the source again"))
        found: list[tuple[Request, Decoded]] = []
        size = 0
        for request, answer in decoder.map(self._request(row) for row in here):
            if isinstance(answer, Failure):
                self._fail(request.tag, answer.reason)
                continue
            part = partials.waiting(self.river, request.tag, answer, time.time())
            if part is not None:
                self._parts[part.row.id] = part
                continue
            found.append((request, answer))
            size += sum(one.size for one in answer.documents)
            if len(found) >= WRITE_ITEMS or size >= WRITE_BYTES:
                self._write(found)
                found, size = [], 0
        self._write(found)

    def join(self, decoder: DecoderProcess) -> None:
        """Mails sent in several mails that are all here: the first item gets the documents, the others follow it."""
        for whole, parts in partials.whole_mails(self.river, list(self._parts.values()), self.workdir):
            first, others = parts[0].row, [part.row.id for part in parts[1:]]
            options = decode_options(self.river.launcher, "", self.keys)
            for request, answer in decoder.map([Request(whole, self._folder(), options, tag=first)]):
                if isinstance(answer, Failure):
                    self._fail(first, answer.reason)
                else:
                    self._write([(request, answer)], others)

    def _request(self, row: Any) -> Request:
        options = decode_options(self.river.launcher, row.name, self.keys)
        return Request(self.river.stage.path(row.sha256), self._folder(), options, tag=row)

    def _folder(self) -> Path:
        """An empty folder for one item; emptied ones are used again, for making one costs as much as a small file."""
        if self._folders:
            return self._folders.pop()
        folder = self.workdir / secrets.token_hex(8)
        with mapped(self.river.stage.root):
            folder.mkdir()
        return folder

    def _emptied(self, folder: Path) -> None:
        with suppress(OSError):
            for left in folder.iterdir():
                left.unlink()
            self._folders.append(folder)

    def _fail(self, row: Any, reason: str) -> None:
        with self.river.ledger.transaction("decode.failed") as conn:
            args = (self.river.ledger, conn, self.river.run_id, self.river.id, row.id, reason)
            if decodings.attempt_failed(*args):
                self.failed += 1
            else:
                self.again = True

    def _write(self, found: Sequence[tuple[Request, Decoded]], followers: Sequence[int] = ()) -> None:
        if not found:
            return
        with self.river.stage.batch() as stage:
            new = [_decoding(request.tag, answer, stage) for request, answer in found]
            stage.commit()
        with self.river.ledger.transaction("decode.decoded") as conn:
            args = (self.river.ledger, conn, self.river.run_id, self.river.id)
            self.documents += decodings.decoded(*args, new)
            if followers:
                decodings.follow(*args, followers, new[0].item_id)
        for request, _answer in found:
            self._emptied(request.workdir)
        self.decoded += len(found)
        self.river.progress("decode", self.decoded, None)


def _decoding(row: Any, answer: Decoded, stage: Batch) -> NewDecoding:
    documents = [_document(one, stage) for one in answer.documents]
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
