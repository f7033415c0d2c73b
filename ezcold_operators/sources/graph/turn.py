"""Taking turns at a mailbox: its four requests at once are for all launchers and workers together."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

SHARE_AFTER_SECONDS = 20.0
STEP_ASIDE_SECONDS = 0.6
"""Longer than a waiting run's own pause between two looks at the lease."""


class Turn:
    """Holds the mailbox from the first request to the end of the session, and lets others in between two batches.

    :param take: gives the lease; entering it waits for another holder.
    """

    def __init__(self, take: Callable[[], AbstractContextManager[None]]) -> None:
        self._take = take
        self._held = ExitStack()
        self._since: float | None = None

    def begin(self) -> None:
        """Have the mailbox from here on; called between batches, when nothing is in flight."""
        if self._since is not None and time.monotonic() - self._since > SHARE_AFTER_SECONDS:
            self.end()
            time.sleep(STEP_ASIDE_SECONDS)
        if self._since is None:
            self._held.enter_context(self._take())
            self._since = time.monotonic()

    def end(self) -> None:
        """Give it back."""
        self._since = None
        self._held.close()
