"""What Graph's refusals mean. Decided by status and code, never by the message (Microsoft Graph, error responses)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ezcold_operators.errors import AuthenticationFailed, ConfigurationError, SourceUnavailable
from ezcold_operators.i18n import _
from ezcold_operators.sources.graph.settings import Settings

NO_MAILBOX = frozenset(
    {"errorinvaliduser", "mailboxnotenabledforrestapi", "request_resourcenotfound", "errornonexistentmailbox"}
)
EXPIRED_STATE = frozenset({"syncstatenotfound", "resyncrequired", "syncstateinvalid"})


class Refused(SourceUnavailable):
    """Graph refused one request for a reason that its caller may know how to handle."""

    def __init__(self, status: int, codes: frozenset[str], host: str) -> None:
        self.status, self.codes = status, codes
        super().__init__(
            _("{host} refused a request ({status} {code}).").format(
                host=host, status=status, code=", ".join(sorted(codes))
            )
        )

    @property
    def gone(self) -> bool:
        """What was asked for is not there, or cannot be there under such an id."""
        return self.status == 404 or bool(self.codes & {"erroritemnotfound", "errorinvalididmalformed"})

    @property
    def state_expired(self) -> bool:
        """A saved delta state is of no use any more."""
        return self.status in {400, 404, 410} or bool(self.codes & EXPIRED_STATE)


class Lost(SourceUnavailable):
    """No answer came: the request may or may not have been carried out."""


def parsed(body: bytes) -> dict[str, Any]:
    """The JSON object of a body; {} for an empty one.

    :raises SourceUnavailable: it is something else, such as a proxy's page.
    """
    if not body.strip():
        return {}
    try:
        value = json.loads(body)
    except ValueError as error:
        raise SourceUnavailable(_("Microsoft Graph's answer is not JSON: a proxy on the way?")) from error
    return value if isinstance(value, dict) else {}


def codes(body: Mapping[str, Any]) -> frozenset[str]:
    """Every error code in an error answer, the nested ones too, in lower case."""
    found, level = [], body.get("error")
    for _depth in range(8):
        if not isinstance(level, Mapping):
            break
        found.append(str(level.get("code") or "").lower())
        level = level.get("innerError") or level.get("innererror")
    return frozenset(code for code in found if code)


def judge(status: int, found: frozenset[str], settings: Settings) -> None:
    """Raise for what concerns the whole mailbox and only a person can mend; else return.

    :raises AuthenticationFailed: 403. :raises ConfigurationError: there is no such mailbox.
    """
    mailbox = settings.mailbox or settings.login or _("the linked account")
    if status == 403:
        sentence = (
            _("application {client_id} may not open {mailbox}: grant it Mail.ReadWrite, or widen its access policy.")
            if settings.app_only
            else _("the linked account may not open {mailbox} (Mail.ReadWrite): grant it, then `ezcold login` again.")
        )
        raise AuthenticationFailed(sentence.format(client_id=settings.client_id, mailbox=mailbox))
    if found & NO_MAILBOX:
        raise ConfigurationError(
            _("{mailbox} is not a mailbox of tenant {tenant}: correct `mailbox:` or the Connection's tenant.").format(
                mailbox=mailbox, tenant=settings.tenant
            )
        )
