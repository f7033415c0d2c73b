"""One IMAP connection: the commands that the source needs, over IMAPClient, typed, each error with its sentence.

Folder names are bytes as they stand on the wire (modified UTF-7); imap_folders.py translates. Nothing here sends a
mailbox-wide EXPUNGE, nor CLOSE, which does the same in passing.
"""

from __future__ import annotations

import imaplib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

import imapclient
from imapclient.response_parser import parse_response

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.errors import SourceUnavailable
from ezcold_operators.i18n import _
from ezcold_operators.sources import imap_parse, mail_common
from ezcold_operators.sources.imap_login import BUSY_CODES, code_of, log_in, words_of
from ezcold_operators.steps import step

Fetched = Mapping[bytes, Any]


class Refused(SourceUnavailable):
    """The server answered NO or BAD to one command; the connection goes on.

    :param code: the response code in capitals, '' without one.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def busy(self) -> bool:
        """Trying again later is right; nothing is wrong with what was asked for."""
        return self.code in BUSY_CODES - {"SERVERBUG"}


class Cut(SourceUnavailable):
    """The connection was ended, with a BYE or without a word; a new one may do better."""


@dataclass(frozen=True, slots=True)
class State:
    """What STATUS or SELECT tells of a folder. modseq is 0 where the server has none (RFC 7162)."""

    validity: int
    next: int
    messages: int
    modseq: int


def uid_set(uids: Iterable[int]) -> str:
    """A set in the shortest form: `1:3,7`."""
    runs: list[list[int]] = []
    for uid in sorted(set(uids)):
        if runs and runs[-1][1] == uid - 1:
            runs[-1][1] = uid
        else:
            runs.append([uid, uid])
    return ",".join(str(a) if a == b else f"{a}:{b}" for a, b in runs)


def quote(folder: bytes) -> bytes:
    """A folder's name as a quoted string."""
    return b'"' + folder.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


@dataclass(slots=True, eq=False)
class _Flight:
    """A FETCH that was sent; its answer, if it was taken before it was asked for."""

    uids: Sequence[int]
    tag: Any
    answer: list[Any] | Refused | None = None


class Connection:
    """A logged-in connection. Its `repr` names the account, never the password."""

    def __init__(self, credentials: Credentials) -> None:
        """Connect and log in; see `Source.open` for the errors."""
        self.host, self.port = mail_common.check(credentials, (993, 143))
        self.login = credentials.login
        self._security, self._timeout = credentials.security, credentials.timeout
        self._credentials = credentials
        self._connect()

    def reconnect(self) -> None:
        """Drop the connection and make a new one; no folder is selected then."""
        self.drop()
        self._connect()

    def _connect(self) -> None:
        credentials = self._credentials
        self._flights: list[_Flight] = []
        context = mail_common.tls_context(credentials) if self._security != "none" else None
        with self._errors():
            self._client = imapclient.IMAPClient(
                self.host,
                port=self.port,
                ssl=self._security == "tls",
                ssl_context=context,
                timeout=imapclient.SocketTimeout(self._timeout, self._timeout),
            )
        self._client.folder_encode = False
        self._client.normalise_times = False
        self._imap: Any = self._client._imap
        self._imap.debug = 0  # IMAPClient hands every line of the protocol to the log; a LOGIN is one of them
        try:
            with self._errors():
                if self._security == "starttls":
                    self._starttls(context)
            with self._errors():
                log_in(self._client, credentials)
            self._imap._cmd_log.clear()
            with self._errors():
                self.capabilities = frozenset(c.decode("ascii", "replace") for c in self._client.capabilities())
        except BaseException:
            self.drop()
            raise

    def __repr__(self) -> str:
        return f"<Connection imap:{self.login}@{self.host}:{self.port}>"

    def _starttls(self, context: Any) -> None:
        if not self._client.has_capability("STARTTLS"):
            raise SourceUnavailable(
                _("{host}:{port} does not offer STARTTLS: set `security` to tls, and the port to 993").format(
                    host=self.host, port=self.port
                )
            )
        self._client.starttls(context)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """The one place where errors of imaplib, IMAPClient, TLS and socket get a class and a sentence."""
        with mail_common.network(self.host, self.port, self._security, self._timeout):
            try:
                yield
            except (imaplib.IMAP4.abort, ConnectionResetError, BrokenPipeError) as exc:
                raise Cut(
                    _("{host}:{port} ended the connection: {words}").format(
                        host=self.host, port=self.port, words=mail_common.one_line(words_of(exc))
                    )
                ) from exc
            except imaplib.IMAP4.error as exc:
                words = mail_common.one_line(words_of(exc))
                raise Refused(
                    _("{host} refuses a command: {words}").format(host=self.host, words=words), code_of(words)
                ) from exc

    def _run(self, command: str, *args: str | bytes) -> list[Any]:
        """One command; what came untagged under its own name.

        :raises Refused: NO or BAD. :raises SourceUnavailable: the connection is lost.
        """
        self._land()
        with self._errors():
            return self._complete(command, self._imap._command(*command.split(), *args))

    def _complete(self, command: str, tag: Any) -> list[Any]:
        name, last = command.split()[0], command.split()[-1]
        typ, data = self._imap._command_complete(name, tag)
        found = self._imap.untagged_responses.pop(last, [])
        if typ != "OK":
            raise imaplib.IMAP4.error(words_of(data[-1] if data else b""))
        return [part for part in found if part is not None]

    def _land(self) -> None:
        """Take the answers to all that was sent ahead, so that the next answer belongs to the next command."""
        for flight in self._flights:
            if flight.answer is None:
                try:
                    with self._errors():
                        flight.answer = self._complete("UID FETCH", flight.tag)
                except Refused as exc:
                    flight.answer = exc
        self._flights.clear()
        for stale in ("FETCH", "SEARCH", "LIST", "STATUS"):
            self._imap.untagged_responses.pop(stale, None)

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
        with self._errors():
            typ, data = self._imap.select(quote(folder), not writable)
            if typ != "OK":
                raise imaplib.IMAP4.error(words_of(data[-1]))
            values = self._client._process_select_response(self._imap.untagged_responses)
        return _state(values, b"EXISTS")

    def fetch(self, uids: str, items: str) -> dict[int, Fetched]:
        """UID FETCH; by UID, only what the server has.

        Items must begin with UID. What the server sends unasked has other items and perhaps no UID: an entry without
        the items asked for is no answer.
        """
        return self._parsed(self._run("UID FETCH", uids, f"({items})"))

    def fetch_ahead(self, parts: Iterable[Sequence[int]], items: str, depth: int) -> Iterator[dict[int, Fetched]]:
        """UID FETCH of several sets of UIDs, `depth` of them under way at once; in their order.

        Dovecot may answer the second before it says that the first is done, so answers are told apart by UID.

        :raises Refused: one was refused; those after it are given up.
        """
        mine: deque[_Flight] = deque()
        waiting = iter(parts)
        pool: dict[int, Fetched] = {}
        try:
            while True:
                for uids in islice(waiting, depth - len(mine)):
                    if not mine:
                        self._land()
                    with self._errors():
                        flight = _Flight(uids, self._imap._command("UID", "FETCH", uid_set(uids), f"({items})"))
                    mine.append(flight)
                    self._flights.append(flight)
                if not mine:
                    return
                flight = mine.popleft()
                if flight.answer is None:
                    self._flights.remove(flight)
                    with self._errors():
                        flight.answer = self._complete("UID FETCH", flight.tag)
                if isinstance(flight.answer, Refused):
                    raise flight.answer
                pool |= self._parsed(flight.answer)
                wanted = flight.uids
                del flight
                yield {uid: pool.pop(uid) for uid in wanted if uid in pool}
        finally:
            if mine and self._flights:
                with suppress(SourceUnavailable):
                    self._land()

    def fetch_by_number(self, numbers: str, items: str) -> dict[int, Fetched]:
        """FETCH by sequence number, of the folder as it stands; by UID all the same."""
        return self._parsed(self._run("FETCH", numbers, f"({items})"))

    def _parsed(self, lines: list[Any]) -> dict[int, Fetched]:
        try:
            return imap_parse.parse(lines)
        except (imap_parse.Malformed, IndexError) as exc:
            raise Cut(_("{host}:{port} gives an answer that is none").format(host=self.host, port=self.port)) from exc

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

    # The end

    def close(self) -> None:
        """Log out; never raises."""
        try:
            self._client.logout()
        except Exception:
            self.drop()

    def drop(self) -> None:
        """Close the socket; never raises."""
        with suppress(Exception):
            self._client.shutdown()


def _state(values: Mapping[Any, Any], count: bytes) -> State:
    numbers = {key: int(values.get(key) or 0) for key in (b"UIDVALIDITY", b"UIDNEXT", count, b"HIGHESTMODSEQ")}
    return State(numbers[b"UIDVALIDITY"], numbers[b"UIDNEXT"], numbers[count], numbers[b"HIGHESTMODSEQ"])
