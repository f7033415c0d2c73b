"""BER ([X.690]) walked in the file, nothing held: where values lie, indefinite lengths and strings in pieces included.

General ASN.1 libraries hold the whole and grow faster than the input on indefinite lengths; a signed mail of 100 MB is
one octet string that only has to be copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ezcold_operators.i18n import _

from ..errors import Undecodable

OID, OCTETS, SEQUENCE, SET, INTEGER = 0x06, 0x04, 0x30, 0x31, 0x02
CONSTRUCTED = 0x20
CONTEXT = 0x80
_MAX_NESTING = 64
_PIECE = 1 << 20
_END = 0x00


@dataclass(frozen=True, slots=True)
class Element:
    """One value: its tag's first byte, where it begins, where its content begins and ends (None: indefinite)."""

    tag: int
    begin: int
    content: int
    end: int | None

    @property
    def constructed(self) -> bool:
        """Whether it holds further elements."""
        return bool(self.tag & CONSTRUCTED)

    def is_context(self, number: int) -> bool:
        """Whether it is `[number]`."""
        return self.tag & ~CONSTRUCTED == CONTEXT | number


class Ber:
    """A BER file.

    :param stream: seekable.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.size = stream.seek(0, 2)

    def element(self, at: int) -> Element:
        """The element that begins at an offset.

        :raises Undecodable: there is none, or it is longer than the file.
        """
        head = self._read(at, 16)
        if len(head) < 2:
            raise Undecodable(_("the CMS data are cut off"))
        tag, length, used = head[0], head[1], 2
        if tag & 0x1F == 0x1F:
            raise Undecodable(_("the CMS data hold a tag that CMS does not know"))
        if length == 0x80:
            if not tag & CONSTRUCTED:
                raise Undecodable(_("the CMS data are damaged: a plain value without a length"))
            return Element(tag, at, at + 2, None)
        if length > 0x80:
            used += length - 0x80
            if length - 0x80 > 8 or used > len(head):
                raise Undecodable(_("the CMS data are damaged: a length beyond all measure"))
            length = int.from_bytes(head[2:used], "big")
        end = at + used + length
        if end > self.size:
            raise Undecodable(_("the CMS data are cut off"))
        return Element(tag, at, at + used, end)

    def children(self, parent: Element) -> Iterator[Element]:
        """The elements within a constructed one."""
        at = parent.content
        while parent.end is None or at < parent.end:
            child = self.element(at)
            if parent.end is None and child.tag == _END and child.end == child.content:
                return
            yield child
            at = self.after(child)

    def after(self, element: Element) -> int:
        """The offset behind an element, found by walking where its length is indefinite."""
        if element.end is not None:
            return element.end
        at, open_ones = element.content, 1
        while open_ones:
            inner = self.element(at)
            if inner.tag == _END and inner.end == inner.content:
                at, open_ones = inner.content, open_ones - 1
            elif inner.end is None:
                at, open_ones = inner.content, open_ones + 1
            else:
                at = inner.end
        return at

    def octets(self, element: Element, depth: int = 0) -> Iterator[bytes]:
        """The bytes of a string, in pieces, whether it is one or built of many.

        :raises Undecodable: it is cut off or nested beyond all measure.
        """
        if not element.constructed:
            assert element.end is not None
            at = element.content
            while at < element.end:
                piece = self._read(at, min(_PIECE, element.end - at))
                at += len(piece)
                yield piece
            return
        if depth > _MAX_NESTING:
            raise Undecodable(_("the CMS data are nested beyond all measure"))
        for child in self.children(element):
            yield from self.octets(child, depth + 1)

    def raw(self, element: Element, limit: int) -> bytes:
        """An element as it stands, tag and all.

        :raises Undecodable: it is longer than `limit`.
        """
        size = self.after(element) - element.begin
        if size > limit:
            raise Undecodable(
                _("the CMS data have {size} bytes where at most {limit} are expected").format(size=size, limit=limit)
            )
        return self._read(element.begin, size)

    def value(self, element: Element, limit: int) -> bytes:
        """A short plain value's content."""
        if element.end is None or element.end - element.content > limit:
            raise Undecodable(_("the CMS data have a long value where a short one is expected"))
        return self._read(element.content, element.end - element.content)

    def oid(self, element: Element) -> str:
        """An object identifier in dots."""
        if element.tag != OID or element.content == element.end:
            raise Undecodable(_("the CMS data have no type"))
        raw = self.value(element, 64)
        first = min(raw[0] // 40, 2)
        numbers, current = [first, raw[0] - 40 * first], 0
        for byte in raw[1:]:
            current = current << 7 | byte & 0x7F
            if not byte & 0x80:
                numbers.append(current)
                current = 0
        return ".".join(map(str, numbers))

    def _read(self, at: int, size: int) -> bytes:
        self._stream.seek(at)
        return self._stream.read(size)
