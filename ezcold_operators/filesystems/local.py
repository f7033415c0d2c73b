"""A folder on a local disk, or on a share that the operating system has mounted.

Every name below the root is reached through folder descriptors opened with O_NOFOLLOW, so that a folder swapped for a
link while we work never leads out of the tree.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat as modes
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from ezcold_operators import durable
from ezcold_operators.filesystems.base import Reading, Stat, Tree
from ezcold_operators.filesystems.linux import copy, rename_new

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def _kind(result: os.stat_result) -> Stat:
    mode = result.st_mode
    kind: Literal["file", "folder", "other"] = (
        "file" if modes.S_ISREG(mode) else "folder" if modes.S_ISDIR(mode) else "other"
    )
    identity = f"{result.st_dev}:{result.st_ino}"
    return Stat(result.st_size, result.st_mtime_ns, kind, identity, result.st_ctime_ns)


def _replace(src: int, old: str, dst: int, new: str) -> None:
    os.rename(old, new, src_dir_fd=src, dst_dir_fd=dst)


class LocalReading:
    """A descriptor."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def read(self, size: int) -> bytes:
        return os.read(self._fd, size)

    def stat(self) -> Stat:
        return _kind(os.fstat(self._fd))


class LocalTree:
    """A Tree on this machine. The root itself may be a link: a person named it."""

    workers = 1
    atomic = True

    def __init__(self, root: str) -> None:
        """:raises OSError: the root is missing, no folder, or not ours to enter."""
        self.root = root
        self._fd = os.open(root, _FOLDER)

    def close(self) -> None:
        os.close(self._fd)

    def __enter__(self) -> LocalTree:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @contextmanager
    def folder(self, path: str) -> Iterator[int]:
        """A descriptor of a folder of the tree."""
        if not path:
            yield self._fd
            return
        fd = os.dup(self._fd)
        try:
            for name in path.split("/"):
                below = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=fd)
                os.close(fd)
                fd = below
            yield fd
        except OSError as exc:
            if exc.errno in {errno.ELOOP, errno.ENOTDIR}:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from exc
            raise
        finally:
            os.close(fd)

    def scan(self, folder: str) -> Iterator[tuple[str, Stat]]:
        with self.folder(folder) as parent:
            fd = os.open(".", _FOLDER, dir_fd=parent)  # scans of one descriptor would share their position
        try:
            with os.scandir(fd) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):
                        yield entry.name, _kind(entry.stat(follow_symlinks=False))
        finally:
            os.close(fd)

    def stat(self, path: str) -> Stat:
        head, _, name = path.rpartition("/")
        with self.folder(head) as parent:
            return _kind(os.stat(name or ".", dir_fd=parent, follow_symlinks=False))

    @contextmanager
    def open(self, path: str) -> Iterator[Reading]:
        head, _, name = path.rpartition("/")
        with self.folder(head) as parent:
            try:  # O_NONBLOCK: a FIFO would wait for its writer
                fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
            except OSError as exc:
                if exc.errno in {errno.ELOOP, errno.ENXIO}:
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from exc
                raise
        try:
            if not modes.S_ISREG(os.fstat(fd).st_mode):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            yield LocalReading(fd)
        finally:
            os.close(fd)

    def write(self, path: str, chunks: Iterable[bytes], like: Stat | None = None) -> None:
        head, _, name = path.rpartition("/")
        with self.folder(head) as parent:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=parent)
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=parent)
            try:
                for chunk in chunks:
                    view = memoryview(chunk)
                    while view:
                        view = view[os.write(fd, view) :]
                if like is not None:
                    os.utime(fd, ns=(like.mtime_ns, like.mtime_ns))
                os.fsync(fd)
            except BaseException:
                with suppress(OSError):
                    os.unlink(name, dir_fd=parent)
                raise
            finally:
                os.close(fd)

    def put(self, files: Sequence[tuple[Path, int, str]]) -> list[OSError | None]:
        return durable.in_slices(self._put_some, files)

    def _put_some(self, files: Sequence[tuple[Path, int, str]]) -> list[OSError | None]:
        copied = [(name, self._copy_new(source, size, name)) for source, size, name in files]
        return [self._sync_new(one) for one in copied]

    def _copy_new(self, source: Path, size: int, name: str) -> int | OSError:
        """An open descriptor of the copy; its fsync must be asked of this one, which alone knows of failed writes."""
        try:
            src = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as exc:
            exc.filename = source
            return exc
        try:
            dst = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=self._fd)
        except OSError as exc:
            os.close(src)
            return exc
        try:
            copied = copy(src, dst)
            if copied != size:
                at_fault = source if os.fstat(src).st_size != size else name
                raise OSError(errno.EIO, f"copied {copied} of {size} bytes", at_fault)
            durable.begin(dst)
        except OSError as exc:
            self._remove_new(name, dst)
            return exc
        finally:
            os.close(src)
        return dst

    def _sync_new(self, copied: tuple[str, int | OSError]) -> OSError | None:
        name, fd = copied
        if isinstance(fd, OSError):
            return fd
        try:
            os.fsync(fd)
        except OSError as exc:
            self._remove_new(name, fd)
            return exc
        try:
            os.close(fd)
        except OSError as exc:  # some file systems say only here that there was no room
            self._remove_new(name)
            return exc
        return None

    def _remove_new(self, name: str, fd: int | None = None) -> None:
        with suppress(OSError):
            if fd is not None:
                os.close(fd)
        with suppress(OSError):
            os.unlink(name, dir_fd=self._fd)

    def rename(self, path: str, other: Tree, new: str) -> None:
        self._rename(_replace, path, other, new)

    def rename_new(self, path: str, other: Tree, new: str) -> None:
        self._rename(rename_new, path, other, new)

    def _rename(self, how: Callable[[int, str, int, str], None], path: str, other: Tree, new: str) -> None:
        if not isinstance(other, LocalTree):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
        old_head, _, old_name = path.rpartition("/")
        new_head, _, new_name = new.rpartition("/")
        with self.folder(old_head) as src, other.folder(new_head) as dst:
            how(src, old_name, dst, new_name)

    def unlink(self, path: str) -> None:
        head, _, name = path.rpartition("/")
        with self.folder(head) as parent:
            os.unlink(name, dir_fd=parent)

    def mkdir(self, path: str) -> None:
        head, _, name = path.rpartition("/")
        with self.folder(head) as parent:
            os.mkdir(name, dir_fd=parent)

    def rmdir(self, path: str) -> None:
        head, _, name = path.rpartition("/")
        with self.folder(head) as parent:
            os.rmdir(name, dir_fd=parent)

    def sync(self, folders: Iterable[str]) -> None:
        for path in folders:
            try:
                with self.folder(path) as fd:
                    os.fsync(fd)
            except FileNotFoundError:
                continue
            except OSError as exc:  # some file systems have no fsync of folders
                if exc.errno not in {errno.EINVAL, errno.EOPNOTSUPP}:
                    raise

    def writable(self, folder: str) -> bool:
        with self.folder(folder) as fd:
            return os.access(".", os.W_OK | os.X_OK, dir_fd=fd, effective_ids=True)

    @contextmanager
    def locked(self, path: str) -> Iterator[None]:
        head, _, name = path.rpartition("/")
        try:
            with self.folder(head) as parent:
                fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
        except FileNotFoundError:
            yield
            return
        try:
            with suppress(OSError):  # ENOLCK, EBADF: not every share has locks
                fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def check_rename(self, other: Tree) -> None:
        # rename(2) compares the mounts before it looks for the file: ENOENT says that a rename could be.
        missing = f".ezcold-none-{secrets.token_hex(8)}"
        with suppress(FileNotFoundError):
            self.rename(missing, other, missing)
        if self.stat("").identity.partition(":")[0] != other.stat("").identity.partition(":")[0]:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), self.root)
