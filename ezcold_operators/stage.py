"""The stage: bytes on our own disk, named by what they are (sha256), durable before anyone believes in them.

    with stage.batch() as batch:
        blob = batch.put(chunks)      # a temporary file, hashed while written
        batch.commit()                # fsync of the files, rename, fsync of the folders: all of the batch together
    (only now a ledger row may name blob.sha256)

A put that finds its blob refreshes the blob's time; the sweep takes only blobs that no row needs and that are old.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from ezcold_operators import durable
from ezcold_operators.errors import StageUnavailable
from ezcold_operators.i18n import _
from ezcold_operators.steps import step

ORPHAN_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes in the stage."""

    sha256: str
    size: int


class mapped:
    """A block in which our disk's troubles become StageUnavailable, each as what a person can do about it."""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, exc: BaseException | None, _trace: object) -> None:
        if not isinstance(exc, OSError):
            return
        if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
            why = _("the disk of the stage {path} is full: make room, then run again; nothing was lost")
        elif exc.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
            why = _("the stage {path} cannot be written: check its rights and that its disk is mounted for writing")
        elif exc.errno in {errno.EIO, errno.ESTALE, errno.ENODEV}:
            why = _("the disk of the stage {path} is failing or gone: mend it, then run again")
        else:
            why = _("the stage {path} cannot be used ({error}): check that it is a folder of ours, then run again")
        raise StageUnavailable(why.format(path=self._path, error=exc.strerror or type(exc).__name__)) from exc


class Stage:
    """The blobs below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.blobs = root / "blobs"
        self.tmp = root / "tmp"
        with mapped(root):
            for folder in (self.blobs, self.tmp):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def path(self, sha256: str) -> Path:
        """Where the blob is, or would be: few folders, for each one that a batch touches is an fsync of its own."""
        return Path(f"{self.blobs}/{sha256[:1]}/{sha256}")

    def has(self, sha256: str) -> bool:
        return self.path(sha256).is_file()

    @contextmanager
    def workdir(self) -> Iterator[Path]:
        """A folder of our own on the stage's file system, gone after the block."""
        folder = self.tmp / f"work-{secrets.token_hex(8)}"
        with mapped(self.root):
            folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def batch(self) -> Batch:
        """Several puts that become durable together; used in a `with`, what was not committed is gone after it."""
        return Batch(self)

    def sweep(self, needed: Callable[[Path, str], bool], now: float | None = None) -> int:
        """Remove old temporary files, and old blobs after `needed(path, sha256)` said no; the number removed.

        `needed` is asked for blobs older than ORPHAN_SECONDS only, and must look into the ledger.
        """
        before = (time.time() if now is None else now) - ORPHAN_SECONDS
        removed = 0
        for entry in list(os.scandir(self.tmp)):
            if _older(entry, before):
                with step("stage.sweep_tmp"):
                    shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else _remove(entry)
        for folder in list(os.scandir(self.blobs)):
            with os.scandir(folder) as blobs:
                for blob in blobs:
                    if _older(blob, before) and not needed(Path(blob.path), blob.name):
                        removed += 1
        return removed


def _older(entry: os.DirEntry[str], before: float) -> bool:
    try:
        return entry.stat().st_mtime < before
    except FileNotFoundError:
        return False


class Batch:
    """Puts on their way into the stage."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._disk = mapped(stage.root)
        self._names = map(f"{stage.tmp}/{secrets.token_hex(16)}-{{}}".format, count())
        self._pending: list[tuple[str, Blob]] = []

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.drop()

    def put(self, chunks: Iterable[bytes]) -> Blob:
        """Write and hash. Durable only after commit.

        :raises StageUnavailable: disk full, read-only, failing; errors of `chunks` itself pass through.
        """
        temporary = next(self._names)
        digest, size = hashlib.sha256(), 0
        try:
            with self._disk:
                fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                for chunk in chunks:
                    digest.update(chunk)
                    size += len(chunk)
                    with self._disk:
                        _write_all(fd, chunk)
                durable.begin(fd)
            finally:
                with self._disk:  # some file systems say only here that there was no room
                    os.close(fd)
        except BaseException:
            _remove(temporary)
            raise
        blob = Blob(digest.hexdigest(), size)
        self._pending.append((temporary, blob))
        return blob

    def adopt(self, file: Path, blob: Blob) -> None:
        """Take over a finished file that lies on the stage's file system and was hashed by its writer."""
        self._pending.append((str(file), blob))

    def commit(self) -> None:
        """Make every put durable, in this order: file contents, names, folders."""
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        try:
            with self._disk:
                with step("stage.fsync"):
                    durable.fsync_all(temporary for temporary, _blob in pending)
                with step("stage.rename"):
                    folders = self._place(pending)
                with step("stage.fsync_folders"):
                    durable.fsync_all(folders)
        except BaseException:
            self._pending = pending
            raise

    def _place(self, pending: list[tuple[str, Blob]]) -> set[str]:
        """Give them their names; the folders that changed."""
        folders: set[str] = set()
        for temporary, blob in pending:
            folder = f"{self._stage.blobs}/{blob.sha256[:1]}"
            # Replacing a blob by the same bytes is harmless, refreshes its time, and makes sure that it is durable.
            try:
                os.replace(temporary, f"{folder}/{blob.sha256}")
            except FileNotFoundError:
                Path(folder).mkdir(exist_ok=True, mode=0o700)
                folders.add(str(self._stage.blobs))
                os.replace(temporary, f"{folder}/{blob.sha256}")
            folders.add(folder)
        return folders

    def drop(self) -> None:
        """Forget what was not committed."""
        for temporary, _blob in self._pending:
            _remove(temporary)
        self._pending = []


def _remove(temporary: str | os.DirEntry[str]) -> None:
    """Not at any price: on a disk that turned read-only this must not hide why; the sweep takes what is left."""
    with suppress(OSError):
        os.unlink(temporary)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
