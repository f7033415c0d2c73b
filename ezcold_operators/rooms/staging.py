"""Batches becoming durable while the next ones are made: the disk and the processor need not wait for each other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Generic, TypeVar

from ezcold_operators.stage import Batch

T = TypeVar("T")
AHEAD = 3
"""Batches that may wait for the disk; then it is waited for."""


class Staging(Generic[T]):
    """Commits batches of the stage one after the other, and then lets the ledger name what is in them.

    :param write: called in the caller's thread once a batch is durable, with what was given with it. When the block
        is left by an error, what was given before is still committed and written.
    """

    def __init__(self, write: Callable[[T], None]) -> None:
        self._write = write
        self._disk = ThreadPoolExecutor(1, "staging")
        self._under_way: deque[tuple[Future[None], Batch, T]] = deque()

    def __enter__(self) -> Staging[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.finish()
        finally:
            self._disk.shutdown()

    def give(self, batch: Batch, what: T) -> None:
        """Begin to commit this batch, and write those that are durable.

        :raises StageUnavailable: one before could not be committed; what was given after it was dropped, this one too.
        """
        self._under_way.append((self._disk.submit(batch.commit), batch, what))
        while len(self._under_way) > AHEAD or self._under_way[0][0].done():
            self._write_first()
            if not self._under_way:
                return

    def finish(self) -> None:
        """Wait for every batch given, and write it.

        :raises StageUnavailable: one could not be committed; what was given after it was dropped.
        """
        while self._under_way:
            self._write_first()

    def _write_first(self) -> None:
        committing, batch, what = self._under_way.popleft()
        try:
            committing.result()
            self._write(what)
        except BaseException:
            while self._under_way:
                after, later, _what = self._under_way.popleft()
                after.cancel()
                wait([after])
                later.drop()
            raise
        finally:
            batch.drop()
