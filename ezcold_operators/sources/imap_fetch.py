"""FETCH that goes around a mail at which the server stumbles, so that it blocks none of its neighbours.

Servers answer NO, or end the connection (Dovecot: `BYE FETCH failed: Internal error`), when one mail's file is
damaged. The set is then halved until one mail is left. That mail is at fault only if the server gives another one when
asked right afterwards: a server that is itself ill must never count as the mail's failure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from ezcold_operators.errors import ItemFailed
from ezcold_operators.i18n import _
from ezcold_operators.sources.imap_client import Connection, Cut, Fetched, Refused, uid_set

CONTROLS = 3
"""Other mails that are tried before the server is held to be ill."""
CONTROL_BYTES = 256 * 1024
"""Bytes of each that it must give: a line that breaks in every mail of some size is no mail's fault."""
Answer = tuple[list[int], "dict[int, Fetched] | ItemFailed"]


def opens(connection: Connection, folder: bytes, validity: int, writable: bool = False) -> bool:
    """Select a folder; False if it is gone, or its UIDs now mean other mails (UIDVALIDITY)."""
    if connection.selected == (folder, validity, writable):
        return True
    try:
        return connection.select(folder, writable).validity == validity
    except Refused:
        if any(name == folder for _attributes, _delimiter, name in connection.folders()):
            raise
        return False


class Fetcher:
    """Fetches from one folder, which stands selected."""

    def __init__(self, connection: Connection, folder: bytes, validity: int, writable: bool = False) -> None:
        self._connection = connection
        self._selected = (folder, validity, writable)

    def opens(self) -> bool:
        """Select the folder, if it does not stand selected; False if it is not the same any more."""
        return opens(self._connection, *self._selected)

    def stream(self, parts: Sequence[Sequence[int]], items: str, depth: int) -> Iterator[Answer]:
        """Like `fetch` for several parts, `depth` of them under way at once as long as nothing goes wrong."""
        done = 0
        try:
            for found in self._connection.fetch_ahead(parts, items, depth):
                done += 1
                yield list(parts[done - 1]), found
            return
        except Refused as exc:
            if exc.busy:
                raise
        except Cut as exc:
            self._connection.reconnect(exc)
            if not self.opens():
                yield from ((list(part), {}) for part in parts[done:])
                return
        for part in parts[done:]:
            yield from self.fetch(part, items)

    def fetch(self, uids: Sequence[int], items: str) -> Iterator[Answer]:
        """Answers for all UIDs, in order, in as few parts as can be; a mail at fault has its ItemFailed alone.

        :raises SourceUnavailable: the server is ill, busy or gone.
        """
        why = self._try(uids, items)
        if isinstance(why, dict):
            yield list(uids), why
        elif len(uids) > 1:
            middle = len(uids) // 2
            yield from self.fetch(uids[:middle], items)
            yield from self.fetch(uids[middle:], items)
        else:
            yield list(uids), self._alone(uids[0], items, why)

    def present(self, uids: Sequence[int]) -> set[int]:
        """Which of them the folder has."""
        return set(self._connection.fetch(uid_set(uids), "UID INTERNALDATE"))

    def _try(self, uids: Sequence[int], items: str) -> dict[int, Fetched] | Refused | Cut:
        try:
            return self._connection.fetch(uid_set(uids), items)
        except Refused as exc:
            if exc.busy:
                raise
            return exc
        except Cut as exc:
            self._connection.reconnect(exc)
            return exc if self.opens() else {}

    def _alone(self, number: int, items: str, why: Refused | Cut) -> dict[int, Fetched] | ItemFailed:
        """One mail that failed once: again, in case it was the line; then another mail, in case it is the server."""
        again = self._try([number], items)
        if isinstance(again, dict):
            return again
        others = [n for n in self._connection.fetch("1:*", "UID INTERNALDATE") if n != number]
        others.sort(key=lambda n: abs(n - number))
        if others or isinstance(why, Cut):
            tries = (self._try([n], f"UID BODY.PEEK[]<0.{CONTROL_BYTES}>") for n in islice(others, CONTROLS))
            if not any(isinstance(answer, dict) and answer for answer in tries):
                raise why
        return ItemFailed(_("the server cannot give the mail with UID {uid}: {why}").format(uid=number, why=why.what))
