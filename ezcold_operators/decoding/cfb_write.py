"""Writes a compound file ([MS-CFB], version 3) from a tree of storages and streams, holding no stream's bytes.

Needed because an OLE object inside a mail is a folder of a larger compound file: as a document it is a file of its own.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from .cfb import MAGIC, ROOT, STORAGE, STREAM, CompoundFile, Entry

_SECTOR, _MINI, _CUTOFF = 512, 64, 4096
_FREE, _END, _FAT, _DIFAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFC
_IN_HEADER = 109


@dataclass(slots=True)
class Node:
    """A storage (`pieces` is None) or a stream of `size` bytes that `pieces()` yields."""

    name: str
    children: list[Node] = field(default_factory=list)
    clsid: bytes = bytes(16)
    size: int = 0
    pieces: Callable[[], Iterator[bytes]] | None = None
    number: int = 0
    start: int = _END
    left: int = _FREE
    right: int = _FREE
    child: int = _FREE
    red: bool = False


def tree_of(file: CompoundFile, entry: Entry) -> Node:
    """The tree below `entry`, its streams read from `file` when the tree is written."""
    node = Node(entry.name, clsid=entry.clsid)
    waiting = [(entry, node)]
    while waiting:
        source, target = waiting.pop()
        for inner in source.children.values():
            made = Node(inner.name, clsid=inner.clsid)
            if inner.kind == STREAM:
                made.size = inner.size
                made.pieces = lambda inner=inner: file.pieces(inner)
            target.children.append(made)
            waiting.append((inner, made))
    return node


def write(root: Node, out: BinaryIO) -> None:
    """Write the tree below `root` as one compound file.

    :raises Undecodable: from the streams' own `pieces`.
    """
    nodes = _number(root)
    streams = [node for node in nodes if node.pieces is not None and node.size]
    small = [node for node in streams if node.size < _CUTOFF]
    large = [node for node in streams if node.size >= _CUTOFF]
    mini_fat = array("I")
    for node in small:
        node.start = len(mini_fat)
        _link(mini_fat, -(-node.size // _MINI))
    lengths = [len(nodes) * 128, len(mini_fat) * 4, len(mini_fat) * _MINI, *(node.size for node in large)]
    counts = [-(-length // _SECTOR) for length in lengths]
    fat_count, difat_count = _table_counts(sum(counts))
    fat = array("I", [_FAT] * fat_count + [_DIFAT] * difat_count)
    starts = [_link(fat, count) for count in counts]
    for node, start in zip(large, starts[3:], strict=True):
        node.start = start
    root.start, root.size = starts[2], lengths[2]
    fat.extend([_FREE] * (fat_count * _SECTOR // 4 - len(fat)))
    out.write(_header(starts, counts, fat_count, difat_count))
    out.write(_bytes(fat) + _difat(fat_count, difat_count))
    _pad(out, iter([b"".join(_directory_entry(node) for node in nodes)]), lengths[0], fill=_empty_entry())
    _pad(out, iter([_bytes(mini_fat)]), lengths[1], fill=b"\xff" * 4)
    out.write(b"".join(_padded(node) for node in small).ljust(counts[2] * _SECTOR, b"\0"))
    for node in large:
        assert node.pieces is not None
        _pad(out, node.pieces(), node.size, fill=b"\0")


def _number(root: Node) -> list[Node]:
    """Number all nodes, the root first, and join each storage's children to a balanced tree of valid colours."""
    nodes = [root]
    for node in nodes:
        node.children.sort(key=lambda child: (len(child.name), child.name.upper()))
        for child in node.children:
            child.number = len(nodes)
            nodes.append(child)
        full_levels = (len(node.children) + 1).bit_length() - 1
        node.child = _balance(node.children, 0, full_levels)
    return nodes


def _balance(siblings: list[Node], depth: int, full_levels: int) -> int:
    if not siblings:
        return _FREE
    middle = len(siblings) // 2
    node = siblings[middle]
    node.red = depth >= full_levels
    node.left = _balance(siblings[:middle], depth + 1, full_levels)
    node.right = _balance(siblings[middle + 1 :], depth + 1, full_levels)
    return node.number


def _link(table: array[int], count: int) -> int:
    """Append a chain of `count` places to a table; where it starts."""
    if not count:
        return _END
    start = len(table)
    table.extend(range(start + 1, start + count))
    table.append(_END)
    return start


def _table_counts(sectors: int) -> tuple[int, int]:
    fat_count = difat_count = 0
    while True:
        needed = -(-(sectors + fat_count + difat_count) // (_SECTOR // 4))
        beyond = -(-max(0, needed - _IN_HEADER) // (_SECTOR // 4 - 1))
        if (needed, beyond) == (fat_count, difat_count):
            return fat_count, difat_count
        fat_count, difat_count = max(needed, fat_count), max(beyond, difat_count)


def _header(starts: list[int], counts: list[int], fat_count: int, difat_count: int) -> bytes:
    fixed = struct.pack(
        "<8s16s5H6s9I",
        *(MAGIC, bytes(16), 0x3E, 3, 0xFFFE, 9, 6, bytes(6), 0, fat_count, starts[0], 0, _CUTOFF, starts[1]),
        *(counts[1], fat_count if difat_count else _END, difat_count),
    )
    inside = [*range(min(fat_count, _IN_HEADER))]
    return fixed + struct.pack("<109I", *inside, *[_FREE] * (_IN_HEADER - len(inside)))


def _difat(fat_count: int, difat_count: int) -> bytes:
    rest = list(range(_IN_HEADER, fat_count))
    words = array("I")
    for number in range(difat_count):
        here, rest = rest[:127], rest[127:]
        words.extend(here + [_FREE] * (127 - len(here)))
        words.append(fat_count + number + 1 if number + 1 < difat_count else _END)
    return _bytes(words)


def _directory_entry(node: Node) -> bytes:
    is_root = node.number == 0
    name = ("Root Entry" if is_root else node.name[:31]).encode("utf-16-le")
    kind = ROOT if is_root else STORAGE if node.pieces is None else STREAM
    start = 0 if kind == STORAGE else node.start
    links = (node.left, node.right, node.child)
    return struct.pack(
        "<64sHBBIII16sIQQIQ", name, len(name) + 2, kind, not node.red, *links, node.clsid, 0, 0, 0, start, node.size
    )


def _empty_entry() -> bytes:
    return struct.pack("<64sHBBIII16sIQQIQ", b"", 0, 0, 0, _FREE, _FREE, _FREE, bytes(16), 0, 0, 0, 0, 0)


def _bytes(table: array[int]) -> bytes:
    return struct.pack(f"<{len(table)}I", *table)


def _padded(node: Node) -> bytes:
    assert node.pieces is not None
    raw = b"".join(node.pieces())
    return raw.ljust(-(-len(raw) // _MINI) * _MINI, b"\0")


def _pad(out: BinaryIO, pieces: Iterator[bytes], size: int, fill: bytes) -> None:
    for piece in pieces:
        out.write(piece)
    missing = -size % _SECTOR
    out.write(fill * (missing // len(fill)))
