"""Ctrl-C ends a command with one sentence, wherever it finds the interpreter: importing, closing, tidying up."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

AGAIN_SECONDS = 0.05
STOPPED = 130
"""Exit code, as shells have it: 128 and the number of SIGINT."""


@contextmanager
def told() -> Iterator[None]:
    """Run a command; an interrupted one leaves no traceback, whatever error its unwinding made of the interruption.

    :raises SystemExit: with STOPPED, after the sentence was printed.
    """
    came = False

    def interrupt(_number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        # An import that is cut in its own machinery may keep a lock, for which other threads then wait for ever.
        if frame is not None and frame.f_code.co_filename.startswith("<frozen importlib"):
            signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
        else:
            raise KeyboardInterrupt

    def unraisable(lost: Any) -> None:
        if not came:
            shown(lost)
        elif lost.exc_type is KeyboardInterrupt:  # it came within a callback, where the interpreter drops it
            signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)

    shown, sys.unraisablehook = sys.unraisablehook, unraisable
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else whoever started us wants it ignored
        signal.signal(signal.SIGINT, interrupt)
        signal.signal(signal.SIGALRM, interrupt)
    try:
        import logging

        if logging.lastResort is not None:  # SQLAlchemy logs what ends the closing of a connection
            logging.lastResort.addFilter(lambda _record: not came)
        yield
    except BaseException as exc:
        if not came or (isinstance(exc, SystemExit) and not exc.code):
            raise
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, 0)
        from ezcold_operators.i18n import _

        print(_("stopped; what was begun is finished by the next run"), file=sys.stderr)
        sys.exit(STOPPED)
