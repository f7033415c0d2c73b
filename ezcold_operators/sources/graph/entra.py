"""msal's way to Microsoft's sign-in: httpx2 underneath, with our TLS, retries and waiting, and its answers in words."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import httpx2

from ezcold_operators.errors import AuthenticationFailed, ConfigurationError, EzcoldError, SourceUnavailable, Throttled
from ezcold_operators.i18n import _
from ezcold_operators.sources.graph.gate import Patience, retry_after, unreachable
from ezcold_operators.sources.graph.settings import Settings

TRANSIENT = frozenset({"temporarily_unavailable", "server_error"})


class EntraHttp:
    """What msal asks for as `http_client`. Unlike msal's own it ignores REQUESTS_CA_BUNDLE and honours `ca_file`.

    A throttled or failing sign-in server is waited for and asked again here, so that msal never sees it.

    :raises SourceUnavailable: it does not answer. :raises Throttled: it asks for a longer wait than a run can afford.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = httpx2.Client(verify=settings.tls(), timeout=settings.timeout, follow_redirects=False)

    def post(self, url: str, **options: Any) -> httpx2.Response:
        """POST a form."""
        return self._send("POST", url, options)

    def get(self, url: str, **options: Any) -> httpx2.Response:
        """GET a document."""
        return self._send("GET", url, options)

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    def _send(self, method: str, url: str, options: Mapping[str, Any]) -> httpx2.Response:
        known = {name: options[name] for name in ("params", "headers") if options.get(name)}
        data = options.get("data")
        if isinstance(data, Mapping):
            # msal gives its signed assertion as bytes, of which httpx2 would write the repr.
            known["data"] = {name: _text(value) for name, value in data.items() if value is not None}
        elif data:
            known["content"] = data
        patience = Patience(_("the sign-in server"), self._settings.timeout)
        while True:
            try:
                answer = self._client.request(method, url, **known)
            except httpx2.TransportError as error:
                time.sleep(patience.cut(unreachable(error, httpx2.URL(url).host)))
                continue
            if answer.status_code == 429 or answer.status_code >= 500:
                time.sleep(patience.refused(answer.status_code, retry_after(answer.headers)))
                continue
            return answer


def _text(value: Any) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else str(value)


def refusal(answer: Mapping[str, Any], settings: Settings) -> EzcoldError:
    """One sentence for an OAuth error answer: which, and what to do.

    Whether to try again follows `error` alone; the AADSTS number only says what a person must mend (Microsoft: never
    branch on it).
    """
    error = str(answer.get("error") or "unknown")
    if error in TRANSIENT:
        return SourceUnavailable(_("Microsoft's sign-in is unavailable for now ({error}).").format(error=error))
    numbers = [int(n) for n in answer.get("error_codes") or [] if str(n).isdigit()] or _numbers(answer)
    for number in numbers:
        if number in SENTENCES:
            kind, sentence = SENTENCES[number]
            return kind(_fill(_(sentence), settings) + f" (AADSTS{number})")
    suffix = " (" + ", ".join([error, *(f"AADSTS{n}" for n in numbers)]) + ")"
    sentence = BY_ERROR.get(error, N_("Microsoft refused the sign-in of Connection {conn}: check its extras."))
    if error == "invalid_grant" and settings.app_only:
        sentence = BY_ERROR["unauthorized_client"]
    return AuthenticationFailed(_fill(_(sentence), settings) + suffix)


def unknown_authority(settings: Settings) -> ConfigurationError:
    """The tenant, or the whole authority, is not known to Microsoft."""
    return ConfigurationError(
        _fill(
            _("Connection {conn}: Microsoft does not know the tenant of {authority}: check `tenant` and `authority`."),
            settings,
        )
    )


def sign_in_again(settings: Settings, why: str = "") -> AuthenticationFailed:
    """Nobody is signed in, or no longer."""
    sentence = why or N_("no Microsoft account is linked to Connection {conn}: run `ezcold login` on the launcher.")
    return AuthenticationFailed(_fill(_(sentence), settings))


def _fill(sentence: str, settings: Settings) -> str:
    return sentence.format(
        conn=settings.conn_id,
        client_id=settings.client_id,
        tenant=settings.tenant,
        authority=settings.authority,
        host=settings.graph_host,
    )


def _numbers(answer: Mapping[str, Any]) -> list[int]:
    head = str(answer.get("error_description") or "").partition(":")[0].strip()
    return [int(head[6:])] if head.startswith("AADSTS") and head[6:].isdigit() else []


def N_(sentence: str) -> str:
    """Mark a sentence for the catalogue where it stands; it is translated where it is used."""
    return sentence


_AGAIN = N_("the sign-in of Connection {conn} has ended: a person must run `ezcold login` on the launcher again.")
_NO_APP = N_("Connection {conn}: tenant {tenant} does not know the application {client_id}: check both.")
_NO_TENANT = N_("Connection {conn}: Microsoft does not know the tenant {tenant}: check `tenant` and the cloud.")
_CONSENT = N_("nobody consented to application {client_id}: an administrator must grant it Mail.ReadWrite.")
_CERTIFICATE = N_("Connection {conn}: the certificate is not one of application {client_id}, or has expired: renew it.")

BY_ERROR: dict[str, str] = {
    "invalid_grant": _AGAIN,
    "interaction_required": _AGAIN,
    "invalid_client": N_("Microsoft refused the secret or certificate of application {client_id}: make a new one."),
    "unauthorized_client": N_("tenant {tenant} does not let application {client_id} sign in: ask its administrator."),
    "consent_required": _CONSENT,
    "authorization_declined": N_("the sign-in was declined on the Microsoft page: run `ezcold login` again."),
    "access_denied": N_("the sign-in was declined on the Microsoft page: run `ezcold login` again."),
    "expired_token": N_("nobody entered the code in time: run `ezcold login` again."),
    "code_expired": N_("nobody entered the code in time: run `ezcold login` again."),
    "bad_verification_code": N_("Microsoft no longer knows this code: run `ezcold login` again."),
}

SENTENCES: dict[int, tuple[type[EzcoldError], str]] = {
    7000215: (
        AuthenticationFailed,
        N_("Connection {conn}: `client_secret` is wrong: give the secret's value (not its id) of {client_id}."),
    ),
    7000222: (
        AuthenticationFailed,
        N_("Connection {conn}: `client_secret` has expired: make a new one for application {client_id}."),
    ),
    700027: (AuthenticationFailed, _CERTIFICATE),
    700024: (
        AuthenticationFailed,
        N_("Microsoft refused the time of our signature: set this machine's clock (Connection {conn})."),
    ),
    700016: (ConfigurationError, _NO_APP),
    700038: (ConfigurationError, _NO_APP),
    90002: (ConfigurationError, _NO_TENANT),
    900023: (ConfigurationError, _NO_TENANT),
    500011: (
        ConfigurationError,
        N_("Connection {conn}: `graph_host` {host} does not belong to this cloud or tenant: check it."),
    ),
    9001023: (
        ConfigurationError,
        N_("Connection {conn}: an application signs in to one tenant: give `tenant` its id or domain."),
    ),
    7000218: (
        ConfigurationError,
        N_("application {client_id} does not allow public client flows: allow them in Entra, or give a secret."),
    ),
    65001: (AuthenticationFailed, _CONSENT),
    65004: (AuthenticationFailed, _CONSENT),
    90094: (AuthenticationFailed, _CONSENT),
    50020: (
        AuthenticationFailed,
        N_("this account does not belong to tenant {tenant}: sign in with another, or correct `tenant`."),
    ),
    50034: (
        AuthenticationFailed,
        N_("this account does not belong to tenant {tenant}: sign in with another, or correct `tenant`."),
    ),
    50057: (AuthenticationFailed, N_("the linked account of Connection {conn} is disabled: ask its administrator.")),
    53003: (
        AuthenticationFailed,
        N_("a Conditional Access policy of tenant {tenant} blocks this sign-in: ask its administrator."),
    ),
    50173: (
        AuthenticationFailed,
        N_("the sign-in of Connection {conn} was revoked: a person must run `ezcold login` on the launcher again."),
    ),
    700082: (
        AuthenticationFailed,
        N_("the sign-in of Connection {conn} was not used for 90 days: run `ezcold login` on the launcher again."),
    ),
    50076: (
        AuthenticationFailed,
        N_("Microsoft asks for a second factor again (Connection {conn}): run `ezcold login` on the launcher."),
    ),
    50079: (
        AuthenticationFailed,
        N_("Microsoft asks for a second factor again (Connection {conn}): run `ezcold login` on the launcher."),
    ),
}

__all__ = ["BY_ERROR", "SENTENCES", "EntraHttp", "Throttled", "refusal", "sign_in_again", "unknown_authority"]
