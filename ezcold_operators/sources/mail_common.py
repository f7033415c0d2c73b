"""What IMAP and POP3 share: TLS, the account's name in keys, and what a failing network is called."""

from __future__ import annotations

import hashlib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.errors import ConfigurationError, SourceUnavailable
from ezcold_operators.i18n import _

SECURITY = ("tls", "starttls", "none")
ENDED = (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""How an open connection ends without a word."""
TLS_ALTERNATIVES = {"tls": "starttls", "starttls": "tls", "none": "tls"}


def check(credentials: Credentials, ports: tuple[int, int]) -> tuple[str, int]:
    """Host and port of a Connection.

    :param ports: the protocol's ports with TLS from the start, and without.
    :raises ConfigurationError: no host, no login, or an unknown `security`.
    """
    where = credentials.conn_id or "?"
    if not credentials.host:
        raise ConfigurationError(_("Connection {conn} has no host").format(conn=where))
    if not credentials.login:
        raise ConfigurationError(_("Connection {conn} has no login").format(conn=where))
    if credentials.security not in SECURITY:
        raise ConfigurationError(
            _("Connection {conn}: `security` is {value}; it must be tls, starttls or none").format(
                conn=where, value=credentials.security
            )
        )
    return credentials.host, credentials.port or ports[0 if credentials.security == "tls" else 1]


def tls_context(credentials: Credentials) -> ssl.SSLContext:
    """Verifies against the system's authorities and, beside them, `ca_file`.

    :raises ConfigurationError: `ca_file` cannot be read or holds no certificate.
    """
    context = ssl.create_default_context()
    if credentials.ca_file:
        try:
            context.load_verify_locations(credentials.ca_file)
        except (OSError, ssl.SSLError) as exc:
            raise ConfigurationError(
                _("Connection {conn}: `ca_file` {file} is no readable PEM file of certificates: {why}").format(
                    conn=credentials.conn_id or "?", file=credentials.ca_file, why=reason(exc)
                )
            ) from exc
    return context


def reason(exc: BaseException) -> str:
    """An exception's own words, on one line."""
    text = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
    return one_line(text) or type(exc).__name__


def one_line(text: str | bytes | None) -> str:
    """A server's words, fit for a sentence: no control characters, at most 200 characters."""
    if text is None:
        return ""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]


@contextmanager
def network(host: str, port: int, security: str, timeout: float) -> Iterator[None]:
    """Give every error of socket and TLS its class and its sentence.

    :raises SourceUnavailable: always; a refused certificate too, as nothing can be fetched until it is mended.
    """
    where = {"host": host, "port": port}
    try:
        yield
    except ssl.SSLCertVerificationError as exc:
        why = one_line(exc.verify_message or str(exc))
        raise SourceUnavailable(
            _(
                "the certificate of {host}:{port} is refused ({why}): renew it, or put its authority in `ca_file`"
            ).format(why=why, **where)
        ) from exc
    except ssl.SSLError as exc:
        other = TLS_ALTERNATIVES.get(security, "tls")
        raise SourceUnavailable(
            _("no TLS with {host}:{port} ({why}): check the port, or set `security` to {other}").format(
                why=reason(exc), other=other, **where
            )
        ) from exc
    except socket.gaierror as exc:
        raise SourceUnavailable(
            _("the name {host} is not known: check the host of the Connection, and the DNS").format(**where)
        ) from exc
    except TimeoutError as exc:
        raise SourceUnavailable(
            _("{host}:{port} did not answer within {seconds:g} seconds").format(seconds=timeout, **where)
        ) from exc
    except ConnectionRefusedError as exc:
        raise SourceUnavailable(
            _("{host}:{port} refuses connections: is the server up, and the port right?").format(**where)
        ) from exc
    except OSError as exc:
        raise SourceUnavailable(
            _("the connection to {host}:{port} broke off: {why}").format(why=reason(exc), **where)
        ) from exc


HEADER_LIMIT = 65536
"""Bytes of a header block that are hashed; a mail without an empty line is all header, whatever its size."""


def fingerprint(header: bytes, size: int) -> str:
    """What proves that the mail under a key is still that mail: its header block and its announced size."""
    return f"sha256:{hashlib.sha256(header[:HEADER_LIMIT]).hexdigest()};{size}"
