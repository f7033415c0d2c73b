"""The file inside an OLE object: what a person sees when he double-clicks the icon in a mail.

Three ways to carry it: a Package (`\\x01Ole10Native`: name and bytes), one stream that is the file (`CONTENTS`,
`Package`), or the object's storage itself being the document (Word, Excel, Visio), which is then
written out as a compound file.
Sources: [MS-OLEDS] 2.3.6 and 2.2.4, [MS-CFB].
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from ezcold_operators.i18n import _

from ..errors import Undecodable
from . import cfb_write
from .cfb import CompoundFile, Entry
from .mapi import clean, decode_text

_NATIVE, _CONTENTS, _PACKAGE = "\x01Ole10Native", "CONTENTS", "Package"
_KNOWN_STORAGES = {
    "WORDDOCUMENT": ".doc",
    "WORKBOOK": ".xls",
    "BOOK": ".xls",
    "POWERPOINT DOCUMENT": ".ppt",
    "VISIODOCUMENT": ".vsd",
}
_MAGICS = (
    (b"%PDF-", ".pdf"),
    (b"\x89PNG", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"BM", ".bmp"),
    (b"GIF8", ".gif"),
    (b"\xd7\xcd\xc6\x9a", ".wmf"),
    (b"\x01\x00\x00\x00", ".emf"),
)
_OOXML = ((b"word/", ".docx"), (b"xl/", ".xlsx"), (b"ppt/", ".pptx"))
_DIB_HEADER = 40
_MAX_NATIVE_HEADER = 4096
_COPY = 1 << 20


@dataclass(frozen=True, slots=True)
class ObjectFile:
    """The file found: its own name, or only a suitable extension when the object does not tell a name."""

    name: str | None
    extension: str
    pieces: Iterator[bytes]


def file_in_storage(file: CompoundFile, storage: Entry, workdir: Path) -> ObjectFile:
    """The file that an OLE storage holds.

    :param workdir: where a temporary file may lie while it is read.
    :raises Undecodable: the object's streams are cut off.
    """
    native = storage.child(_NATIVE)
    if native is not None:
        return _packaged(file.pieces(native))
    for name in (_CONTENTS, _PACKAGE):
        stream = storage.child(name)
        if stream is not None and stream.size:
            return _single(file.pieces(stream), stream.size)
    extension = next((ext for name, ext in _KNOWN_STORAGES.items() if storage.child(name)), ".ole")
    return ObjectFile(None, extension, _rewritten(file, storage, workdir))


def file_in_native(data: bytes, class_name: str, workdir: Path) -> ObjectFile:
    """The file in the native data of an OLE 1.0 object, as rich text has them.

    :raises Undecodable: as `file_in_storage`.
    """
    if class_name.lower() == "package":
        # The native data of OLE 1 is the stream of OLE 2 without its leading length.
        return _packaged(iter([struct.pack("<I", len(data)) + data]))
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        file = CompoundFile(io.BytesIO(data))
        return file_in_storage(file, file.root, workdir)
    return _single(iter([data]), len(data))


def _packaged(pieces: Iterator[bytes]) -> ObjectFile:
    """Name and bytes of a Package: length, flags, label, original path, flags, temporary path, length, bytes."""
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= _MAX_NATIVE_HEADER:
            break
    try:
        at = 6
        label_end = head.index(b"\0", at)
        path_end = head.index(b"\0", label_end + 1)
        at = path_end + 1 + 4
        (temporary,) = struct.unpack_from("<I", head, at)
        at += 4 + temporary
        (size,) = struct.unpack_from("<I", head, at)
    except (ValueError, struct.error) as error:
        raise Undecodable(_("an OLE package in the mail is cut off")) from error
    name = decode_text(head[6:label_end], None) or decode_text(head[label_end + 1 : path_end], None)
    name = clean(name.replace("\\", "/").rpartition("/")[2])
    return ObjectFile(name or None, "", _exactly(head[at + 4 :], pieces, size))


def _exactly(first: bytes, rest: Iterator[bytes], size: int) -> Iterator[bytes]:
    left = size
    piece: bytes | None = first
    while left > 0:
        if piece is None:
            raise Undecodable(_("an OLE package in the mail is cut off"))
        yield piece[:left]
        left -= min(len(piece), left)
        piece = next(rest, None)


def _single(pieces: Iterator[bytes], size: int) -> ObjectFile:
    head = next(pieces, b"")
    if len(head) > _DIB_HEADER and struct.unpack_from("<I", head)[0] == _DIB_HEADER:
        return ObjectFile(None, ".bmp", _chained(_bitmap_header(head, size) + head, pieces))
    found = next((ext for magic, ext in _MAGICS if head.startswith(magic)), ".bin")
    if head.startswith(b"PK"):
        found = next((ext for folder, ext in _OOXML if folder in head), ".zip")
    return ObjectFile(None, found, _chained(head, pieces))


def _bitmap_header(head: bytes, size: int) -> bytes:
    """The 14 bytes that make a device independent bitmap a .bmp file."""
    depth, compression = struct.unpack_from("<HI", head, 14)
    colours = struct.unpack_from("<I", head, 32)[0] or (1 << depth if depth <= 8 else 0)
    offset = 14 + _DIB_HEADER + colours * 4 + (12 if compression == 3 else 0)
    return struct.pack("<2sIII", b"BM", size + 14, 0, min(offset, 0xFFFFFFFF))


def _chained(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from rest


def _rewritten(file: CompoundFile, storage: Entry, workdir: Path) -> Iterator[bytes]:
    with TemporaryFile(dir=workdir) as whole:
        cfb_write.write(cfb_write.tree_of(file, storage), whole)
        whole.seek(0)
        while piece := whole.read(_COPY):
            yield piece
