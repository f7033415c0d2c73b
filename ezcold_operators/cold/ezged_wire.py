"""Requests to EzGED: JSON answers, errors as sentences, and no secret in any log, error or trace.

EzGED wants its secrets (the password's md5, the session, the instance's token) in the query of the URL. HTTP libraries
log URLs and headers, so what they log while they work for us is dropped.
"""

from __future__ import annotations

import json
import logging
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus

import httpx2

from ezcold_operators.cold.ezged_settings import Settings
from ezcold_operators.errors import ScenarioUnavailable
from ezcold_operators.i18n import _

MOST_ANSWER = 1_000_000
"""Bytes of an answer that we read."""
LOGGERS = ("httpx2", *(f"httpcore2.{name}" for name in ("connection", "http11", "http2", "proxy", "socks")))

_quiet = threading.local()


class _Silence(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Nothing from a thread that is talking to EzGED."""
        return not getattr(_quiet, "on", False)


_silence = _Silence()
for _name in LOGGERS:
    logging.getLogger(_name).addFilter(_silence)


@contextmanager
def quiet() -> Iterator[None]:
    """The HTTP libraries log nothing from this thread."""
    before = getattr(_quiet, "on", False)
    _quiet.on = True
    try:
        yield
    finally:
        _quiet.on = before


@dataclass(frozen=True, slots=True)
class Answer:
    """What EzGED said."""

    status: int
    data: Mapping[str, Any] | None
    """None: it was no JSON object."""

    @property
    def code(self) -> int | None:
        """`errorcode`; 401 too where only the HTTP status says it; None where nothing says anything."""
        value = self.data.get("errorcode") if self.data is not None else None
        if value is not None:
            try:
                return int(str(value))
            except ValueError:
                return -1
        return 401 if self.status == 401 else None

    @property
    def text(self) -> str:
        """Its own words, on one line; '' where there are none."""
        for key in ("errormsg", "message", "error", "msg"):
            value = (self.data or {}).get(key)
            if isinstance(value, str) and value.strip():
                return one_line(value)
        return ""

    def row(self) -> Mapping[str, Any]:
        """`rows`, or the first of them."""
        rows = (self.data or {}).get("rows")
        if isinstance(rows, list):
            rows = rows[0] if rows else None
        return rows if isinstance(rows, Mapping) else {}


def one_line(text: str) -> str:
    """A server's words, fit for a sentence: no control characters, at most 200 characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]


class Wire:
    """Connections to one EzGED, kept alive; several threads may use it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._secrets: set[str] = set()
        for text in (settings.password, settings.token):
            self.secret(text)
        with quiet():
            self._http = httpx2.Client(
                verify=settings.tls(), timeout=settings.timeout, follow_redirects=False,
                limits=httpx2.Limits(max_connections=4, max_keepalive_connections=4),
                headers={"Accept": "application/json", "User-Agent": "ezcold"},
            )  # fmt: skip

    def __repr__(self) -> str:
        return f"Wire({self._settings.host!r})"

    def close(self) -> None:
        with quiet():
            self._http.close()

    def secret(self, text: str) -> None:
        """From now on, never repeat this text from an answer."""
        if text:
            self._secrets |= {text, quote(text, safe=""), quote_plus(text)}

    def forget_cookies(self) -> None:
        """Before another login."""
        self._http.cookies.clear()

    def clean(self, text: str) -> str:
        """Without the secrets, which an answer may repeat."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def call(
        self,
        method: str,
        endpoint: str,
        params: Mapping[str, str],
        *,
        data: Mapping[str, str] | None = None,
        content: Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request and its whole answer, whatever the status.

        :raises ScenarioUnavailable: no answer came, for whatever reason; the request may have been carried out.
        """
        try:
            with quiet():
                return self._call(method, endpoint, params, data, content, headers)
        except httpx2.TransportError as exc:
            sentence = self.clean(_sentence(exc, self._settings))
        except httpx2.RequestError as exc:  # an answer that cannot be unpacked
            sentence = _("EzGED at {host} gives an answer that cannot be read ({why})").format(
                host=self._settings.host, why=type(exc).__name__
            )
        raise ScenarioUnavailable(sentence) from None

    def _call(self, method: str, endpoint: str, params: Any, data: Any, content: Any, headers: Any) -> Answer:
        url = self._settings.base + endpoint
        with self._http.stream(method, url, params=params, data=data, content=content, headers=headers) as answer:
            body = bytearray()
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > MOST_ANSWER:
                    break
        return Answer(answer.status_code, _parsed(bytes(body)))


def _parsed(body: bytes) -> Mapping[str, Any] | None:
    try:
        value = json.loads(body.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _sentence(exc: httpx2.TransportError, settings: Settings) -> str:
    cause = _cause(exc)
    where = {"host": settings.host}
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _(
            "the certificate of EzGED at {host} is refused ({why}): renew it, or put its authority in `ca_file`"
        ).format(why=one_line(cause.verify_message or str(cause)), **where)
    if isinstance(cause, ssl.SSLError):
        return _("no TLS with EzGED at {host} ({why}): check the port of the Connection").format(
            why=one_line(str(cause)), **where
        )
    if isinstance(cause, socket.gaierror):
        return _("the name of EzGED's host {host} is not known: check the Connection, and the DNS").format(**where)
    if isinstance(exc, httpx2.TimeoutException):
        return _("EzGED at {host} does not answer within {seconds} s: check that it runs").format(
            seconds=f"{settings.timeout:g}", **where
        )
    if isinstance(exc, httpx2.ConnectError):
        return _("EzGED at {host} cannot be reached ({why}): check host and port, and that it runs").format(
            why=_why(cause), **where
        )
    return _("EzGED at {host} broke off ({why})").format(why=_why(cause), **where)


def _why(cause: BaseException) -> str:
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return one_line(str(cause)) or type(cause).__name__


def _cause(exc: BaseException) -> BaseException:
    """The innermost error that says something; the library's wrappers only repeat it."""
    found: BaseException = exc
    seen: set[int] = set()
    while exc is not None and id(exc) not in seen:
        seen.add(id(exc))
        if isinstance(exc, OSError):
            found = exc
        following = exc.__cause__ or exc.__context__
        if following is None:
            break
        exc = following
    return found
