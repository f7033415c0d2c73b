"""Making many files durable at once, none of them left out.

An fsync waits for its file's bytes to reach the disk. So each file is told to start on its way as soon as it is
written (`begin`), and by the time that its turn comes there is little left to wait for (`fsync_all`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

THREADS = 4
"""fsyncs that wait at once: a journalling file system commits them as one group."""


def begin(fd: int) -> None:
    """Let the kernel begin to write out what was written to a file; a promise of nothing (posix_fadvise(2))."""
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):  # a pipe, a file system that has no such thing
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def fsync(path: str | Path) -> None:
    """What was written to a file, or the names in a folder, survive a power cut from now on.

    :raises OSError: they may not.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def fsync_all(paths: Iterable[str | Path]) -> None:
    """`fsync` of each of them.

    :raises OSError: of one that may not survive; the others are no more certain then.
    """
    in_slices(fsync, list(paths))


def in_slices(act: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """What waits for the disk, several at once, in slices: handing over each by itself would cost more than an fsync.

    :param act: called once for each item; what it raises ends its slice, and is raised when the others are done.
    """
    if len(items) <= THREADS:
        return [act(item) for item in items]
    slices = [items[start::THREADS] for start in range(THREADS)]
    done: list[Any] = [None] * len(items)
    with ThreadPoolExecutor(THREADS) as pool:
        for start, answers in enumerate(pool.map(lambda some: [act(item) for item in some], slices)):
            done[start::THREADS] = answers
    return done
