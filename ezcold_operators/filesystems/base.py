"""The seam of file systems: one folder and what lies below it, on a local disk, an SMB share, an SFTP server.

Paths are relative to the tree's root, with `/`; "" is the root. A name that is not UTF-8 carries surrogate escapes
(PEP 383). Whatever goes wrong is an OSError with the errno that a local disk would give; a lost connection is a
ConnectionError or a TimeoutError. Links are never followed: they are of kind "other".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Stat:
    """What a file system says of one name."""

    size: int
    mtime_ns: int
    kind: Literal["file", "folder", "other"]
    identity: str = ""
    """Inode or file id: the same for as long as it is the same thing; "" where there is none."""
    changed_ns: int = 0
    """When the thing was last changed in any way (ctime): nobody can set it back. 0 where there is none."""


class Reading(Protocol):
    """A regular file open for reading."""

    def read(self, size: int) -> bytes:
        """At most `size` bytes; b"" at the end."""
        ...

    def stat(self) -> Stat:
        """Of the open file, whatever became of its name."""
        ...


class Tree(Protocol):
    """An open folder. `root` is absolute and says on which machine."""

    root: str
    workers: int
    """How many threads may rename at once: more than one where each waits for a server's answer."""
    atomic: bool
    """Whether a rename is one effect that changes nothing of the file; object stores copy and remove."""

    def close(self) -> None: ...

    def scan(self, folder: str) -> Iterator[tuple[str, Stat]]:
        """Names in one folder, without `.` and `..`, one at a time: a folder of 100,000 files costs no memory."""
        ...

    def stat(self, path: str) -> Stat: ...

    def open(self, path: str) -> AbstractContextManager[Reading]:
        """Open a regular file. :raises FileNotFoundError: nothing there, or it is no regular file."""
        ...

    def write(self, path: str, chunks: Iterable[bytes], like: Stat | None = None) -> None:
        """Write a file, replacing one of that name, durable on return; with the mtime of `like`."""
        ...

    def put(self, files: Sequence[tuple[Path, int, str]]) -> list[OSError | None]:
        """Copy local files, of a known size, to new names, durable on return; a failed one leaves nothing behind.

        One answer each; one whose `filename` is the Path given says that the local file is not there, or not whole.
        """
        ...

    def rename(self, path: str, other: Tree, new: str) -> None:
        """Rename in one atomic effect, perhaps into another tree. May replace: only for names that nobody else uses.

        :raises OSError: EXDEV, the two trees have no rename between them.
        """
        ...

    def rename_new(self, path: str, other: Tree, new: str) -> None:
        """Rename, never replacing. :raises FileExistsError: :raises OSError: EXDEV."""
        ...

    def unlink(self, path: str) -> None: ...

    def mkdir(self, path: str) -> None: ...

    def rmdir(self, path: str) -> None: ...

    def sync(self, folders: Iterable[str]) -> None:
        """Make the names in these folders durable, as far as the file system can."""
        ...

    def writable(self, folder: str) -> bool | None:
        """Whether names may be changed there; None where only a try would tell."""
        ...

    def locked(self, path: str) -> AbstractContextManager[None]:
        """Wait until no other process of ours holds this file; no more than a help where there are no locks."""
        ...

    def check_rename(self, other: Tree) -> None:
        """:raises OSError: EXDEV, names cannot be renamed into the other tree. Changes nothing visible."""
        ...
