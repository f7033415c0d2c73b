"""What is asked of a decoder child, and how much of it may be under way before the first answer has come."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from .base import Decoded, Options
from .wire import options_to

AHEAD = 100
"""Requests sent before the first answer is awaited: the child works on while its parent makes results durable."""
AHEAD_MB = 64
"""Megabytes of items among them: what is decoded ahead lies on the disk."""


@dataclass(frozen=True, slots=True)
class Request:
    """One item to decode.

    :param workdir: where the item's documents are written; made if absent.
    :param tag: the caller's own, comes back unread.
    :param size: bytes of `raw`, where they are known.
    :param prefix: what the names of the item's files begin with, unless the directory is its own; those of an item
        whose decoding fails are removed.
    """

    raw: Path
    workdir: Path
    options: Options = field(default_factory=Options)
    tag: Any = None
    size: int | None = None
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """The decoder gave no answer for this item; `reason` is a sentence for a person."""

    reason: str


Answer = tuple[Request, Decoded | Failure]


class Decoder(ABC):
    """Who is sent items ahead and answers each once; used by one thread."""

    @property
    @abstractmethod
    def room(self) -> bool:
        """Whether `send` may be called."""

    @property
    @abstractmethod
    def busy(self) -> bool:
        """Whether an answer is due, so that `receive` may be called."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether `receive` would not wait for a decoding."""

    @abstractmethod
    def send(self, request: Request) -> None:
        """Begin an item."""

    @abstractmethod
    def receive(self) -> Answer:
        """One of the answers that are due.

        :raises StageUnavailable: our own disk fails (full, read-only): no fault of the item.
        :raises ConfigurationError: an item needs what is not installed or is configured wrongly.
        """

    def map(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Decode the requests, in nearly their order; they are taken as far ahead as they fit.

        :raises StageUnavailable: :raises ConfigurationError: as `receive`.
        """
        for request in requests:
            while not self.room:
                yield self.receive()
            self.send(request)
        while self.busy:
            yield self.receive()


@dataclass(frozen=True, slots=True)
class Deadline:
    """Seconds an item may take: `base` and as much again for every megabyte as `per_mb` says."""

    base: float = 10.0
    per_mb: float = 1.0

    def of(self, size: int) -> float:
        """Seconds for an item of so many bytes."""
        return self.base + self.per_mb * size / 1_000_000


@dataclass(frozen=True, slots=True)
class Sent:
    """A request on its way: its line, the seconds that its answer may take."""

    request: Request
    line: bytes
    seconds: float


@dataclass(slots=True)
class Queue:
    """Requests whose answers have not come yet, and what they are together."""

    deadline: Deadline
    sent: deque[Sent] = field(default_factory=deque)
    volume: int = 0
    seconds: float = 0.0

    def add(self, request: Request) -> Sent:
        """A request, as it is to be sent."""
        seconds = self.deadline.of(_size(request.raw) if request.size is None else request.size)
        files = json.dumps([str(request.raw), str(request.workdir), request.prefix])
        line = f'{{"files": {files}, "seconds": {seconds}, "options": {_plain(request.options)}}}\n'.encode("ascii")
        self.sent.append(Sent(request, line, seconds))
        self.volume += len(line)
        self.seconds += seconds
        return self.sent[-1]

    def pop(self) -> Sent:
        """The request that is answered next."""
        first = self.sent.popleft()
        self.volume -= len(first.line)
        self.seconds -= first.seconds
        return first

    def room(self, volume: int) -> bool:
        """Whether one more may be sent ahead.

        :param volume: bytes of lines that the pipe takes without blocking.
        """
        if not self.sent:
            return True
        seconds = self.seconds - len(self.sent) * self.deadline.base
        return len(self.sent) < AHEAD and self.volume < volume and seconds < AHEAD_MB * self.deadline.per_mb


def _size(raw: Path) -> int:
    """0 of what is gone: the decoder will say so."""
    try:
        return raw.stat().st_size
    except OSError:
        return 0


@lru_cache(maxsize=4)
def _plain(options: Options) -> str:
    """As JSON; the same for many items."""
    return json.dumps(options_to(options))
