"""TNEF as a stream of attributes and of MAPI properties ([MS-OXTNEF] 2.1.3): where each value lies, nothing held.

A wrong checksum alone proves nothing: several senders write them wrongly over right bytes. Together with the beginning
of another attribute inside, it shows a wrong length.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO

from ezcold_operators.i18n import _

from ..errors import Undecodable
from . import mapi

SIGNATURE = b"\x78\x9f\x3e\x22"
MESSAGE, ATTACHMENT = 1, 2
_VERSION, OEM_CODEPAGE, MESSAGE_PROPERTIES = 0x9006, 0x9007, 0x9003
RENDERING, TITLE, DATA, TRANSPORT_NAME, PROPERTIES = 0x9002, 0x8010, 0x800F, 0x9001, 0x9005
_BEGINNINGS = (b"\x02\x90\x06\x00", b"\x0f\x80\x06\x00", b"\x05\x90\x06\x00", b"\x03\x90\x06\x00")
"""Rendering, data and properties of an attachment, properties of the message: what must not lie behind the end."""
_FIXED = {2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 10: 4, 11: 4, 20: 8, 64: 8, 72: 16}
_VARIABLE = (mapi.STRING8, mapi.UNICODE, mapi.BINARY, mapi.OBJECT)
_MULTIPLE = 0x1000
_MAX_PROPERTIES = 100_000
_MAX_STRING = 1_000_000
_MAX_SWALLOWING = 1_000_000


@dataclass(frozen=True, slots=True)
class Span:
    """Where bytes lie in the file."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of the message or of the current attachment."""

    level: int
    tag: int
    """Its number without its type, which some senders leave zero."""
    span: Span


def read(stream: BinaryIO, span: Span, limit: int = _MAX_STRING) -> bytes:
    """At most `limit` bytes of a span."""
    stream.seek(span.offset)
    return stream.read(min(span.size, limit))


def attributes(stream: BinaryIO, whole: Span) -> Iterator[Attribute]:
    """All attributes of a TNEF, in their order. Foreign bytes after the last one are passed over.

    :raises Undecodable: no TNEF; an attribute is cut off; or what follows the damage looks like further attachments.
    """
    head = read(stream, Span(whole.offset, 6))
    if len(head) < 6 or not head.startswith(SIGNATURE):
        raise Undecodable(_("no TNEF: its signature is missing"))
    at, end = whole.offset + 6, whole.offset + whole.size
    swallowed = told = False
    while at < end:
        stream.seek(at)
        header = stream.read(min(9, end - at))
        if len(header) < 9 and header[0] in (MESSAGE, ATTACHMENT):
            raise Undecodable(_("the TNEF is cut off within an attribute"))
        if len(header) < 9:
            break
        level, tag, size = struct.unpack("<BII", header)
        if level not in (MESSAGE, ATTACHMENT):
            break
        if at + 9 + size > end:
            raise Undecodable(_("the TNEF is cut off or damaged: an attribute is longer than the file"))
        swallowed = swallowed or _swallows(stream, Span(at + 9, size))
        told = told or tag & 0xFFFF not in (_VERSION, OEM_CODEPAGE)
        yield Attribute(level, tag & 0xFFFF, Span(at + 9, size))
        at += 9 + size + 2
    if not told:
        raise Undecodable(_("the TNEF is damaged or cut off: it holds nothing"))
    if swallowed or _holds_attachment(stream, Span(at, max(0, end - at))):
        raise Undecodable(_("the TNEF is damaged: attachments behind the damage cannot be reached"))


def _swallows(stream: BinaryIO, span: Span) -> bool:
    """Whether a short attribute's length is wrong, so that it covers further attributes; an embedded TNEF may."""
    if span.size > _MAX_SWALLOWING:
        return False
    raw = read(stream, Span(span.offset, span.size + 2), span.size + 2)
    data, checksum = raw[: span.size], int.from_bytes(raw[span.size :], "little")
    if SIGNATURE in data or not any(mark in data for mark in _BEGINNINGS):
        return False
    return sum(data) & 0xFFFF != checksum


def _holds_attachment(stream: BinaryIO, rest: Span) -> bool:
    stream.seek(rest.offset)
    left, overlap = rest.size, b""
    while left > 0:
        piece = stream.read(min(left, 1 << 20))
        if not piece:
            return False
        window = overlap + piece
        if any(mark in window for mark in _BEGINNINGS):
            return True
        left, overlap = left - len(piece), window[-3:]
    return False


@dataclass(slots=True)
class SpannedProperties:
    """MAPI properties by where their values lie; see `mapi.Properties`."""

    stream: BinaryIO
    codec: str | None = None
    values: dict[tuple[int, int], Span] = field(default_factory=dict)
    damaged: bool = False

    def text(self, number: int) -> str | None:
        """See `mapi.Properties`."""
        wide = self.values.get((number, mapi.UNICODE))
        if wide is not None:
            return mapi.decode_unicode(read(self.stream, wide))
        narrow = self.values.get((number, mapi.STRING8))
        return mapi.decode_text(read(self.stream, narrow), self.codec) if narrow is not None else None

    def integer(self, number: int) -> int | None:
        """See `mapi.Properties`."""
        span = self.values.get((number, 3))
        return int(struct.unpack("<i", read(self.stream, span))[0]) if span is not None else None

    def binary(self, number: int, limit: int) -> bytes | None:
        """See `mapi.Properties`.

        :raises Undecodable: longer than `limit`.
        """
        span = self.values.get((number, mapi.BINARY))
        if span is not None and span.size > limit:
            raise Undecodable(
                _("a property of {size} bytes stands where at most {limit} are expected").format(
                    size=span.size, limit=limit
                )
            )
        return read(self.stream, span, limit) if span is not None else None

    def time(self, number: int) -> datetime | None:
        """A PtypTime property, UTC."""
        span = self.values.get((number, mapi.TIME))
        return mapi.filetime(struct.unpack("<Q", read(self.stream, span))[0]) if span is not None else None

    def load(self, span: Span) -> None:
        """Take in a block of properties; one that is cut off leaves `damaged` set and what came before it usable."""
        try:
            _Cursor(self.stream, span).properties(self.values)
        except Undecodable:
            self.damaged = True
        codepage = self.integer(mapi.MESSAGE_CODEPAGE)
        self.codec = mapi.codec_of(codepage) or self.codec


class _Cursor:
    """Walks one block of properties; every step is checked against the block's end."""

    def __init__(self, stream: BinaryIO, span: Span) -> None:
        self._stream = stream
        self._at = span.offset
        self._end = span.offset + span.size

    def properties(self, into: dict[tuple[int, int], Span]) -> None:
        count = self._number()
        if count > _MAX_PROPERTIES:
            raise Undecodable(_("too many properties"))
        for _other in range(count):
            kind, number = struct.unpack("<HH", self._take(4))
            if number >= 0x8000:
                self._name()
            for span in self._values(kind):
                into.setdefault((number, kind & ~_MULTIPLE), span)

    def _values(self, kind: int) -> Iterator[Span]:
        base = kind & ~_MULTIPLE
        size = _FIXED.get(base)
        if size is None and base not in _VARIABLE:
            raise Undecodable(_("a property of unknown type"))
        count = self._number() if size is None or kind & _MULTIPLE else 1
        for _other in range(min(count, _MAX_PROPERTIES)):
            length = self._number() if size is None else size
            yield self._skip(length)
            if size is None:
                self._skip(-length % 4, strict=False)

    def _name(self) -> None:
        self._skip(16)
        named = self._number()
        if named == 0:
            self._skip(4)
        else:
            length = self._number()
            self._skip(length + -length % 4)

    def _number(self) -> int:
        return int(struct.unpack("<I", self._take(4))[0])

    def _take(self, size: int) -> bytes:
        span = self._skip(size)
        return read(self._stream, span)

    def _skip(self, size: int, strict: bool = True) -> Span:
        if strict and self._at + size > self._end:
            raise Undecodable(_("a property is cut off"))
        span = Span(self._at, size)
        self._at += size
        return span
