"""Outlook's .msg files ([MS-OXMSG]): every attachment, embedded messages at any depth, OLE objects, signed mail.

Read by our own reader of compound files (`cfb`): attachments go to disk in pieces, whatever their size, and one damaged
attachment does not cost its neighbours. No optional library is needed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from ezcold_operators.i18n import _

from ..errors import Undecodable
from . import attachments, mapi, rtf
from .cfb import STORAGE, STREAM, CompoundFile, Entry
from .mapi import BINARY, OBJECT, STRING8, UNICODE, Content
from .unfolding import Unfolding, join

_ATTACHMENT = "__ATTACH_VERSION1.0_#"
_TABLE = "__properties_version1.0"
_TOP_HEADER, _EMBEDDED_HEADER, _ATTACHMENT_HEADER = 32, 24, 8
_COUNT_AT = 20
_MAX_TABLE = 4_000_000
_MAX_STRING = 4_000_000
_MAX_HTML = 30_000_000


@dataclass(frozen=True, slots=True)
class StoredProperties:
    """The properties of a message or attachment: numbers in one table, everything longer a stream each."""

    file: CompoundFile
    storage: Entry
    numbers: dict[int, tuple[int, bytes]]
    codec: str | None

    def text(self, number: int) -> str | None:
        """See `mapi.Properties`; an unreadable stream is no text."""
        for kind in (UNICODE, STRING8):
            stream = self.stream(number, kind)
            if stream is not None and stream.size <= _MAX_STRING:
                try:
                    raw = self.file.read(stream, _MAX_STRING)
                except Undecodable:
                    continue
                return mapi.decode_unicode(raw) if kind == UNICODE else mapi.decode_text(raw, self.codec)
        return None

    def integer(self, number: int) -> int | None:
        """See `mapi.Properties`."""
        found = self.numbers.get(number)
        return int(struct.unpack_from("<i", found[1])[0]) if found else None

    def time(self, number: int) -> datetime | None:
        """A PtypTime property, UTC."""
        found = self.numbers.get(number)
        if found is None or found[0] != mapi.TIME:
            return None
        return mapi.filetime(struct.unpack("<Q", found[1])[0])

    def binary(self, number: int, limit: int) -> bytes | None:
        """See `mapi.Properties`."""
        stream = self.stream(number, BINARY)
        if stream is not None:
            return self.file.read(stream, limit)
        kind, raw = self.numbers.get(number, (0, b""))
        if kind == BINARY and struct.unpack_from("<I", raw)[0]:
            raise Undecodable(_("the property {number:04X} is announced and missing").format(number=number))
        return None

    def stream(self, number: int, kind: int) -> Entry | None:
        """The stream or storage of a property."""
        return self.storage.child(f"__substg1.0_{number:04X}{kind:04X}")


def open_outlook(part: Path, name: str | None, path: str, session: Unfolding) -> None:
    """Open a .msg file.

    :raises Undecodable: it is no compound file, or its directory cannot be followed.
    """
    with part.open("rb") as stream:
        file = CompoundFile(stream)
        if not any(key.startswith("__") for key in file.root.children):
            # Another program's document, in which a message is embedded somewhere.
            content = attachments.in_file(part, 0, part.stat().st_size)
            session.add(content.pieces(), name=name, path=path)
            return
        message = _properties(file, file.root, _TOP_HEADER, None)
        if not path and session.headers is None:
            session.headers = mapi.headers_of(message, message.time)
        _open_message(message, _TOP_HEADER, path, session)
        if file.unreachable:
            session.quarantine(
                _("{path}: the file's directory is damaged, something may be missing").format(path=path or "message")
            )


def _properties(file: CompoundFile, storage: Entry, header: int, codec: str | None) -> StoredProperties:
    table = storage.child(_TABLE)
    raw = file.read(table, _MAX_TABLE) if table is not None else b""
    numbers: dict[int, tuple[int, bytes]] = {}
    for at in range(header, len(raw) - 15, 16):
        kind, number = struct.unpack_from("<HH", raw, at)
        numbers.setdefault(number, (kind, raw[at + 8 : at + 16]))
    made = StoredProperties(file, storage, numbers, codec)
    # The Internet code page is the body's on the wire; 8-bit strings here follow the sender's Windows.
    own = made.integer(mapi.MESSAGE_CODEPAGE) or mapi.codepage_of(made.integer(mapi.MESSAGE_LOCALE))
    own = own or made.integer(mapi.INTERNET_CODEPAGE)
    return StoredProperties(file, storage, numbers, mapi.codec_of(own) or codec)


def _open_message(message: StoredProperties, header: int, path: str, session: Unfolding) -> None:
    text = attachments.rich_text(message, path, session)
    html = _html_body(message)
    cited = html.decode("latin-1").lower() if html else rtf.html_text(text)
    attachments.add_bodies(message, html, text, path, session)
    storages = [entry for key, entry in message.storage.children.items() if key.startswith(_ATTACHMENT)]
    storages.sort(key=lambda entry: entry.name.upper())
    _check_count(message, header, storages, path, session)
    signed = attachments.is_signed(message) and len(storages) == 1
    for number, storage in enumerate(storages, 1):
        inner = join(path, str(number))
        with session.sparing(inner):
            _open_attachment(message, storage, inner, cited, signed, session)
    attachments.add_embedded(text, path, session)


def _check_count(message: StoredProperties, header: int, storages: list[Entry], path: str, session: Unfolding) -> None:
    """More attachments declared than present: something was lost before it reached us."""
    table = message.storage.child(_TABLE)
    raw = message.file.read(table, _MAX_TABLE) if table is not None else b""
    if len(raw) < header:
        session.quarantine(_("{path}: the table of properties is missing or cut off").format(path=path or "message"))
        return
    declared = struct.unpack_from("<I", raw, _COUNT_AT)[0]
    if declared > len(storages):
        where = path or "message"
        session.quarantine(
            _("{where}: {declared} attachments are declared and {present} are present").format(
                where=where, declared=declared, present=len(storages)
            )
        )


def _html_body(message: StoredProperties) -> bytes:
    try:
        raw = message.binary(mapi.HTML, _MAX_HTML)
    except Undecodable:
        raw = None
    return raw if raw is not None else (message.text(mapi.HTML) or "").encode("utf-8", "replace")


def _open_attachment(
    message: StoredProperties, storage: Entry, path: str, cited: str, signed: bool, session: Unfolding
) -> None:
    if storage.kind != STORAGE:
        raise Undecodable(_("an attachment's storage is a mere stream"))
    found = _properties(message.file, storage, _ATTACHMENT_HEADER, message.codec)
    method = found.integer(mapi.METHOD)
    data = found.stream(mapi.ATTACH_DATA, BINARY)
    inner = found.stream(mapi.ATTACH_DATA, OBJECT)
    if data is not None and data.kind == STREAM:
        content = Content(data.size, partial(found.file.pieces, data))
        _check_size(found, data, path, session)
        if signed:
            attachments.open_signed(found, content, path, session)
        else:
            attachments.add_value(found, content, path, cited, session)
    elif inner is not None:
        _open_inner(found, inner, method, path, session)
    elif method in mapi.REFERENCES or (not method and mapi.reference_of(found)):
        attachments.add_reference(found, path, session)
    elif method == mapi.BY_VALUE and _declared_size(found) == 0:
        attachments.add_value(found, Content(0, lambda: iter(())), path, cited, session)
    else:
        shown = mapi.name_of(found) or "without a name"
        raise Undecodable(_("the attachment {shown} has no bytes (method {method})").format(shown=shown, method=method))


def _open_inner(found: StoredProperties, inner: Entry, method: int | None, path: str, session: Unfolding) -> None:
    """A message or an OLE object kept as a storage; a stream there is the object's bytes as they are."""
    if inner.kind == STREAM:
        content = Content(inner.size, partial(found.file.pieces, inner))
        attachments.add_value(found, content, path, "", session)
    elif inner.child(_TABLE) is not None or method == mapi.EMBEDDED_MESSAGE:
        with session.entering(path, _size_below(inner)):
            embedded = _properties(found.file, inner, _EMBEDDED_HEADER, found.codec)
            _open_message(embedded, _EMBEDDED_HEADER, path, session)
    elif inner.children:
        attachments.add_storage(found, found.file, inner, path, session)
    else:
        raise Undecodable(
            _("the attachment {name} is an empty object").format(name=mapi.name_of(found) or _("without a name"))
        )


def _declared_size(found: StoredProperties) -> int | None:
    """Bytes of the content by the table of properties; None where the table does not say."""
    entry = found.numbers.get(mapi.ATTACH_DATA)
    return int(struct.unpack_from("<I", entry[1])[0]) if entry and entry[0] == BINARY else None


def _check_size(found: StoredProperties, data: Entry, path: str, session: Unfolding) -> None:
    declared = _declared_size(found)
    if declared is not None and declared > data.size:
        name = mapi.name_of(found) or "without a name"
        session.quarantine(
            _("{path}: the attachment {name} has {size} of its {declared} bytes").format(
                path=path, name=name, size=data.size, declared=declared
            )
        )


def _size_below(storage: Entry) -> int:
    return sum(entry.size for entry in _streams(storage))


def _streams(storage: Entry) -> Iterator[Entry]:
    waiting = [storage]
    while waiting:
        for entry in waiting.pop().children.values():
            if entry.kind == STREAM:
                yield entry
            else:
                waiting.append(entry)
