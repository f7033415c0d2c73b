"""One stream for files side by side: a tar that is the same for the same files, whenever and wherever it is made.

Regular members only, sorted, no time, no owner; the first, `.ezcold-bundle.json`, names the others (POSIX.1-2001, pax).
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterable, Iterator, Sequence

INDEX = ".ezcold-bundle.json"
_END = b"\0" * 2 * tarfile.BLOCKSIZE


def bundle_size(members: Sequence[tuple[str, int]]) -> int:
    """Bytes of the stream that `bundle` will give for members of these names and sizes."""
    index = _index([name for name, _size in members])
    files = [(INDEX, len(index)), *members]
    return sum(len(_header(name, size)) + _padded(size) for name, size in files) + len(_END)


def bundle(members: Sequence[tuple[str, int, Iterable[bytes]]]) -> Iterator[bytes]:
    """The stream; a member's chunks are asked for when its turn comes, and must give as many bytes as announced."""
    index = _index([name for name, _size, _chunks in members])
    for name, size, chunks in [(INDEX, len(index), [index]), *members]:
        yield _header(name, size)
        yield from chunks
        yield b"\0" * (_padded(size) - size)
    yield _END


def _index(names: list[str]) -> bytes:
    return json.dumps({"version": 1, "members": names}, ensure_ascii=True).encode()


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _padded(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
