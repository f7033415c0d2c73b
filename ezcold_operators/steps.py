"""Named steps: every effect that outlives the process stands inside `with step("room.effect"):`.

Nothing happens here in production. A crash test installs an observer that stops the process before or after a given
step, and reads the list of steps from the source text, so that an effect without a crash test is noticed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

Moment = Literal["before", "after"]
Observer = Callable[[str, Moment], None]

_observer: Observer | None = None


def observe(observer: Observer | None) -> None:
    """Install the one observer of this process (tests only); None removes it."""
    global _observer
    _observer = observer


@contextmanager
def step(name: str) -> Iterator[None]:
    """Mark an effect.

    :param name: a literal `<module>.<effect>`, e.g. `stage.rename`; the crash tests find it in the source.
    """
    if _observer is not None:
        _observer(name, "before")
    yield
    if _observer is not None:
        _observer(name, "after")
