"""All five rooms in order, once, without a scheduler: `ezcold run`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ezcold_operators.errors import (
    AuthenticationFailed,
    ConfigurationError,
    EzcoldError,
    LedgerUnavailable,
    Unavailable,
)
from ezcold_operators.rooms.base import River
from ezcold_operators.rooms.decode import opened as decoding
from ezcold_operators.rooms.dispatch import dispatch
from ezcold_operators.rooms.fetch import fetch
from ezcold_operators.rooms.filter import filter_documents
from ezcold_operators.rooms.settle import settle, summary


class Run:
    """What one run met: the summary, and which kinds of trouble."""

    def __init__(self, river: River) -> None:
        self.river = river
        self.unavailable = self.misconfigured = self._no_ledger = False
        self._of_rooms: set[str] = set()

    def _room(self, room: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """A room that cannot work does not stop the others: yesterday's debts are paid while the mailbox is down.

        Without the ledger none can work, and each would wait for it anew.
        """
        if self._no_ledger:
            return {}
        try:
            return room()
        except EzcoldError as exc:
            self._no_ledger = isinstance(exc, LedgerUnavailable)
            self.unavailable = self.unavailable or isinstance(exc, Unavailable | AuthenticationFailed)
            self.misconfigured = self.misconfigured or isinstance(exc, ConfigurationError)
            self._of_rooms.add(str(exc))
            self.river.failed(exc)
            self.river.unable(exc)
            return {}

    def rooms(self) -> dict[str, Any]:
        """Run every room; the summary of the run."""
        river = self.river
        self._room(self._fetch_and_decode)
        owing = self._room(lambda: filter_documents(river)).get("owing", [])
        for scenario in owing:
            self._room(lambda scenario=scenario: dispatch(river, scenario))  # type: ignore[misc]
        self._room(lambda: settle(river))
        return summary(river)

    def _fetch_and_decode(self) -> dict[str, Any]:
        """Decoding takes its turns while the source is read: the decoders, processes of their own, would idle else."""
        only_debts = self.river.launcher.reprise is not None
        with decoding(self.river) as room:
            self.river.meanwhile = room.turn
            self._room(lambda: fetch(self.river, only_debts=only_debts))
            return {} if self._no_ledger else room.finish()

    def exit_code(self, counts: dict[str, Any]) -> int:
        """2 configuration; else 1 an item failed or was quarantined; else 3 unavailable or refused; else 0."""
        if self.misconfigured:
            return 2
        of_items = [error for error in self.river.errors if error not in self._of_rooms]
        if counts["quarantined"] or of_items or (self._of_rooms and not self.unavailable):
            return 1
        return 3 if self.unavailable else 0
