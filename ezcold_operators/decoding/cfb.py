"""Compound files ([MS-CFB]), the file system inside .msg and OLE objects, read in pieces and trusting no offset.

A stream of 300 MB is never held: `CompoundFile.pieces` gives it sector run by sector run. Every chain is bounded by the
file's own length, so that a loop ends; a chain that ends early is an error, never a shorter stream.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from ezcold_operators.i18n import _

from ..errors import Undecodable

Offset = Callable[[int], int]
Node = tuple[bytes, int, int, int, int, int, int, bytes, int, int, int, int, int]
"""A directory entry as it lies in the file: name, length, kind, colour, left, right, child, class, ..., start, size."""

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
STORAGE, STREAM, ROOT = 1, 2, 5
_UNUSED = 0
_LAST_SECTOR = 0xFFFFFFFA
_PIECE = 1 << 20
_HEADER = struct.Struct("<8s16s5H6s9I")
_ENTRY = struct.Struct("<64sHBBIII16sIQQIQ")


@dataclass(frozen=True, slots=True)
class Entry:
    """One storage (folder) or stream (file)."""

    name: str
    kind: int
    start: int
    size: int
    clsid: bytes = bytes(16)
    children: dict[str, Entry] = field(default_factory=dict)

    def child(self, name: str) -> Entry | None:
        """The child of that name, upper and lower case alike ([MS-CFB] 2.6.4)."""
        return self.children.get(name.upper())


@dataclass(frozen=True, slots=True)
class _Header:
    sector_size: int
    mini_size: int
    cutoff: int
    first_directory: int
    first_mini_fat: int
    first_difat: int
    fat_sectors: tuple[int, ...]
    long_sizes: bool


class CompoundFile:
    """An open compound file.

    :param stream: seekable; stays the caller's to close.
    :raises Undecodable: it is no compound file, or its tables cannot be followed.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._length = stream.seek(0, 2)
        self._header = self._read_header()
        self._sectors = max(0, -(-self._length // self._header.sector_size) - 1)
        self._fat = self._read_fat()
        self.unreachable = 0
        self.root = self._read_directory()
        # A broken chain here spoils short streams only, and is noticed where one of them is read.
        self._mini_chain = self._chain(self.root.start, strict=False)
        self._mini_fat = self._table(self._chain(self._header.first_mini_fat, strict=False))

    def pieces(self, entry: Entry) -> Iterator[bytes]:
        """The bytes of a stream, at most 1 MB at a time.

        :raises Undecodable: the stream's chain leaves the file or ends before the stream does.
        """
        if entry.size >= self._header.cutoff or entry is self.root:
            return self._run(entry, self._header.sector_size, self._fat, self._big_offset)
        return self._run(entry, self._header.mini_size, self._mini_fat, self._mini_offset)

    def read(self, entry: Entry, limit: int) -> bytes:
        """A whole stream.

        :raises Undecodable: as `pieces`, or it is longer than `limit` bytes.
        """
        if entry.size > limit:
            raise Undecodable(
                _("a stream of {size} bytes stands where at most {limit} are expected").format(
                    size=entry.size, limit=limit
                )
            )
        return b"".join(self.pieces(entry))

    def _at(self, offset: int, size: int) -> bytes:
        self._stream.seek(offset)
        return self._stream.read(size)

    def _read_header(self) -> _Header:
        raw = self._at(0, 512)
        if len(raw) < 512 or not raw.startswith(MAGIC):
            raise Undecodable(_("no compound file: its header is missing"))
        values = _HEADER.unpack_from(raw)
        major, shift, mini_shift = values[3], values[5], values[6]
        if shift not in (9, 12) or mini_shift != 6:
            raise Undecodable(_("the compound file has a sector size that does not exist"))
        return _Header(
            sector_size=1 << shift,
            mini_size=64,
            cutoff=values[12],
            first_directory=values[10],
            first_mini_fat=values[13],
            first_difat=values[15],
            fat_sectors=struct.unpack_from("<109I", raw, 76),
            long_sizes=major >= 4,
        )

    def _words(self, sector: int) -> array[int]:
        words = array("I")
        raw = self._at(self._big_offset(sector), self._header.sector_size)
        words.frombytes(raw[: len(raw) // 4 * 4])
        return words

    def _read_fat(self) -> array[int]:
        places = list(self._header.fat_sectors)
        sector, seen = self._header.first_difat, 0
        while sector < _LAST_SECTOR and seen <= self._sectors:
            words = self._words(sector)
            if not words:
                raise Undecodable(_("the compound file's allocation table leaves the file"))
            places.extend(words[:-1])
            sector, seen = words[-1], seen + 1
        fat = array("I")
        for place in places:
            if place < _LAST_SECTOR and len(fat) <= self._sectors:
                fat.extend(self._words(place))
        return fat

    def _chain(self, sector: int, strict: bool = True) -> array[int]:
        chain = array("I")
        while sector < _LAST_SECTOR:
            if len(chain) > self._sectors or sector >= len(self._fat):
                if not strict:
                    break
                raise Undecodable(_("a chain of sectors in the compound file has no end"))
            chain.append(sector)
            sector = self._fat[sector]
        return chain

    def _table(self, places: array[int]) -> array[int]:
        table = array("I")
        for place in places:
            table.extend(self._words(place))
        return table

    def _big_offset(self, sector: int) -> int:
        return (sector + 1) * self._header.sector_size

    def _mini_offset(self, sector: int) -> int:
        place, within = divmod(sector * self._header.mini_size, self._header.sector_size)
        if place >= len(self._mini_chain):
            raise Undecodable(_("a short stream of the compound file lies outside the file"))
        return self._big_offset(self._mini_chain[place]) + within

    def _run(self, entry: Entry, unit: int, table: array[int], offset: Offset) -> Iterator[bytes]:
        left, sector = entry.size, entry.start
        while left > 0:
            if sector >= len(table):
                raise Undecodable(_("the stream {name!r} ends {left} bytes early").format(name=entry.name, left=left))
            begin, length = offset(sector), unit
            following = table[sector]
            while length < min(left, _PIECE) and following < len(table) and offset(following) == begin + length:
                length += unit
                following = table[following]
            piece = self._at(begin, min(length, left))
            if len(piece) < min(length, left):
                raise Undecodable(_("the file is cut off within the stream {name!r}").format(name=entry.name))
            yield piece
            left -= len(piece)
            sector = following

    def _read_directory(self) -> Entry:
        raw = b"".join(
            self._at(self._big_offset(sector), self._header.sector_size)
            for sector in self._chain(self._header.first_directory)
        )
        nodes = [_ENTRY.unpack_from(raw, at) for at in range(0, len(raw) - _ENTRY.size + 1, _ENTRY.size)]
        if not nodes or nodes[0][2] != ROOT:
            raise Undecodable(_("the compound file has no root directory"))
        root = self._entry(nodes[0])
        self.unreachable = self._fill(root, nodes)
        return root

    def _fill(self, root: Entry, nodes: list[Node]) -> int:
        """Hang every reachable node below its storage; siblings form a binary tree, which may be lopsided or looped.

        :return: how many nodes in use no storage leads to, or are of no known kind: 0 unless the directory is damaged.
        """
        seen = {0}
        waiting = [(nodes[0][6], root)]
        while waiting:
            number, parent = waiting.pop()
            if number >= len(nodes) or number in seen:
                continue
            seen.add(number)
            node = nodes[number]
            waiting += [(node[4], parent), (node[5], parent)]
            if node[2] not in (STORAGE, STREAM):
                continue
            entry = self._entry(node)
            key = entry.name.upper()
            parent.children[key if key not in parent.children else f"{key}\0{number}"] = entry
            if entry.kind == STORAGE:
                waiting.append((node[6], entry))
        return sum(node[2] != _UNUSED and number not in seen for number, node in enumerate(nodes))

    def _entry(self, node: Node) -> Entry:
        name = node[0][: max(0, min(node[1], 64) - 2)].decode("utf-16-le", "replace")
        size = node[12] if self._header.long_sizes else node[12] & 0xFFFFFFFF
        return Entry(name=name, kind=node[2], start=node[11], size=size, clsid=node[7])
