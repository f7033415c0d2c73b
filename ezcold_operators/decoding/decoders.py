"""Several decoder children side by side: a mail's decoding costs more than what its parent does with the answer."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from types import TracebackType

from .base import Decoded
from .guard import DecoderProcess
from .requests import Failure, Request

CHILDREN = min(2, os.cpu_count() or 1)
"""More of them wait for the one process that makes their answers durable."""


class Decoders:
    """Some DecoderProcesses as one; a context manager, used by one thread.

    Work starts the first, a long queue the second.
    """

    def __init__(self, children: int = CHILDREN) -> None:
        self._children = [DecoderProcess() for _n in range(children)]

    def __enter__(self) -> Decoders:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self._children:
            child.__exit__(kind, error, trace)

    def map(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Decoded | Failure]]:
        """As `DecoderProcess.map`, in nearly the order of the requests, which are taken as far ahead as they fit."""
        source = iter(requests)
        answering = deque(child.map(source) for child in self._children)
        while answering:
            answers = answering.popleft()
            if (answer := next(answers, None)) is not None:
                answering.append(answers)
                yield answer
