"""Archives and bundles: regular members only, each into a file of our own naming, whatever its name asks for."""

from __future__ import annotations

import gzip
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from pathlib import Path
from typing import IO, cast

from ezcold_operators.decoding.adullact.recognise import container_of
from ezcold_operators.decoding.adullact.work import CHUNK, GZIP_ERRORS, Member, Work
from ezcold_operators.decoding.limits import LimitExceeded
from ezcold_operators.decoding.unfolding import Written
from ezcold_operators.i18n import _

BUNDLE_INDEX = ".ezcold-bundle.json"
"""First member of the tar in which the source hands over files that lay side by side."""

_MAX_HEADER = 4 << 20
"""No name, pax header or central directory needs more; a larger one is a bomb in itself."""
_REMAINS = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")


class Broken(Exception):
    """The archive cannot be read on; the text says why."""


def open_container(file: Path, head: bytes, work: Work, size: int) -> list[Member] | None:
    """The regular members of an archive, or None if this is no archive.

    Unsafe members are left out and named in `work.problems`; a damaged archive gives the members before the damage.

    :raises LimitExceeded: the archive unfolds beyond the item's limits.
    """
    kind = container_of(head)
    if kind is None:
        return None
    members: list[Member] = []
    try:
        if kind == "zip":
            _zip(file, work, members)
        elif kind == "tar":
            _tar(file, work, members)
        else:
            _gzip(file, size, work, members)
    except Broken as broken:
        work.problem(str(broken))
    _name_repeats(members, work)
    return members


def _name_repeats(members: list[Member], work: Work) -> None:
    seen: dict[str, str] = {}
    for member in members:
        if seen.setdefault(member.path, member.blob.sha256) != member.blob.sha256:
            work.problem(_("the archive holds two different files named {path!r}").format(path=member.path[:100]))


def _safe(name: str, work: Work) -> str | None:
    """The path as sent, in NFC with forward slashes; None if it points outside or is an operating system's leaving."""
    path = unicodedata.normalize("NFC", name).replace("\\", "/")
    while path.startswith("./"):
        path = path[2:]
    parts = path.split("/")
    if any(remain in (parts[-1], parts[0] + "/") for remain in _REMAINS):
        return None
    if path.startswith("/") or ".." in parts or (len(path) > 1 and path[1] == ":") or "\0" in path:
        work.problem(_("the archive holds a member that points outside it: {name!r}").format(name=name[:100]))
        return None
    return path or None


def _check_count(members: int, work: Work) -> None:
    """Folders count too, so the bound is double that of documents."""
    if members > 2 * work.limits.max_documents:
        raise LimitExceeded(
            _("max_documents: the archive holds more than {max_documents} members").format(
                max_documents=2 * work.limits.max_documents
            ),
            True,
        )


# gzip ---------------------------------------------------------------------------------------------


def _gzip(file: Path, size: int, work: Work, members: list[Member]) -> None:
    """A tar inside as a rule; a single file otherwise. Cut short, it still gives the whole members before the cut."""
    broken: Broken | None = None
    with work.writer() as out, work.entering("gzip", size), file.open("rb") as raw:
        try:
            with gzip.GzipFile(fileobj=raw) as unzipped:
                while data := unzipped.read1(CHUNK):
                    out.write(data)
        except GZIP_ERRORS as error:
            broken = Broken(_("the gzip file is damaged or cut short ({error})").format(error=type(error).__name__))
        blob = out.close()
    if container_of(blob.head) == "tar":
        try:
            _tar(blob.file, work, members)
        except Broken as error:
            broken = broken or error
        work.discard(blob)
    elif broken is None:
        members.append(Member("", blob))
    if broken is not None:
        raise broken


# tar ----------------------------------------------------------------------------------------------


class _Guarded:
    """A file for tarfile that refuses to read a giant header into memory (a pax header may claim gigabytes)."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > _MAX_HEADER:
            raise LimitExceeded(_("max_ratio: the tar archive holds a header of more than 4 MB"))
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _tar(file: Path, work: Work, members: list[Member]) -> None:
    with file.open("rb") as raw:
        try:
            with tarfile.open(fileobj=cast("IO[bytes]", _Guarded(raw)), mode="r:", errors="surrogateescape") as archive:
                for number, info in enumerate(archive):
                    _check_count(number, work)
                    _tar_member(archive, info, work, members)
        except (tarfile.TarError, EOFError, OSError, ValueError, OverflowError) as error:
            raise Broken(
                _("the tar archive is damaged or cut short ({error})").format(error=type(error).__name__)
            ) from None


def _tar_member(archive: tarfile.TarFile, info: tarfile.TarInfo, work: Work, members: list[Member]) -> None:
    if info.isdir() or info.name == BUNDLE_INDEX:
        return
    if not info.isreg() or info.issparse():
        work.problem(
            _("the archive holds a member that is no regular file (link, device): {name!r}").format(
                name=_shown(info.name)
            )
        )
        return
    path = _safe(_shown(info.name), work)
    source = archive.extractfile(info) if path is not None else None
    if path is None or source is None:
        return
    blob = work.keep(source)
    if blob.size != info.size:
        work.discard(blob)
        raise tarfile.ReadError("unexpected end of data")
    members.append(Member(path, blob))


def _shown(name: str) -> str:
    """A name that was no UTF-8 is read as a Windows or Latin-1 producer wrote it."""
    try:
        name.encode("utf-8")
        return name
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogateescape").decode("cp1252", "replace")


# zip ----------------------------------------------------------------------------------------------

_ZIP_ERRORS = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    zlib.error,
    struct.error,
)
"""What zipfile raises on damaged members, unknown methods, wrong sizes."""


def _zip(file: Path, work: Work, members: list[Member]) -> None:
    _check_directory(file)
    try:
        archive = zipfile.ZipFile(file)
    except _ZIP_ERRORS as error:
        raise Broken(
            _("the zip archive is damaged or cut short ({error})").format(error=type(error).__name__)
        ) from None
    with archive:
        entries = archive.infolist()
        _check_count(len(entries), work)
        for info in entries:
            _zip_member(archive, info, work, members)


def _check_directory(file: Path) -> None:
    """Refuse a central directory that is a bomb in itself: zipfile reads it whole (APPNOTE 4.3.16)."""
    size = file.stat().st_size
    with file.open("rb") as raw:
        raw.seek(max(0, size - 65_557))
        tail = raw.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        raise Broken(_("the zip archive is damaged or cut short (no central directory)"))
    if struct.unpack_from("<I", tail, at + 12)[0] > _MAX_HEADER:
        raise LimitExceeded(_("max_documents: the zip archive's directory is larger than 4 MB"))


def zip_name(info: zipfile.ZipInfo) -> str:
    """The member's name; without the UTF-8 flag, Windows' French code page (cp850) unless the bytes are UTF-8."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        raw = info.orig_filename.encode("cp437")
    except UnicodeEncodeError:
        return info.filename
    try:
        return raw.decode("utf-8").split("\0")[0]
    except UnicodeDecodeError:
        return raw.decode("cp850").split("\0")[0]


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, work: Work, members: list[Member]) -> None:
    if info.is_dir():
        return
    name = zip_name(info)
    mode = info.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        work.problem(
            _("the archive holds a member that is no regular file (link, device): {name!r}").format(name=name[:100])
        )
        return
    path = _safe(name, work)
    if path is None:
        return
    if info.flag_bits & 1:
        work.problem(_("a member of the zip archive is encrypted: {name!r}").format(name=name[:100]))
        return
    try:
        members.append(Member(path, read_zip_member(archive, info, work)))
    except _ZIP_ERRORS as error:
        work.problem(
            _("a member of the zip archive is damaged ({error}): {name!r}").format(
                error=type(error).__name__, name=name[:100]
            )
        )


def read_zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, work: Work) -> Written:
    """One member's bytes in a new file.

    :raises LimitExceeded, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError: as they come.
    """
    with archive.open(info) as source, work.entering("zip", info.compress_size):
        return work.keep(source)


def single_member(blob: Written, name: str, work: Work) -> tuple[Written, str] | None:
    """The file in a zip of one member that is only wrapping, with its name; None when the zip is the piece itself.

    :raises Broken: the zip cannot be read.
    """
    try:
        _check_directory(blob.file)
        with zipfile.ZipFile(blob.file) as archive:
            entries = [info for info in archive.infolist() if not info.is_dir()]
            if len(entries) != 1 or not _is_wrapping(name, zip_name(entries[0])):
                return None
            if entries[0].flag_bits & 1:
                raise Broken(_("its zip wrapping is encrypted"))
            return read_zip_member(archive, entries[0], work), zip_name(entries[0])
    except _ZIP_ERRORS as error:
        raise Broken(_("its zip wrapping is damaged ({error})").format(error=type(error).__name__)) from None


_ZIP_LIKE = (".zip", ".docx", ".xlsx", ".pptx", ".odt", ".ods", ".odp", ".jar", ".epub", ".asice", ".asics")


def _is_wrapping(name: str, member: str) -> bool:
    """A piece named .zip that holds one PDF is a zip; one named .pdf that holds one PDF was wrapped for the journey."""
    name, member = name.strip().lower(), member.strip().lower()
    ending = next((end for end in _ZIP_LIKE if name.endswith(end)), None)
    return ending is None or member.endswith(ending)
