"""The IMAP commands that the source needs, typed.

Folder names are bytes as they stand on the wire (modified UTF-7); imap_folders.py translates. Nothing here sends a
mailbox-wide EXPUNGE, nor CLOSE, which does the same in passing.
"""

from __future__ import annotations

import imaplib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from imapclient.response_parser import parse_response

from ezcold_operators.sources.imap_line import Cut, Line, Refused, uid_set
from ezcold_operators.sources.imap_login import words_of
from ezcold_operators.sources.imap_parse import Fetched
from ezcold_operators.steps import step


@dataclass(frozen=True, slots=True)
class State:
    """What STATUS or SELECT tells of a folder. modseq is 0 where the server has none (RFC 7162)."""

    validity: int
    next: int
    messages: int
    modseq: int


def quote(folder: bytes) -> bytes:
    """A folder's name as a quoted string."""
    return b'"' + folder.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


class Connection(Line):
    """A logged-in connection that knows the commands.

    `selected`: the folder that is open, its UIDVALIDITY, and whether for writing. A UIDVALIDITY does not change while
    its folder is open (RFC 3501 2.3.1.1). `logins`: how often it was made anew; what a UID meant before proves nothing.
    """

    logins = 0

    def _connect(self) -> None:
        self.selected: tuple[bytes, int, bool] | None = None
        self.logins += 1
        super()._connect()

    # Reading

    def folders(self) -> list[tuple[frozenset[str], bytes | None, bytes]]:
        """Every folder: its attributes in lower case, its delimiter, its name."""
        found = []
        self._land()
        with self._errors():
            for flags, delimiter, name in self._client.list_folders():
                raw = name if isinstance(name, bytes) else str(name).encode("utf-8")
                found.append((frozenset(f.decode("ascii", "replace").lower() for f in flags), delimiter, raw))
        return found

    def namespace(self) -> tuple[bytes, bytes | None]:
        """Prefix and delimiter of the personal namespace (RFC 2342); ('', None) where the server tells none."""
        if "NAMESPACE" not in self.capabilities:
            return b"", None
        parsed = parse_response(self._run("NAMESPACE"))
        personal = parsed[0] if parsed else None
        if not personal:
            return b"", None
        prefix, delimiter = personal[0][0], personal[0][1]
        return prefix or b"", delimiter

    def status(self, folder: bytes) -> State:
        """The state of a folder without opening it."""
        items = "MESSAGES UIDNEXT UIDVALIDITY" + (" HIGHESTMODSEQ" if "CONDSTORE" in self.capabilities else "")
        parsed = parse_response(self._run("STATUS", quote(folder), f"({items})"))
        told = parsed[-1] if parsed and isinstance(parsed[-1], tuple) else ()
        values = {bytes(k).upper(): v for k, v in zip(told[::2], told[1::2], strict=False)}
        return _state(values, b"MESSAGES")

    def select(self, folder: bytes, writable: bool = False) -> State:
        """EXAMINE, or SELECT where something is to be changed.

        :raises Refused: the folder is not there, or may not be opened (for writing).
        """
        self._land()
        self.selected = None
        with self._errors():
            typ, data = self._imap.select(quote(folder), not writable)
            if typ != "OK":
                raise imaplib.IMAP4.error(words_of(data[-1]))
            values = self._client._process_select_response(self._imap.untagged_responses)
        state = _state(values, b"EXISTS")
        self.selected = (folder, state.validity, writable)
        return state

    def fetch(self, uids: str, items: str) -> dict[int, Fetched]:
        """UID FETCH; by UID, only what the server has.

        Items must begin with UID. What the server sends unasked has other items and perhaps no UID: an entry without
        the items asked for is no answer.
        """
        return self._fetch("UID FETCH", uids, items)

    def fetch_by_number(self, numbers: str, items: str) -> dict[int, Fetched]:
        """FETCH by sequence number, of the folder as it stands; by UID all the same."""
        return self._fetch("FETCH", numbers, items)

    def search(self, criteria: str) -> list[int]:
        """UID SEARCH."""
        lines = self._run("UID SEARCH", criteria)
        return [int(word) for line in lines if line for word in line.split() if word.isdigit()]

    # Changing

    def store(self, uids: Sequence[int], flag: str) -> None:
        """Add a flag."""
        with step("imap.store"):
            self._run("UID STORE", uid_set(uids), "+FLAGS.SILENT", f"({flag})")

    def move(self, uids: Sequence[int], folder: bytes) -> None:
        """UID MOVE (RFC 6851); atomic for each mail."""
        with step("imap.move"):
            self._run("UID MOVE", uid_set(uids), quote(folder))

    def copy(self, uids: Sequence[int], folder: bytes) -> None:
        """UID COPY."""
        with step("imap.copy"):
            self._run("UID COPY", uid_set(uids), quote(folder))

    def expunge(self, uids: Sequence[int]) -> None:
        """UID EXPUNGE (RFC 4315): of these alone, whatever else is flagged as deleted."""
        with step("imap.expunge"):
            self._run("UID EXPUNGE", uid_set(uids))

    def create(self, folder: bytes) -> None:
        """Create and subscribe; a folder that is there already is fine."""
        with step("imap.create"):
            try:
                self._run("CREATE", quote(folder))
            except Refused:
                if not any(name == folder for _flags, _delimiter, name in self.folders()):
                    raise
            with suppress(Refused):  # some servers know no subscriptions; the folder is usable without
                self._run("SUBSCRIBE", quote(folder))


def _state(values: Mapping[Any, Any], count: bytes) -> State:
    numbers = {key: int(values.get(key) or 0) for key in (b"UIDVALIDITY", b"UIDNEXT", count, b"HIGHESTMODSEQ")}
    return State(numbers[b"UIDVALIDITY"], numbers[b"UIDNEXT"], numbers[count], numbers[b"HIGHESTMODSEQ"])


__all__ = ["Connection", "Cut", "Fetched", "Refused", "State", "quote", "uid_set"]
