"""The bench on which one envelope is opened: an `Unfolding` (files of our own naming, counted against limits)
that can also write in fragments and give bytes back."""

from __future__ import annotations

import gzip
import hashlib
import unicodedata
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from ezcold_operators.decoding.base import Options, Role
from ezcold_operators.decoding.limits import LimitExceeded
from ezcold_operators.decoding.unfolding import HEAD, Unfolding, Written

CHUNK = 1 << 20
FREE = 20_000_000
"""Bytes that an item may unfold into whatever its own size."""
GZIP_ERRORS = (zlib.error, EOFError, OSError)
"""What the standard library raises on gzip that is damaged or cut short."""

_XML_STARTS = (b"<?xml", b"\xff\xfe<\x00", b"\xfe\xff\x00<", b"<\x00?\x00", b"\x00<\x00?")


@dataclass(frozen=True, slots=True)
class Member:
    """A file of the envelope: its path as sent (NFC, forward slashes) and its bytes."""

    path: str
    blob: Written

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]


def clean(text: str) -> str:
    """A name as sent: NFC, without the control characters that no name carries on purpose."""
    if any("\ud800" <= c <= "\udfff" for c in text):
        text = text.encode("utf-8", "surrogateescape").decode("cp1252", "replace")
    return unicodedata.normalize("NFC", "".join(c for c in text if unicodedata.category(c) != "Cc")).strip()


def looks_like_xml(head: bytes) -> bool:
    """Whether an XML document may begin here; the parser has the last word."""
    if head.startswith(_XML_STARTS):
        return True
    return head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n").startswith(b"<")


class Writer:
    """A new file, hashed and counted as fragments come in; `with` closes it, or removes it when something is raised."""

    def __init__(self, work: Work) -> None:
        self._work, self._file = work, work.new_file()
        self._hash, self._head = hashlib.sha256(), b""
        self.size = 0
        self._out = self._file.open("xb")

    def write(self, data: bytes) -> None:
        """:raises LimitExceeded: see `Unfolding`; the caller abandons the file then."""
        self._work._count(len(data))
        self.size += len(data)
        if len(self._head) < HEAD:
            self._head = (self._head + data)[:HEAD]
        self._hash.update(data)
        self._out.write(data)

    def close(self) -> Written:
        self._out.close()
        return Written(self._file, self.size, self._hash.hexdigest(), self._head)

    def abandon(self) -> None:
        """Close and remove the file, and give its bytes back."""
        self._out.close()
        self._work.discard(Written(self._file, self.size, "", b""))

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if kind is None:
            self._out.close()
        else:
            self.abandon()


class Work(Unfolding):
    """One item's bench; its files have names of their own, since another decoder follows when this is no envelope."""

    def __init__(self, workdir: Path, options: Options, item_size: int, prefix: str = "") -> None:
        super().__init__(workdir, options, item_size, f"{prefix}e")
        self._paths: set[str] = set()

    def _count(self, size: int) -> None:
        """XML shrinks well over a hundredfold without ill will, so the ratio speaks only beyond `FREE` bytes."""
        if self._bytes + size > FREE:
            super()._count(size)
            return
        self._bytes += size
        for frame in self._frames:
            frame.produced += size

    def clear(self) -> None:
        """Remove every file that is no document."""
        kept = {found.file for found in self.documents}
        for number in range(1, self._files + 1):
            file = self.workdir / f"{self.prefix}{number:06d}"
            if file not in kept:
                file.unlink(missing_ok=True)

    def writer(self) -> Writer:
        """A new file to be written in fragments."""
        return Writer(self)

    def problem(self, sentence: str) -> None:
        """Name a rule that the envelope breaks."""
        self.quarantine(sentence)

    @property
    def broken(self) -> bool:
        """Whether any rule was broken so far."""
        return bool(self._reasons)

    def keep(self, source: IO[bytes] | Any) -> Written:
        """Copy a stream into a new file.

        :raises LimitExceeded: see `Unfolding`.
        """
        with self.writer() as out:
            while data := source.read(CHUNK):
                out.write(data)
            return out.close()

    def discard(self, blob: Written) -> None:
        """Remove a file that is no longer needed, and give its bytes back."""
        if blob.file.exists():
            blob.file.unlink()
            self._bytes -= blob.size
            for frame in self._frames:
                frame.produced = max(0, frame.produced - blob.size)

    def gunzip(self, blob: Written) -> Written:
        """The bytes inside a gzip file.

        :raises zlib.error, EOFError, OSError: it is damaged or cut short.
        """
        with blob.file.open("rb") as raw, gzip.GzipFile(fileobj=raw) as unzipped, self.entering("gzip", blob.size):
            return self.keep(unzipped)

    def emit(
        self,
        name: str | None,
        path: str,
        blob: Written,
        role: Role,
        media_type: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Hand on a document under the name that the envelope gives it; its path is made unique.

        :raises LimitExceeded: at `max_documents`.
        """
        chosen, turn = path, 1
        while chosen in self._paths:
            turn += 1
            chosen = f"{path}~{turn}"
        media_type = media_type.strip().lower() or "application/octet-stream"
        shown = clean(name) if name else ""
        self.adopt(blob, name=shown or None, path=chosen, media_type=media_type, role=role, metadata=metadata)
        self._paths.add(chosen)

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Turn an exceeded limit into a problem, so that what was already found is handed on."""
        try:
            yield
        except LimitExceeded as exceeded:
            self.problem(str(exceeded))
