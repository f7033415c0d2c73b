"""One item being opened: every document goes to a file of our own naming, and what comes out is counted (limits.py).

An opener reads one container and hands what it finds to the `Unfolding` it was given:

    def open_x(part: Path, name: str | None, path: str, session: Unfolding) -> None

`part` holds the container's bytes, `name` the name it was sent under, `path` its place in the item ("" for the item
itself). For each file in it the opener calls `session.add` (final documents, streamed) or `session.scratch` followed by
`session.descend` (things that may be containers themselves). It raises Undecodable, or whatever its library raises,
when the container cannot be read: `descend` then quarantines, and lists the container itself if nothing came of it.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from ezcold_operators import durable
from ezcold_operators.i18n import _

from ..errors import Undecodable
from .base import Decoded, Envelope, Found, Headers, Options, Role
from .limits import Bounded, LimitExceeded
from .sniff import container_kind, sniff

UNNAMED_TYPE = "application/octet-stream"
MAX_REASONS = 5
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG)
HEAD = 4096
"""First bytes of a document that are enough to know its type."""

Opener = Callable[[Path, "str | None", str, "Unfolding"], None]

OPENERS: dict[str, str] = {
    "mail": "ezcold_operators.decoding.mime:open_mail",
    "outlook": "ezcold_operators.decoding.outlook:open_outlook",
    "tnef": "ezcold_operators.decoding.tnef:open_tnef",
    "smime": "ezcold_operators.decoding.smime:open_smime",
    "archive": "ezcold_operators.decoding.archive:open_archive",
}
"""Word of `unpack` -> module:function; imported when the first such container is met."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file in the work directory and what was learnt while writing it."""

    file: Path
    size: int
    sha256: str
    head: bytes


def is_disk_failure(error: BaseException) -> bool:
    """Whether our own disk failed (full, quota, read-only, broken, a file too large for it): no fault of the item."""
    return isinstance(error, OSError) and error.errno in _DISK


def join(path: str, inner: str) -> str:
    """Path of `inner` inside the container at `path`; `inner` alone at the top."""
    return f"{path}/{inner}" if path else inner


def _write(out: int, piece: bytes) -> None:
    """Write all of it: a file may take less than it is given, above all when the disk is nearly full."""
    written = os.write(out, piece)
    while written < len(piece):
        written += os.write(out, memoryview(piece)[written:])


class Unfolding(Bounded):
    """The state of one item's decoding.

    :param workdir: an existing directory.
    :param item_size: bytes of the raw item, against which `max_ratio` is measured.
    :param prefix: what the names of this item's files begin with, where others lie in the same directory.
    """

    def __init__(self, workdir: Path, options: Options, item_size: int, prefix: str = "") -> None:
        super().__init__(options.limits, item_size)
        self.workdir = workdir
        self.prefix = prefix
        self.options = options
        self.documents: list[Found] = []
        self.headers: Headers | None = None
        self.envelope: Envelope | None = None
        self._reasons: list[str] = []
        self._files = 0

    # -- what openers ask

    def allows(self, kind: str) -> bool:
        """Whether the launcher's `unpack` opens this kind of container."""
        return kind in self.options.unpack

    def new_file(self) -> Path:
        """A path in the work directory that does not exist yet."""
        self._files += 1
        return self.workdir / f"{self.prefix}{self._files:06d}"

    # -- what openers give

    def add(
        self,
        data: bytes | Iterable[bytes],
        *,
        name: str | None,
        path: str,
        media_type: str = UNNAMED_TYPE,
        role: Role = "attachment",
        inline: bool = False,
        metadata: Mapping[str, Any] | None = None,
    ) -> Found:
        """Write one document, hashing as it goes.

        :raises LimitExceeded: too many documents, too many bytes, or too much for its container's size.
        """
        return self.adopt(
            self.scratch(data), name=name, path=path, media_type=media_type, role=role, inline=inline, metadata=metadata
        )

    def scratch(self, data: bytes | Iterable[bytes]) -> Written:
        """Write bytes to a new file that is not a document yet: `adopt` or `descend` decides, or the caller unlinks it.

        :raises LimitExceeded: too many bytes, or too much for its container's size.
        """
        file = self.new_file()
        digest = hashlib.sha256()
        size, head = 0, b""
        out = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            for piece in (data,) if isinstance(data, bytes) else data:
                self._count(len(piece))
                digest.update(piece)
                _write(out, piece)
                if size < HEAD:
                    head = (head + piece[: HEAD - size]) if head else bytes(piece[:HEAD])
                size += len(piece)
            durable.begin(out)
        except BaseException:
            file.unlink(missing_ok=True)
            raise
        finally:
            os.close(out)
        return Written(file, size, digest.hexdigest(), head)

    def adopt(
        self,
        written: Written,
        *,
        name: str | None,
        path: str,
        media_type: str = UNNAMED_TYPE,
        role: Role = "attachment",
        inline: bool = False,
        metadata: Mapping[str, Any] | None = None,
    ) -> Found:
        """Make a written file a document.

        :raises LimitExceeded: it would be one document too many.
        """
        if len(self.documents) >= self.limits.max_documents:
            written.file.unlink(missing_ok=True)
            raise LimitExceeded(
                _("max_documents: more than {max_documents} documents in one item").format(
                    max_documents=self.limits.max_documents
                ),
                True,
            )
        found = Found(
            name=name,
            path=path or "1",
            media_type=media_type,
            size=written.size,
            sha256=written.sha256,
            file=written.file,
            sniffed=sniff(written.head, written.file),
            role=role,
            inline=inline,
            metadata=dict(metadata or {}),
        )
        self.documents.append(found)
        return found

    def quarantine(self, reason: str) -> None:
        """Say that something could not be read for certain; the first few reasons are kept, repeats are not."""
        if reason not in self._reasons:
            self._reasons.append(reason)

    @contextmanager
    def sparing(self, path: str) -> Iterator[None]:
        """What cannot be read inside the `with`, which is at `path`, is quarantined: its neighbours go on.

        :raises LimitExceeded: only for limits of the whole item.
        """
        try:
            yield
        except LimitExceeded as error:
            if error.whole:
                raise
            self.quarantine(str(error))
        except Undecodable as error:
            self.quarantine(f"{path}: {error}")

    def descend(
        self,
        written: Written,
        *,
        name: str | None,
        path: str,
        media_type: str = UNNAMED_TYPE,
        inline: bool = False,
        metadata: Mapping[str, Any] | None = None,
        kind: str | None = None,
    ) -> None:
        """Open a written file if it is a container that `unpack` allows, else make it a document.

        :param kind: a word of `unpack` when the caller knows what it is; by default declared type and content decide.
        :raises LimitExceeded: only for limits of the whole item; any other failure becomes a quarantine.
        """
        kind = kind or container_kind(written.head, written.file, media_type, name)

        def keep() -> None:
            self.adopt(written, name=name, path=path, media_type=media_type, inline=inline, metadata=metadata)

        if kind is None or not self.allows(kind):
            return keep()
        if self.depth >= self.limits.max_depth:
            self.quarantine(
                _("max_depth: {path} lies deeper than {max_depth} containers").format(
                    path=path, max_depth=self.limits.max_depth
                )
            )
            return keep()
        before = len(self.documents)
        if not self.open(kind, written.file, written.size, name, path) and len(self.documents) == before:
            return keep()
        if all(found.file != written.file for found in self.documents[before:]):
            written.file.unlink(missing_ok=True)

    def open(self, kind: str, file: Path, size: int, name: str | None, path: str) -> bool:
        """Open one container; whatever goes wrong becomes a quarantine.

        :return: False if it could not be read: the caller may list the container itself.
        :raises LimitExceeded: only for limits of the whole item.
        :raises OSError: only when our own disk fails.
        """
        place = f"{path}: " if path else ""
        try:
            with self.entering(path, size):
                self.opener(kind)(file, name, path, self)
        except LimitExceeded as error:
            if error.whole:
                raise
            self.quarantine(str(error))
        except Undecodable as error:
            self.quarantine(f"{place}{error}")
            return False
        except Exception as error:  # hostile bytes make third-party readers raise anything at all
            if is_disk_failure(error):
                raise
            self.quarantine(
                _("{place}the {kind} container cannot be read ({error}: {detail})").format(
                    place=place, kind=kind, error=type(error).__name__, detail=str(error)[:200]
                )
            )
            return False
        return True

    @staticmethod
    def opener(kind: str) -> Opener:
        """The function that opens this kind of container.

        :raises Undecodable: its optional library is not installed.
        """
        module, _other, function = OPENERS[kind].partition(":")
        try:
            return cast(Opener, getattr(import_module(module), function))
        except ImportError as error:
            raise Undecodable(
                _("{kind} containers cannot be opened: {name} is not installed").format(kind=kind, name=error.name)
            ) from error

    # -- the answer

    def result(self) -> Decoded:
        """What was found so far."""
        reasons, more = self._reasons[:MAX_REASONS], len(self._reasons) - MAX_REASONS
        text = "; ".join(reasons) + (f"; and {more} more" if more > 0 else "")
        return Decoded(tuple(self.documents), self.headers, self.envelope, text or None)
