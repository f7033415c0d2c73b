"""Batches becoming durable while the next one is made: the disk and the processor need not wait for each other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

from ezcold_operators.stage import Batch

T = TypeVar("T")


class Staging(Generic[T]):
    """Commits batches of the stage one after the other, and then lets the ledger name what is in them.

    :param write: called in the caller's thread once a batch is durable, with what was given with it. When the block
        is left by an error, what was given before is still committed and written.
    """

    def __init__(self, write: Callable[[T], None]) -> None:
        self._write = write
        self._disk = ThreadPoolExecutor(1, "staging")
        self._under_way: tuple[Future[None], Batch, T] | None = None

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
        """Begin to commit this batch, after the one before was written.

        :raises StageUnavailable: the one before could not be committed; it was dropped, and so is this one.
        """
        try:
            self.finish()
        except BaseException:
            batch.drop()
            raise
        self._under_way = self._disk.submit(batch.commit), batch, what

    def finish(self) -> None:
        """Wait for the last batch given, and write it.

        :raises StageUnavailable: it could not be committed; it was dropped.
        """
        if self._under_way is None:
            return
        (committing, batch, what), self._under_way = self._under_way, None
        try:
            committing.result()
        finally:
            batch.drop()
        self._write(what)
