"""Several decoder children side by side: a mail's decoding costs more than what its parent does with the answer."""

from __future__ import annotations

import os
from collections import deque
from types import TracebackType

from .guard import DecoderProcess
from .requests import Answer, Decoder, Request

CHILDREN = min(2, os.cpu_count() or 1)
"""More of them wait for the one process that makes their answers durable."""


class Decoders(Decoder):
    """Some DecoderProcesses as one; a context manager, used by one thread.

    Work starts the first, a long queue the second.
    """

    def __init__(self, children: int = CHILDREN) -> None:
        self._children = [DecoderProcess() for _n in range(children)]
        self._answering = deque(self._children)

    def __enter__(self) -> Decoders:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self._children:
            child.__exit__(kind, error, trace)

    @property
    def room(self) -> bool:
        return any(child.room for child in self._children)

    @property
    def busy(self) -> bool:
        return any(child.busy for child in self._children)

    def ready(self) -> bool:
        return any(child.ready() for child in self._children)

    def send(self, request: Request) -> None:
        next(child for child in self._children if child.room).send(request)

    def receive(self) -> Answer:
        """Of the children in turn, so that none waits for us with a full pipe."""
        busy = [child for child in self._answering if child.busy]
        child = next((child for child in busy if child.ready()), busy[0])
        self._answering.remove(child)
        self._answering.append(child)
        return child.receive()
