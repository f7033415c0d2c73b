"""What trees on a server have in common: files go there by several threads, nothing can be synced or locked."""

from __future__ import annotations

import errno
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path


class RemoteTree(ABC):
    """Part of a `Tree`."""

    workers: int
    piece = 1 << 20
    """Bytes written at once."""

    @abstractmethod
    def _create(self, path: str, chunks: Iterable[bytes]) -> None:
        """Write a new file, durable on return; one that fails leaves nothing behind. Called by several threads."""

    def put(self, files: Sequence[tuple[Path, int, str]]) -> list[OSError | None]:
        """See `Tree.put`."""
        with ThreadPoolExecutor(min(self.workers, len(files) or 1)) as pool:
            return list(pool.map(self._put, files))

    def _put(self, file: tuple[Path, int, str]) -> OSError | None:
        source, size, name = file
        try:
            opened = source.open("rb")
        except OSError as exc:
            exc.filename = source
            return exc
        try:
            with opened:
                if os.fstat(opened.fileno()).st_size != size:
                    return OSError(errno.EIO, f"not of {size} bytes", source)
                self._create(name, iter(lambda: opened.read(self.piece), b""))
        except OSError as exc:
            return exc
        return None

    def sync(self, folders: Iterable[str]) -> None:  # noqa: B027 (nothing to do is the whole of it)
        """What an object store or a share answered to is durable by itself; SFTP cannot ask for it."""

    def writable(self, folder: str) -> bool | None:
        """Only a try would tell."""
        return None

    @contextmanager
    def locked(self, path: str) -> Iterator[None]:
        """No locks."""
        yield
