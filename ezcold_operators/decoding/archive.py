"""Archives, opened member by member in constant memory: zip, 7z, tar, and what gzip, bzip2 and xz have compressed.

Nothing is extracted by name: every member goes to a file of our own naming, so that no name can lead outside. Links and
devices are refused by name. Files that only look like archives (docx, odt, jar, epub) stay the documents they are.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from ezcold_operators.i18n import _

from ..errors import Undecodable
from .limits import LimitExceeded
from .members import Members
from .unfolding import Unfolding, is_disk_failure, join

PIECE = 1 << 20
_HEAD = 8192
_XZ_MEMORY = 256_000_000
_MAX_TAR_HEADER = 1_000_000
_LONG_HEADERS = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK
)  # fmt: skip
_ENDINGS = {".gz": "", ".tgz": ".tar", ".bz2": "", ".tbz2": ".tar", ".tbz": ".tar", ".xz": "", ".txz": ".tar", ".z": ""}


def open_archive(part: Path, name: str | None, path: str, session: Unfolding) -> None:
    """Open an archive, told by its first bytes.

    :raises Undecodable: it is damaged as a whole, of an unknown kind, or its library is not installed.
    :raises LimitExceeded: it holds more than the launcher's limits allow; what came before is given.
    """
    with part.open("rb") as stream:
        head = stream.read(_HEAD)
    if head.startswith(b"PK"):
        from .zip_archive import open_zip

        open_zip(part, name, path, session)
    elif head.startswith(b"7z\xbc\xaf\x27\x1c"):
        from .sevenzip import open_sevenzip

        open_sevenzip(part, path, session)
    elif head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")):
        _open_compressed(part, head, name, path, session)
    elif is_tar(head):
        with part.open("rb") as stream:
            _open_tar(stream, path, session)
    else:
        raise Undecodable(_("the archive is of an unknown kind"))


def is_tar(head: bytes) -> bool:
    """Whether a block of 512 bytes is a tar header by its checksum (older tars have no signature)."""
    try:
        tarfile.TarInfo.frombuf(head[:512], "utf-8", "surrogateescape")
    except tarfile.TarError:
        return False
    return True


class _Reader:
    """A readable stream over pieces, with a look at its beginning."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = b""

    def peek(self, size: int) -> bytes:
        while len(self._held) < size and (piece := next(self._pieces, b"")):
            self._held += piece
        return self._held[:size]

    def read(self, size: int = -1) -> bytes:
        found = self.peek(size)
        self._held = self._held[len(found) :]
        return found

    def rest(self) -> Iterator[bytes]:
        if self._held:
            yield self._held
            self._held = b""
        yield from self._pieces


def _open_compressed(part: Path, head: bytes, name: str | None, path: str, session: Unfolding) -> None:
    """One compressed file, or a tar, which then is opened in the same pass."""
    with part.open("rb") as stream:
        reader = _Reader(_decompressed(stream, head))
        try:
            if is_tar(reader.peek(512)):
                _open_tar(reader, path, session)
                for _other in reader.rest():  # the checksum stands at the very end
                    pass
                return
            written = session.scratch(reader.rest())
        except (OSError, EOFError, lzma.LZMAError, ValueError, zlib.error) as error:
            if is_disk_failure(error):
                raise
            raise Undecodable(
                _("the compressed file is damaged or cut off ({error})").format(error=type(error).__name__)
            ) from error
    inner = _inner_name(head, name)
    session.descend(written, name=inner, path=join(path, inner or "1"))


def _decompressed(stream: BinaryIO, head: bytes) -> Iterator[bytes]:
    if head.startswith(b"\xfd7zXZ\x00"):
        return _xz_pieces(stream)
    opened = gzip.GzipFile(fileobj=stream) if head.startswith(b"\x1f\x8b") else bz2.BZ2File(stream)
    return iter(lambda: opened.read(PIECE), b"")


def _xz_pieces(stream: BinaryIO) -> Iterator[bytes]:
    """All streams of an .xz file; a dictionary that wants more memory than we give is an error."""
    raw = stream.read(PIECE)
    while raw:
        decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
        while not decoder.eof:
            if decoder.needs_input and not raw:
                raw = stream.read(PIECE)
                if not raw:
                    raise EOFError
            yield decoder.decompress(raw, PIECE)
            raw = b""
        raw = (decoder.unused_data or stream.read(PIECE)).lstrip(b"\0")
        while not raw and (raw := stream.read(PIECE)):
            raw = raw.lstrip(b"\0")


def _inner_name(head: bytes, name: str | None) -> str | None:
    """The name without its ending, else the one that gzip kept (RFC 1952), without directories."""
    for ending, instead in _ENDINGS.items():
        if name and name.lower().endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)] + instead
    if head.startswith(b"\x1f\x8b") and head[3] & 8 and not head[3] & 4:
        kept = head[10:].split(b"\0")[0].decode("latin-1").replace("\\", "/").rpartition("/")[2]
        return kept or name
    return name


class _Header(tarfile.TarInfo):
    """Makes an error of what the standard library takes for the end of the archive: a damaged header."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        try:
            made = super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            where = _("has no end mark") if not buf else _("is damaged")
            raise Undecodable(_("the tar {where}: members may be missing").format(where=where)) from error
        if made.type in _LONG_HEADERS and made.size > _MAX_TAR_HEADER:
            raise Undecodable(_("the tar has a header beyond all measure"))
        return made


def _open_tar(stream: Any, path: str, session: Unfolding) -> None:
    members = Members(path, session)
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|", tarinfo=_Header) as archive:
            for member in archive:
                _give_member(archive, member, members)
        members.finish()
    except (LimitExceeded, Undecodable):
        raise
    except (tarfile.TarError, EOFError) as error:
        raise Undecodable(_("the tar is damaged or cut off ({error})").format(error=type(error).__name__)) from error


def _give_member(archive: tarfile.TarFile, member: tarfile.TarInfo, members: Members) -> None:
    name = _tar_name(member.name)
    if member.isdir():
        return
    if not member.isfile():
        kind = "a link" if member.islnk() or member.issym() else "a device"
        return members.refuse(name, _("it is {kind}, not a file").format(kind=kind))
    opened = archive.extractfile(member)
    if opened is None:
        return members.refuse(name, _("it has no bytes"))
    members.give(name, _exactly(opened, member.size))


def _exactly(opened: IO[bytes], size: int) -> Iterator[bytes]:
    left = size
    while left > 0:
        piece = opened.read(min(left, PIECE))
        if not piece:
            raise Undecodable(_("it ends {left} bytes early").format(left=left))
        left -= len(piece)
        yield piece


def _tar_name(name: str) -> str:
    raw = name.encode("utf-8", "surrogateescape")
    for encoding in ("utf-8", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")
