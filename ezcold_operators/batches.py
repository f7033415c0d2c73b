"""A long row of things in batches, so that memory and what one command or one fsync covers stay bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def batches(things: Iterable[T], most: int, volume: int, size: Callable[[T], int]) -> Iterator[list[T]]:
    """Batches in order, of at most `most` things and `volume` bytes; what is larger than that stands alone.

    :param size: bytes of one thing.
    """
    batch: list[T] = []
    held = 0
    for one in things:
        if batch and (len(batch) >= most or held + size(one) > volume):
            yield batch
            batch, held = [], 0
        batch.append(one)
        held += size(one)
    if batch:
        yield batch
