"""A folder of an object store, or of anything else that fsspec knows: `s3://bucket/folder`, `gs://`, `abfs://`, `ftp://`.

A weaker promise: there is no rename here, only a copy and a removal. An object shows itself whole or not at all, so
nothing half-written is ever seen, and nothing is lost; but a crash between the two leaves an object under both names,
and what is then sent again may arrive twice if EzGED took the first one in between. For exactly once use a local
folder, a share, or SFTP.

The Connection's extra `storage_options` goes to fsspec as it is.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import fsspec  # type: ignore[import-untyped]

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.filesystems.base import Reading, Stat, Tree
from ezcold_operators.filesystems.remote import RemoteTree
from ezcold_operators.i18n import _

THREADS = 8
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")


@contextmanager
def _mapped(path: str) -> Iterator[None]:
    """Errors of the many libraries behind fsspec as those of a disk."""
    try:
        yield
    except OSError:
        raise
    except Exception as exc:
        raise OSError(errno.EIO, type(exc).__name__, path) from exc


def _time(info: dict[str, Any]) -> int:
    for name in _TIMES:
        value = info.get(name)
        if isinstance(value, datetime):
            return int((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp() * 1_000_000) * 1000
        if isinstance(value, int | float):
            return int(value * 1_000_000) * 1000
    return 0


class ObjectReading:
    """An open object; it never changes, a new one takes its name."""

    def __init__(self, file: Any, path: str, stat: Stat) -> None:
        self._file, self._path, self._stat = file, path, stat

    def read(self, size: int) -> bytes:
        with _mapped(self._path):
            data: bytes = self._file.read(size)
            return data

    def stat(self) -> Stat:
        return self._stat


class ObjectTree(RemoteTree):
    """A Tree of an fsspec file system."""

    workers = THREADS
    atomic = False

    def __init__(self, url: str, credentials: Credentials) -> None:
        """:raises OSError: :raises ConfigurationError: fsspec does not know the scheme."""
        self.root = url
        options = credentials.extra.get("storage_options") or {}
        scheme = url.partition("://")[0]
        if scheme not in fsspec.available_protocols():
            raise ConfigurationError(_("{url}: there is no such scheme").format(url=url))
        try:
            fsspec.get_filesystem_class(scheme)
        except ImportError as exc:  # its text says which library to install
            raise ConfigurationError(f"{scheme}://: {exc}") from exc
        with _mapped(url):
            fs, base = fsspec.core.url_to_fs(url, use_listings_cache=False, **options)
        self._fs: Any = fs
        self._base = str(base).rstrip("/")

    def close(self) -> None:
        """Nothing is held open."""

    def _at(self, path: str) -> str:
        return f"{self._base}/{path}" if path else self._base

    def _kind(self, info: dict[str, Any]) -> Stat:
        kind: Any = {"file": "file", "directory": "folder"}.get(str(info.get("type")), "other")
        identity = str(info.get("ETag") or info.get("etag") or info.get("generation") or "")
        return Stat(int(info.get("size") or 0), _time(info), kind, identity)

    def scan(self, folder: str) -> Iterator[tuple[str, Stat]]:
        place = self._at(folder)
        with _mapped(folder):
            try:
                entries = self._fs.ls(place, detail=True)
            except FileNotFoundError:
                if folder:
                    raise
                return  # an empty folder of an object store is none
            for info in entries:
                name = str(info["name"]).rstrip("/").rpartition("/")[2]
                if name and str(info["name"]).strip("/") != place.strip("/"):
                    yield name, self._kind(info)

    def stat(self, path: str) -> Stat:
        if not path:
            return Stat(0, 0, "folder")
        with _mapped(path):
            self._fs.invalidate_cache()
            return self._kind(self._fs.info(self._at(path)))

    @contextmanager
    def open(self, path: str) -> Iterator[Reading]:
        stat = self.stat(path)
        if stat.kind != "file":
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        with _mapped(path):
            file = self._fs.open(self._at(path), "rb")
        with file:
            yield ObjectReading(file, path, stat)

    def write(self, path: str, chunks: Iterable[bytes], like: Stat | None = None) -> None:
        with _mapped(path), self._fs.open(self._at(path), "wb") as file:
            for chunk in chunks:
                file.write(chunk)

    def _create(self, path: str, chunks: Iterable[bytes]) -> None:
        try:
            self.write(path, chunks)
        except OSError:
            with suppress(OSError):
                self.unlink(path)
            raise

    def rename(self, path: str, other: Tree, new: str) -> None:
        target = self._same(path, other)
        with _mapped(path):
            if not self._fs.exists(self._at(path)):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            self._fs.mv(self._at(path), target._at(new), recursive=self.stat(path).kind == "folder")

    def rename_new(self, path: str, other: Tree, new: str) -> None:
        target = self._same(path, other)
        with _mapped(path):
            if self._fs.exists(target._at(new)):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)
        self.rename(path, other, new)

    def _same(self, path: str, other: Tree) -> ObjectTree:
        if not isinstance(other, ObjectTree) or other._fs != self._fs:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
        return other

    def unlink(self, path: str) -> None:
        with _mapped(path):
            self._fs.rm_file(self._at(path))

    def mkdir(self, path: str) -> None:
        with _mapped(path):
            self._fs.mkdir(self._at(path), create_parents=False)

    def rmdir(self, path: str) -> None:
        with _mapped(path):
            self._fs.rmdir(self._at(path))

    def check_rename(self, other: Tree) -> None:
        self._same("", other)
