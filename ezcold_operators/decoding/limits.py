"""One item against its limits: how deep its containers lie, how much came out of each and of the whole."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from ezcold_operators.i18n import _

from ..errors import Undecodable
from .base import Limits

SMALL = 1_000_000
"""Bytes below which a ratio proves nothing: a text of a megabyte in a kilobyte of zip is no bomb."""


class LimitExceeded(Undecodable):
    """A bound of `limits` was reached; the text begins with the limit's name.

    :param whole: the whole item stops here (documents, bytes), not only one container (depth, ratio).
    """

    def __init__(self, message: str, whole: bool = False) -> None:
        super().__init__(message)
        self.whole = whole


@dataclass(slots=True)
class _Frame:
    """A container being opened: its size, the bytes that came out of it so far."""

    path: str
    size: int
    depth: int
    """Containers around what comes out of it, the item's own container not counted."""
    produced: int = 0
    nested: int = 0
    """Containers that its opener opened by itself, around the part it is at."""


class Bounded:
    """Counts containers and bytes while one item is opened.

    :param item_size: bytes of the raw item, against which `max_ratio` is measured.
    """

    def __init__(self, limits: Limits, item_size: int) -> None:
        self.limits = limits
        self._frames = [_Frame("", item_size, -1)]
        self._bytes = 0

    @property
    def depth(self) -> int:
        """Containers around what is found now; the item's own is free, so it is 0 for an attachment of the item."""
        return self._frames[-1].depth + self._frames[-1].nested

    def at(self, nested: int) -> None:
        """Tell that the opener at work has itself opened so many containers around what it will give next."""
        self._frames[-1].nested = nested

    @contextlib.contextmanager
    def entering(self, path: str, size: int) -> Iterator[None]:
        """Count one container more around what is added inside the `with`; the item itself is free.

        :raises LimitExceeded: `max_depth` containers are open already.
        """
        if self.depth >= self.limits.max_depth:
            raise LimitExceeded(
                _("max_depth: {path} lies deeper than {max_depth} containers").format(
                    path=path, max_depth=self.limits.max_depth
                )
            )
        self._frames.append(_Frame(path, size, self.depth + 1))
        try:
            yield
        finally:
            self._frames.pop()

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._bytes > self.limits.max_unfolded_bytes:
            raise LimitExceeded(
                _("max_item_mb: more than {max_unfolded_bytes} bytes in one item").format(
                    max_unfolded_bytes=self.limits.max_unfolded_bytes
                ),
                True,
            )
        for frame in self._frames:
            frame.produced += size
            if frame.produced > SMALL and frame.produced > frame.size * self.limits.max_ratio:
                raise LimitExceeded(
                    _("max_ratio: {path} unfolds to over {max_ratio} times itself").format(
                        path=frame.path or "it", max_ratio=self.limits.max_ratio
                    )
                )
