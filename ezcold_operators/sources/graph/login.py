"""Linking an account by device code ("Select account" in EzGED), and what will end soon."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import Launcher
from ezcold_operators.errors import AuthenticationFailed, ConfigurationError, SourceUnavailable
from ezcold_operators.i18n import _
from ezcold_operators.ledger.accounts import Account
from ezcold_operators.sources.graph.auth import IDLE_DAYS, application, token_cache
from ezcold_operators.sources.graph.entra import refusal
from ezcold_operators.sources.graph.settings import Settings, settings
from ezcold_operators.sources.graph.store import TokenStore

WARN = timedelta(days=14)


def device_login(
    launcher: Launcher,
    credentials: Credentials,
    store: TokenStore,
    show: Callable[[str], None],
    code: Callable[[str, str, float], None] = lambda _address, _code, _seconds: None,
) -> str:
    """Sign a person in: show an address and a code, wait until it was entered, keep the tokens.

    :param show: gets one sentence with the address and the code; a person enters it in any browser.
    :param code: gets the same as (address, code, seconds that it is good for), for a page.
    :returns: the account that is now linked to the Connection.
    :raises AuthenticationFailed: declined, expired, or not allowed. :raises ConfigurationError: nothing to sign in to.
    """
    wanted = settings(credentials, launcher.source.mailbox)
    if wanted.app_only:
        raise ConfigurationError(
            _("Connection {conn} signs in with a secret or a certificate: nobody needs to log in.").format(
                conn=wanted.conn_id
            )
        )
    store.ready()
    cache = token_cache()
    with application(wanted, cache) as app:
        flow = _flow(app, wanted)
        code(str(flow["verification_uri"]), str(flow["user_code"]), float(flow["expires_in"]))
        show(
            _("To link an account, open {address} and enter the code {code} (within {minutes} minutes).").format(
                address=flow["verification_uri"], code=flow["user_code"], minutes=max(1, flow["expires_in"] // 60)
            )
        )
        answer = _wait(app, flow, wanted)
        login = _login(app, answer)
    _keep(store, wanted, cache.serialize(), login)
    if wanted.login and wanted.login.casefold() != login.casefold():
        show(
            _("The Connection names {wanted}, but {login} signed in: it is {login} that is linked.").format(
                wanted=wanted.login, login=login
            )
        )
    return login


def _flow(app: Any, wanted: Settings) -> dict[str, Any]:
    """The address and the code to show, as the sign-in server gives them."""
    try:
        flow: dict[str, Any] = app.initiate_device_flow(scopes=wanted.scopes)
    except ValueError as error:
        raise SourceUnavailable(_("the sign-in server gave an answer that is not understood.")) from error
    if "user_code" not in flow:
        raise refusal(flow, wanted)
    return flow


def _wait(app: Any, flow: dict[str, Any], wanted: Settings) -> dict[str, Any]:
    """Poll until the person has decided; a cut line does not end the wait."""
    while True:
        try:
            answer: dict[str, Any] = app.acquire_token_by_device_flow(flow)
        except SourceUnavailable:
            if time.time() >= flow["expires_at"]:
                raise
            time.sleep(min(flow["interval"], max(0.0, flow["expires_at"] - time.time())))
            continue
        if "access_token" in answer:
            return answer
        if answer.get("error") == "authorization_pending":
            answer = {"error": "expired_token"}
        raise refusal(answer, wanted)


def _login(app: Any, answer: dict[str, Any]) -> str:
    claims = answer.get("id_token_claims") or {}
    name = claims.get("preferred_username") or claims.get("upn") or claims.get("email")
    accounts = app.get_accounts()
    if not name and accounts:
        name = accounts[0].get("username")
    if not accounts or not (name or claims.get("oid")):
        raise AuthenticationFailed(_("Microsoft did not say which account signed in: run `ezcold login` again."))
    return str(name or claims["oid"])


def _keep(store: TokenStore, wanted: Settings, tokens: str, login: str) -> None:
    account = Account(
        key=wanted.account_key,
        cache=tokens,
        login=login,
        tenant=wanted.tenant,
        expires_at=time.time() + IDLE_DAYS * 86400,
    )
    with store.lock(account.key):
        store.save(account)


def expiry_warnings(
    launcher: Launcher, credentials: Credentials, store: TokenStore | None = None, now: datetime | None = None
) -> list[str]:
    """One sentence for each secret, certificate or sign-in that has ended or ends within 14 days, where that is known.

    :param store: where signed-in accounts are kept; without one only the Connection is looked at.
    :raises ConfigurationError: the Connection is wrong.
    """
    moment = now or datetime.now(UTC)
    wanted = settings(credentials, launcher.source.mailbox)
    found: list[tuple[str, datetime | None]] = []
    if wanted.secret:
        found.append((_("`client_secret`"), wanted.secret_expires))
    if wanted.certificate:
        found.append((_("`certificate`"), _not_after(wanted)))
    if not wanted.app_only and store is not None:
        account = store.load(wanted.account_key)
        if account is None:
            return [_("Connection {conn}: no account is linked: run `ezcold login`.").format(conn=wanted.conn_id)]
        if account.state == "expired":
            return [
                _("Connection {conn}: the sign-in of {login} has ended: run `ezcold login`.").format(
                    conn=wanted.conn_id, login=account.login
                )
            ]
        end = datetime.fromtimestamp(account.expires_at, UTC) if account.expires_at else None
        found.append((_("the sign-in of {login}").format(login=account.login), end))
    return [_sentence(wanted.conn_id, what, end, moment) for what, end in found if end and end - moment <= WARN]


def _sentence(conn: str, what: str, end: datetime, now: datetime) -> str:
    sentence = (
        _("Connection {conn}: {what} ended on {date}: renew it.")
        if end <= now
        else _("Connection {conn}: {what} ends on {date}: renew it before.")
    )
    return sentence.format(conn=conn, what=what, date=end.date().isoformat())


def _not_after(wanted: Settings) -> datetime | None:
    from cryptography import x509

    start = wanted.certificate.find("-----BEGIN CERTIFICATE-----")
    try:
        return x509.load_pem_x509_certificate(wanted.certificate[start:].encode()).not_valid_after_utc
    except ValueError as error:
        raise ConfigurationError(
            _("Connection {conn}: `certificate` holds no certificate in PEM.").format(conn=wanted.conn_id)
        ) from error
