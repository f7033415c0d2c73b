"""One POP3 session: connect, log in, list, take, delete; each error with its sentence."""

from __future__ import annotations

import poplib
import re
import ssl
import tempfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.errors import AuthenticationFailed, EzcoldError, SourceUnavailable
from ezcold_operators.i18n import _
from ezcold_operators.sources import mail_common
from ezcold_operators.sources.pop_wire import Ended, Refusal, Wire
from ezcold_operators.steps import step

WINDOW = 64
"""Commands sent ahead where the server offers PIPELINING."""
VOLUME = 4 * 1024 * 1024
"""Bytes that may be under way."""
IN_MEMORY = 1024 * 1024
"""A mail above this goes to a temporary file before it is handed on."""
BUSY = re.compile(r"\[(IN-USE|LOGIN-DELAY|SYS/TEMP)|in use|lock|busy|temporar|try again|too many|maximum number", re.I)
"""Response codes (RFC 2449, 3206) and words of a login that may be tried later."""


class Cut(SourceUnavailable):
    """The session was ended by the server or the network."""


class Refused(SourceUnavailable):
    """The server answered -ERR to one command; the session goes on."""


class Pop:
    """A session in its transaction state. Nothing is deleted unless `quit` is answered."""

    def __init__(self, credentials: Credentials) -> None:
        """Connect and log in; see `Source.open` for the errors."""
        self.host, self.port = mail_common.check(credentials, (995, 110))
        self.login = credentials.login
        self._security, self._timeout = credentials.security, credentials.timeout
        self.over = False
        context = mail_common.tls_context(credentials)
        with self._errors():
            self._pop = self._connect(context)
        try:
            with self._errors():
                if self._security == "starttls":
                    self._start_tls(context)
                self._log_in(credentials)
                self.capabilities = self._capabilities()
        except BaseException:
            self.drop()
            raise
        self._wire = Wire(self._pop.sock)

    def __repr__(self) -> str:
        return f"<Pop {self.login}@{self.host}:{self.port}>"

    def _connect(self, context: ssl.SSLContext) -> poplib.POP3:
        poplib._MAXLINE = max(poplib._MAXLINE, 65536)  # type: ignore[attr-defined]  # long banners; see pop_wire
        if self._security == "tls":
            return poplib.POP3_SSL(self.host, self.port, timeout=self._timeout, context=context)
        return poplib.POP3(self.host, self.port, timeout=self._timeout)

    def _start_tls(self, context: ssl.SSLContext) -> None:
        if "STLS" not in self._capabilities():
            raise SourceUnavailable(
                _("{host}:{port} does not offer STLS: set `security` to tls, and the port to 995").format(
                    host=self.host, port=self.port
                )
            )
        self._pop.stls(context)

    def _capabilities(self) -> dict[str, list[str]]:
        try:
            return {name.upper(): list(words) for name, words in self._pop.capa().items()}
        except poplib.error_proto as exc:
            if b"EOF" in bytes(str(exc), "utf-8"):
                raise
            return {}

    def _log_in(self, credentials: Credentials) -> None:
        login, password = credentials.login, credentials.password
        if any(ord(c) < 32 for c in login + password):
            raise AuthenticationFailed(
                _("login or password of Connection {conn} holds a line break or another control character").format(
                    conn=credentials.conn_id or "?"
                )
            )
        try:
            self._pop.user(login)
            self._pop.pass_(password)
        except poplib.error_proto as exc:
            words = _words(exc)
            if words.endswith("EOF"):
                raise
            raise self._refusal(words) from None

    def _refusal(self, words: str) -> EzcoldError:
        told = {"host": self.host, "login": self.login, "words": words}
        if "[AUTH]" not in words.upper() and BUSY.search(words):
            return SourceUnavailable(_("{host} refuses logins of {login} for now: {words}").format(**told))
        sentence = _("{host} refuses the login of {login}: {words}").format(**told)
        if self.host.lower().endswith(("gmail.com", "googlemail.com")):
            sentence += ". " + _("Gmail wants an app password (myaccount.google.com/apppasswords), not the usual one")
        return AuthenticationFailed(sentence)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """The one place where errors of poplib, wire, TLS and socket get a class and a sentence."""
        where = {"host": self.host, "port": self.port}
        with mail_common.network(self.host, self.port, self._security, self._timeout):
            try:
                yield
            except Refusal as exc:
                words = mail_common.one_line(str(exc))
                raise Refused(_("{host} refuses a command: {words}").format(words=words, **where)) from exc
            except (Ended, *mail_common.ENDED) as exc:
                raise Cut(
                    _("{host}:{port} ended the connection: {words}").format(words=mail_common.reason(exc), **where)
                ) from exc
            except poplib.error_proto as exc:
                raise Cut(_("{host}:{port} ended the connection: {words}").format(words=_words(exc), **where)) from exc

    @property
    def pipelines(self) -> bool:
        """Whether commands may be sent ahead."""
        return "PIPELINING" in self.capabilities

    def table(self, command: str) -> dict[int, str]:
        """The answer to LIST or UIDL, by message number.

        :raises Refused: the server has no such command.
        """
        with self._errors():
            self._wire.send(command)
            rows = [line.split(None, 1) for line in self._wire.lines()]
        return {int(row[0]): row[1].decode("latin-1").strip() for row in rows if len(row) == 2 and row[0].isdigit()}

    def fetch(
        self, commands: Sequence[tuple[str, int]], ahead: bool = True
    ) -> Generator[IO[bytes] | Refused, None, None]:
        """The text that each command (TOP, RETR) gives, whole, in order; sent ahead if the server allows it.

        :param commands: each with the bytes that may be expected. :raises Cut: the session is over.
        """
        sent = done = under_way = 0
        ahead = ahead and self.pipelines
        while done < len(commands):
            more: list[str] = []
            while sent < len(commands) and (
                sent == done or (ahead and sent - done < WINDOW and under_way + commands[sent][1] <= VOLUME)
            ):
                more.append(commands[sent][0])
                under_way += commands[sent][1]
                sent += 1
            with self._errors():
                if more:
                    self._wire.send(*more)
                answer = self._one()
            under_way -= commands[done][1]
            done += 1
            try:
                yield answer
            except GeneratorExit:
                self._drain(sent - done)
                raise

    def _drain(self, count: int) -> None:
        """Read what was sent ahead and is not wanted any more, so that the next answer belongs to its command."""
        try:
            for _number in range(count):
                with self._errors():
                    self._one()
        except SourceUnavailable:
            self.drop()

    def _one(self) -> IO[bytes] | Refused:
        try:
            self._wire.answer()
        except Refusal as exc:
            return Refused(
                _("{host} refuses a command: {words}").format(host=self.host, words=mail_common.one_line(str(exc)))
            )
        file: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - handed on
        for block in self._wire.body():
            file.write(block)
        file.seek(0)
        return file

    def delete(self, numbers: Iterable[int]) -> dict[int, str]:
        """Flag messages for the end of the session; gives the server's words for each that it refused."""
        refused: dict[int, str] = {}
        wanted = list(numbers)
        width = WINDOW if self.pipelines else 1
        with step("pop.dele"), self._errors():
            for start in range(0, len(wanted), width):
                part = wanted[start : start + width]
                self._wire.send(*(f"DELE {number}" for number in part))
                for number in part:
                    try:
                        self._wire.answer()
                    except Refusal as exc:
                        refused[number] = mail_common.one_line(str(exc))
        return refused

    def quit(self) -> None:
        """End the session: what was flagged is deleted once this is answered.

        :raises SourceUnavailable: the answer was lost, or says that some were not deleted.
        """
        try:
            with step("pop.quit"), self._errors():
                self._wire.send("QUIT")
                self._wire.answer()
        finally:
            self.drop()

    def leave(self) -> None:
        """End the session and delete nothing; never raises.

        A server with EXPIRE 0 deletes what was read once QUIT is sent: it is left without one.
        """
        with suppress(Exception):
            if self.capabilities.get("EXPIRE", [""])[:1] != ["0"]:
                self._wire.send("RSET", "QUIT")
                self._wire.answer()
                self._wire.answer()
        self.drop()

    def drop(self) -> None:
        """Close the socket, which deletes nothing; never raises."""
        self.over = True
        with suppress(Exception):
            self._pop.close()


def _words(exc: poplib.error_proto) -> str:
    value = exc.args[0] if exc.args else ""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return mail_common.one_line(text.removeprefix("-ERR"))
