"""One IMAP connection over IMAPClient and imaplib: logged in, one command after another or several ahead, every error
with its class and its sentence."""

from __future__ import annotations

import imaplib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

import imapclient

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.errors import ConfigurationError, SourceUnavailable
from ezcold_operators.i18n import _
from ezcold_operators.sources import mail_common
from ezcold_operators.sources.imap_incoming import Incoming, told
from ezcold_operators.sources.imap_login import BUSY_CODES, code_of, log_in, words_of
from ezcold_operators.sources.imap_parse import Fetched, Malformed


class Refused(SourceUnavailable):
    """The server answered NO or BAD to one command; the connection goes on.

    :param code: the response code in capitals, '' without one.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.what, self.code = message, code

    @property
    def busy(self) -> bool:
        """Trying again later is right; nothing is wrong with what was asked for."""
        return self.code in BUSY_CODES - {"SERVERBUG"}


class Cut(SourceUnavailable):
    """The connection was ended, with a BYE or without a word; a new one may do better.

    :param what: the message without what to do, if it differs. :param words: what the server said.
    """

    def __init__(self, message: str, what: str = "", words: str = "") -> None:
        super().__init__(message)
        self.what, self.words = what or message, words


def uid_set(uids: Iterable[int]) -> str:
    """A set in the shortest form: `1:3,7`."""
    runs: list[list[int]] = []
    for uid in sorted(set(uids)):
        if runs and runs[-1][1] == uid - 1:
            runs[-1][1] = uid
        else:
            runs.append([uid, uid])
    return ",".join(str(a) if a == b else f"{a}:{b}" for a, b in runs)


@dataclass(slots=True, eq=False)
class Flight:
    """A FETCH that was sent; its answer, if it was taken before it was asked for."""

    uids: Sequence[int]
    tag: Any
    answer: dict[int, Fetched] | Refused | Malformed | None = None


class Line:
    """A logged-in connection. Its `repr` names the account, never the password."""

    def __init__(self, credentials: Credentials) -> None:
        """Connect and log in; see `Source.open` for the errors."""
        self.host, self.port = mail_common.check(credentials, (993, 143))
        self.login = credentials.login
        self._security, self._timeout = credentials.security, credentials.timeout
        self._credentials = credentials
        self._connect()

    def reconnect(self, why: Refused | Cut | None = None) -> None:
        """Drop the connection and make a new one; no folder is selected then.

        :param why: how the old one ended. Raised where there is no new one and the server had said why: that tells more
            than what is found after it went.
        """
        self.drop()
        try:
            self._connect()
        except SourceUnavailable as exc:
            if isinstance(why, Cut) and why.words:
                raise why from exc
            raise

    def _connect(self) -> None:
        credentials = self._credentials
        self._flights: list[Flight] = []
        self._words: Callable[[BaseException], str] = told
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
            self._incoming = Incoming(self._imap)
            self._words = self._incoming.words
            with self._errors():
                log_in(self._client, credentials)
            self._imap._cmd_log.clear()
            with self._errors():
                self.capabilities = frozenset(c.decode("ascii", "replace") for c in self._client.capabilities())
        except BaseException:
            self.drop()
            raise

    def __repr__(self) -> str:
        return f"<imap:{self.login}@{self.host}:{self.port}>"

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
            except imaplib.IMAP4.readonly as exc:
                raise ConfigurationError(
                    _("{login} may not change this folder at {host}: set `after` and `rejected` to keep").format(
                        login=self.login, host=self.host
                    )
                ) from exc
            except Malformed as exc:
                raise Cut(
                    _("{host}:{port} gives an answer that is none").format(host=self.host, port=self.port)
                ) from exc
            except (imaplib.IMAP4.abort, *mail_common.ENDED) as exc:
                raise self._cut(self._words(exc)) from exc
            except imaplib.IMAP4.error as exc:
                words = mail_common.one_line(words_of(exc))
                if words[:6].upper() == "* BYE ":  # instead of a greeting
                    raise self._cut(words[6:]) from exc
                raise Refused(
                    _("{host} refuses a command: {words}").format(host=self.host, words=words), code_of(words)
                ) from exc

    def _cut(self, words: str) -> Cut:
        where = {"host": self.host, "port": self.port}
        if words:
            what = _("{host}:{port} ended the connection ({words})").format(words=words, **where)
        else:
            what = _("{host}:{port} ended the connection without a word").format(**where)
        advised = _("{what}: the next run takes the rest; if this comes again, ask whoever runs the server")
        return Cut(advised.format(what=what), what, words)

    def _run(self, command: str, *args: str | bytes) -> list[Any]:
        """One command; what came untagged under its own name.

        :raises Refused: NO or BAD. :raises SourceUnavailable: the connection is lost.
        """
        self._land()
        words = command.split()
        with self._errors():
            self._complete(words[0], self._imap._command(*words, *args))
            return [part for part in self._imap.untagged_responses.pop(words[-1], []) if part is not None]

    def _fetch(self, command: str, numbers: str, items: str) -> dict[int, Fetched]:
        """One command whose answers are those to FETCH."""
        self._run(command, numbers, f"({items})")
        with self._errors():
            return self._incoming.taken()

    def _complete(self, name: str, tag: Any) -> None:
        typ, data = self._imap._command_complete(name, tag)
        if typ != "OK":
            raise imaplib.IMAP4.error(words_of(data[-1] if data else b""))

    def _arrived(self, flight: Flight) -> dict[int, Fetched]:
        """The answer to what was sent ahead; of what was sent after it, whatever the server gave already.

        :raises Malformed: and as `_run`.
        """
        with self._errors():
            self._complete("UID", flight.tag)
        return self._incoming.taken()

    def _land(self) -> None:
        """Take the answers to all that was sent ahead, so that the next answer belongs to the next command."""
        for flight in self._flights:
            if flight.answer is None:
                try:
                    flight.answer = self._arrived(flight)
                except (Refused, Malformed) as exc:
                    flight.answer = exc
        self._flights.clear()
        self._incoming.forget()
        for stale in ("SEARCH", "LIST", "STATUS"):
            self._imap.untagged_responses.pop(stale, None)

    def fetch_ahead(self, parts: Iterable[Sequence[int]], items: str, depth: int) -> Iterator[dict[int, Fetched]]:
        """UID FETCH of several sets of UIDs, `depth` of them under way at once; in their order.

        Dovecot may answer the second before it says that the first is done, so answers are told apart by UID.

        :raises Refused: one was refused; those after it are given up.
        """
        mine: deque[Flight] = deque()
        waiting = iter(parts)
        pool: dict[int, Fetched] = {}
        try:
            while True:
                for uids in islice(waiting, depth - len(mine)):
                    if not mine:
                        self._land()
                    with self._errors():
                        flight = Flight(uids, self._imap._command("UID", "FETCH", uid_set(uids), f"({items})"))
                    mine.append(flight)
                    self._flights.append(flight)
                if not mine:
                    return
                flight = mine.popleft()
                with self._errors():
                    if flight.answer is None:
                        self._flights.remove(flight)
                        flight.answer = self._arrived(flight)
                    if isinstance(flight.answer, Exception):
                        raise flight.answer
                pool |= flight.answer
                wanted = flight.uids
                del flight
                yield {uid: pool.pop(uid) for uid in wanted if uid in pool}
        finally:
            if mine and self._flights:
                with suppress(SourceUnavailable):
                    self._land()

    def close(self) -> None:
        """Log out; never raises."""
        self._flights = []
        try:
            self._client.logout()
        except Exception:
            self.drop()

    def drop(self) -> None:
        """Close the socket; never raises."""
        self._flights = []  # whoever still waits for their answers need not
        with suppress(Exception):
            self._client.shutdown()
