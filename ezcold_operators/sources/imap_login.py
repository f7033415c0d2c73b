"""Logging in to IMAP, and what it means when a server refuses."""

from __future__ import annotations

import imaplib
import re
from typing import Any

import imapclient

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.errors import AuthenticationFailed, EzcoldError, SourceUnavailable
from ezcold_operators.i18n import _
from ezcold_operators.sources.mail_common import one_line

BUSY_CODES = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "CONTACTADMIN", "OVERQUOTA"})
"""Response codes (RFC 5530) after which the same command may work later."""
BUSY_LOGIN = re.compile(r"too many|simultaneous|temporar|try again|bandwidth|maximum number|rate limit|internal", re.I)
"""What servers without codes say when a login is refused only for now; Gmail's and Exchange's among them."""


def log_in(client: Any, credentials: Credentials) -> None:
    """LOGIN; AUTHENTICATE PLAIN where the password is not ASCII; XOAUTH2 with a ready token if `auth` says so.

    :raises AuthenticationFailed: refused. :raises SourceUnavailable: refused for now, or cut.
    """
    login, password = credentials.login, credentials.password
    if any(ord(c) < 32 for c in login + password):
        raise AuthenticationFailed(
            _("login or password of Connection {conn} holds a line break or another control character").format(
                conn=credentials.conn_id or "?"
            )
        )
    offers = {c.decode("ascii", "replace") for c in client.capabilities()}
    host = credentials.host
    try:
        if str(credentials.extra.get("auth", "")).lower() == "xoauth2":
            client.oauth2_login(login, password)
        elif "AUTH=PLAIN" in offers and ("LOGINDISABLED" in offers or not (login + password).isascii()):
            client.plain_login(login, password)
        elif "LOGINDISABLED" in offers:
            raise AuthenticationFailed(
                _("{host} takes no password on this connection: set `security` to tls or starttls").format(host=host)
            )
        else:
            client.login(login, password)
    except imapclient.exceptions.LoginError as exc:
        raise refusal(exc, host, login) from None
    except UnicodeEncodeError:
        raise AuthenticationFailed(
            _("{host} takes only unaccented logins and passwords (it has no AUTH=PLAIN)").format(host=host)
        ) from None


def refusal(exc: BaseException, host: str, login: str) -> EzcoldError:
    """The error for a login that failed: most say that the password is wrong, some that the server is busy."""
    words = one_line(words_of(exc))
    if isinstance(exc.__context__, imaplib.IMAP4.abort):
        return SourceUnavailable(_("{host} broke off the login: {words}").format(host=host, words=words))
    if code_of(words) in BUSY_CODES or BUSY_LOGIN.search(words):
        return SourceUnavailable(
            _("{host} refuses logins of {login} for now: {words}").format(host=host, login=login, words=words)
        )
    sentence = _("{host} refuses the login of {login}: {words}").format(host=host, login=login, words=words)
    if host.lower().endswith(("gmail.com", "googlemail.com")):
        sentence += ". " + _("Gmail wants an app password (myaccount.google.com/apppasswords), not the usual one")
    return AuthenticationFailed(sentence)


def words_of(exc: BaseException | bytes | str | None) -> str:
    """What the server said, out of an exception of imaplib (which holds bytes, or the repr of bytes)."""
    value: Any = exc.args[0] if isinstance(exc, BaseException) and exc.args else exc
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    text = str(value or "")
    found = re.search(r"b'(.*)'|b\"(.*)\"", text, re.S)
    return (found[1] or found[2] or "") if found else re.sub(r"^command: \S+ => ", "", text)


def code_of(words: str) -> str:
    """The response code in a server's words, in capitals; '' without one."""
    found = re.search(r"\[([A-Za-z-]+)[\] ]", words)
    return found[1].upper() if found else ""
