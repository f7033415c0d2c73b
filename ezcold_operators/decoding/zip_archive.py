"""Zip: members one by one, passwords in turn, names in the code page they were written in (PKWARE APPNOTE 6.3.10)."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

from ezcold_operators.i18n import _

from ..errors import Undecodable
from .limits import LimitExceeded
from .members import Members
from .unfolding import Unfolding, Written, is_disk_failure

_PIECE = 1 << 20
_ENCRYPTED, _UTF8 = 0x1, 0x800
_AES = 99
_SUPPORTED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_METHODS = {1: "Shrink", 6: "Implode", 9: "Deflate64", 93: "Zstandard", 95: "XZ", 96: "JPEG", 97: "WavPack", 98: "PPMd"}
_UNICODE_PATH = 0x7075
_UNIX = 3
_END_REACH = 65_557
"""Bytes from the end within which the end record lies: itself and the longest comment (APPNOTE 4.3.16)."""
_PACKAGES = ("[Content_Types].xml", "META-INF/MANIFEST.MF", "AndroidManifest.xml", "Index/Document.iwa")
_LETTERS_OF_850 = range(0xB0, 0xF0)


def open_zip(part: Path, name: str | None, path: str, session: Unfolding) -> None:
    """Open a zip; an office document is given as the file it is.

    :raises Undecodable: its directory is missing or damaged.
    """
    try:
        archive = zipfile.ZipFile(part)
    except (zipfile.BadZipFile, NotImplementedError, struct.error, ValueError, OSError) as error:
        if is_disk_failure(error):
            raise
        raise Undecodable(_("the zip has no readable directory: it is damaged or cut off")) from error
    with archive:
        if _is_package(archive):
            session.add(_file_pieces(part), name=name, path=path)
            return
        members = Members(path, session)
        _check_count(part, archive, path, session)
        with _Opener(part, archive, session) as opener:
            for info in archive.infolist():
                _give(opener, info, members)
        members.finish()


def is_package(file: Path) -> bool:
    """Whether a zip is an office document, a program or a book: a document, not an archive."""
    try:
        with zipfile.ZipFile(file) as archive:
            return _is_package(archive)
    except Exception:  # whatever is wrong with it is said where it is opened
        return False


def member_name(info: zipfile.ZipInfo) -> str:
    """A member's name: UTF-8 if flagged or if it is valid UTF-8, else the OEM code page of DOS, 437 or 850."""
    if info.flag_bits & _UTF8:
        return info.orig_filename
    try:
        raw = info.orig_filename.encode("cp437")
    except UnicodeEncodeError:
        return info.orig_filename
    unicode_path = _unicode_path(info.extra, raw)
    if unicode_path:
        return unicode_path
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        # Where 437 has lines and boxes, 850 has the capitals of Western Europe.
        return raw.decode("cp850" if any(byte in _LETTERS_OF_850 for byte in raw) else "cp437")


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """Info-ZIP's Unicode name, valid only for the very name it was made from (APPNOTE 4.6.9)."""
    at = 0
    while at + 4 <= len(extra):
        tag, size = struct.unpack_from("<HH", extra, at)
        body = extra[at + 4 : at + 4 + size]
        if tag == _UNICODE_PATH and len(body) > 5 and struct.unpack_from("<I", body, 1)[0] == zlib.crc32(raw):
            return body[5:].decode("utf-8", "replace")
        at += 4 + size
    return None


def _is_package(archive: zipfile.ZipFile) -> bool:
    infos = archive.infolist()
    if infos and infos[0].filename == "mimetype" and infos[0].compress_type == zipfile.ZIP_STORED:
        return True
    return any(mark in archive.NameToInfo for mark in _PACKAGES)


def _check_count(part: Path, archive: zipfile.ZipFile, path: str, session: Unfolding) -> None:
    """The standard library stops silently where a directory is damaged; its end record says how many it has."""
    with part.open("rb") as stream:
        begins = stream.read(4)
        stream.seek(max(0, stream.seek(0, 2) - _END_REACH))
        tail = stream.read()
    at = tail.rfind(b"PK\5\6")
    declared = struct.unpack_from("<H", tail, at + 10)[0] if 0 <= at <= len(tail) - 12 else 0
    found = len(archive.infolist())
    if declared not in (found & 0xFFFF, 0xFFFF) or (not found and begins == b"PK\3\4"):
        session.quarantine(
            _("{path}: its directory is damaged: {declared} members announced, {found} found").format(
                path=path or "zip", declared=declared, found=found
            )
        )


def _give(opener: _Opener, info: zipfile.ZipInfo, members: Members) -> None:
    name = member_name(info)
    mode = info.external_attr >> 16 if info.create_system == _UNIX else 0
    if name.endswith(("/", "\\")) and info.file_size == 0:
        return
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        kind = "a link" if stat.S_ISLNK(mode) else "a device"
        return members.refuse(name, _("it is {kind}, not a file").format(kind=kind))
    if info.compress_type not in (*_SUPPORTED, _AES):
        method = _METHODS.get(info.compress_type, str(info.compress_type))
        return members.refuse(name, _("it is compressed by {method}, which cannot be read here").format(method=method))
    members.attempt(name, lambda: opener.write(info))


class _Opener:
    """Writes members, asking the launcher's passwords in turn for those that are encrypted."""

    def __init__(self, part: Path, archive: zipfile.ZipFile, session: Unfolding) -> None:
        self._part = part
        self._archive: Any = archive
        self._session = session
        self._aes: Any = None
        self._stack = ExitStack()

    def __enter__(self) -> _Opener:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def write(self, info: zipfile.ZipInfo) -> Written:
        if not info.flag_bits & _ENCRYPTED:
            return self._session.scratch(_pieces(self._archive, info, None))
        passwords = self._session.options.passwords
        if not passwords:
            raise Undecodable(_("it is encrypted and no password is configured"))
        archive, wanted = self._archive, info
        if info.compress_type == _AES:
            archive = self._aes_archive()
            wanted = archive.infolist()[self._archive.infolist().index(info)]
        for password in passwords:
            for encoding in dict.fromkeys(("utf-8", "cp850")):
                try:
                    return self._session.scratch(_pieces(archive, wanted, password.encode(encoding, "replace")))
                except LimitExceeded:
                    raise
                except (
                    RuntimeError,
                    zipfile.BadZipFile,
                    zlib.error,
                    EOFError,
                    OSError,
                    Undecodable,
                    ValueError,
                ) as error:
                    if is_disk_failure(error):
                        raise
        raise Undecodable(_("it is encrypted and no configured password opens it"))

    def _aes_archive(self) -> Any:
        if self._aes is None:
            try:
                pyzipper = import_module("pyzipper")
            except ImportError as error:
                raise Undecodable(_("it is encrypted by AES: install ezcold[aes]")) from error
            self._aes = self._stack.enter_context(pyzipper.AESZipFile(self._part))
        return self._aes


def _pieces(archive: Any, info: zipfile.ZipInfo, password: bytes | None) -> Iterator[bytes]:
    """A member's bytes; its checksum and length are verified at the end."""
    left = info.file_size
    with archive.open(info, pwd=password) as opened:
        while piece := opened.read(_PIECE):
            left -= len(piece)
            yield piece
    if left:
        raise Undecodable(_("its length is not the one that the directory promises"))


def _file_pieces(part: Path) -> Iterator[bytes]:
    with part.open("rb") as stream:
        while piece := stream.read(_PIECE):
            yield piece
