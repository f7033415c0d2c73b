"""Making many files durable at once, none of them left out.

An fsync waits for its file's bytes to reach the disk. So each file is told to start on its way as soon as it is
written (`begin`), and by the time that its turn comes there is little left to wait for (`fsync_all`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

THREADS = 4
"""fsyncs that wait at once: a journalling file system commits them as one group."""
OPEN_FILES = 200
"""Files that are open together while they wait for the disk: for each such lot it commits its journal anew."""


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
    in_slices(_fsync_some, list(paths))


def _fsync_some(paths: Sequence[str | Path]) -> Sequence[str | Path]:
    for path in paths:
        fsync(path)
    return paths


def in_slices(act: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T]) -> list[R]:
    """What is done with files, in several threads at once: the disk and the kernel need no interpreter.

    :param act: called with some of the items, at most OPEN_FILES at a time in all, so that it may have them open
        together; an answer for each. What it raises is raised when the others are done.
    """
    if len(items) <= THREADS:
        return list(act(items))
    from concurrent.futures import ThreadPoolExecutor  # decoder children never come here

    done: list[Any] = [None] * len(items)
    with ThreadPoolExecutor(THREADS) as pool:
        for first in range(0, len(items), OPEN_FILES):
            some = items[first : first + OPEN_FILES]
            answers = pool.map(act, [some[start::THREADS] for start in range(THREADS)])
            for start, few in enumerate(answers, first):
                done[start : first + len(some) : THREADS] = few
    return done
