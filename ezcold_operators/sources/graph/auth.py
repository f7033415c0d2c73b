"""Access tokens, by msal: of an application (secret or certificate) or of a person who signed in once (device code)."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ezcold_operators.errors import AuthenticationFailed, ConfigurationError, SourceUnavailable
from ezcold_operators.i18n import _
from ezcold_operators.ledger.accounts import Account, Superseded
from ezcold_operators.sources.graph.entra import EntraHttp, refusal, sign_in_again, unknown_authority
from ezcold_operators.sources.graph.settings import Settings
from ezcold_operators.sources.graph.store import TokenStore

IDLE_DAYS = 90
"""A refresh token ends after 90 days without use, and is renewed at each use (Microsoft, Refresh tokens)."""
EARLY_SECONDS = 300.0


class Tokens(ABC):
    """Gives a bearer token, renews it before it ends and once more when Graph refuses it. Safe for threads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.login = settings.mailbox or settings.login
        self._guard = threading.Lock()
        self._token = ""
        self._renew_at = 0.0

    def bearer(self) -> str:
        """A token to send now.

        :raises AuthenticationFailed: Microsoft refuses the sign-in. :raises ConfigurationError: unknown tenant, app.
        :raises SourceUnavailable: its sign-in server does not answer.
        """
        with self._guard:
            if not self._token or time.monotonic() >= self._renew_at:
                self._take(self._acquire(""))
            return self._token

    def renew(self, refused: str) -> str:
        """Another token than the one that Graph refused; threads that were refused the same one renew it once."""
        with self._guard:
            if self._token == refused:
                self._take(self._acquire(refused))
            return self._token

    def _take(self, answer: Mapping[str, Any]) -> None:
        self._token = str(answer["access_token"])
        life = float(answer.get("expires_in") or 0)
        self._renew_at = time.monotonic() + life - min(EARLY_SECONDS, life / 10)

    @abstractmethod
    def _acquire(self, refused: str) -> Mapping[str, Any]:
        """A successful token answer, whose access token is not `refused`."""


class AppTokens(Tokens):
    """Of an application: nothing to keep, a new token is always one request away."""

    def _acquire(self, refused: str) -> Mapping[str, Any]:
        with application(self.settings) as app:
            # msal would answer from its own cache; this application object is new, so it has none.
            answer = app.acquire_token_for_client(scopes=self.settings.scopes)
        return _checked(answer, self.settings)


class UserTokens(Tokens):
    """Of a person: the cache with the refresh token is in the store, and only its lock's holder renews it."""

    def __init__(self, settings: Settings, store: TokenStore) -> None:
        super().__init__(settings)
        self._store = store

    def _acquire(self, refused: str) -> Mapping[str, Any]:
        key = self.settings.account_key
        if self._store.load(key) is None:
            raise sign_in_again(self.settings)
        for _attempt in range(3):
            try:
                with self._store.lock(key):
                    return self._renewed(refused)
            except Superseded:
                continue
        raise SourceUnavailable(_("the account's tokens are being renewed by another worker: try later."))

    def _renewed(self, refused: str) -> Mapping[str, Any]:
        """Called with the lock held: what is in the store now is the newest."""
        account = self._store.load(self.settings.account_key)
        if account is None:
            raise sign_in_again(self.settings)
        cache = token_cache(account.cache)
        with application(self.settings, cache) as app:
            known = app.get_accounts()
            if not known:
                raise sign_in_again(self.settings)
            answer = app.acquire_token_silent_with_error(self.settings.scopes, account=known[0])
            if answer and answer.get("access_token") == refused:
                # Not renewed by another worker meanwhile: msal believes the refused token, so it is told to renew.
                answer = app.acquire_token_silent_with_error(self.settings.scopes, account=known[0], force_refresh=True)
        if cache.has_state_changed:
            self._store.save(kept(account, cache, ended=bool(answer and answer.get("error") == "invalid_grant")))
        self.login = self.settings.mailbox or account.login
        if answer is None:
            raise sign_in_again(self.settings)
        if answer.get("error") == "invalid_grant" and not cache.has_state_changed:
            self._store.save(kept(account, cache, ended=True))
        return _checked(answer, self.settings)


def kept(account: Account, cache: Any, *, ended: bool = False) -> Account:
    """The account's row after a use of its cache."""
    return Account(
        key=account.key,
        cache=cache.serialize(),
        protocol=account.protocol,
        login=account.login,
        tenant=account.tenant,
        state="expired" if ended else "linked",
        expires_at=account.expires_at if ended else time.time() + IDLE_DAYS * 86400,
        version=account.version,
    )


def token_cache(text: str = "") -> Any:
    """msal's serialisable cache, filled from what the store kept."""
    from msal import SerializableTokenCache

    cache = SerializableTokenCache()
    if text:
        cache.deserialize(text)
    return cache


@contextmanager
def application(settings: Settings, cache: Any = None) -> Iterator[Any]:
    """An msal application; a new one each time, since an old one repeats refusals from its own memory.

    :raises ConfigurationError: Microsoft does not know the tenant, or the certificate cannot be used.
    """
    import msal

    http = EntraHttp(settings)
    common: dict[str, Any] = {
        "authority": settings.authority,
        "instance_discovery": settings.instance_discovery,
        "token_cache": cache,
        "http_client": http,
    }
    try:
        if settings.app_only:
            credential = credential_of(settings)
            try:
                app = msal.ConfidentialClientApplication(settings.client_id, client_credential=credential, **common)
            except ValueError as error:
                raise _construction(error, settings) from error
        else:
            try:
                app = msal.PublicClientApplication(settings.client_id, **common)
            except ValueError as error:
                raise unknown_authority(settings) from error
        yield app
    finally:
        http.close()


def credential_of(settings: Settings) -> str | dict[str, str]:
    """The client credential as msal takes it: a secret, or a key with its certificate (signed PS256).

    :raises ConfigurationError: the PEM lacks the key or the certificate.
    """
    if settings.secret:
        return settings.secret
    pem = settings.certificate
    if "PRIVATE KEY-----" not in pem or "BEGIN CERTIFICATE-----" not in pem:
        raise ConfigurationError(
            _("Connection {conn}: `certificate` must hold the private key and the certificate, in PEM.").format(
                conn=settings.conn_id
            )
        )
    credential = {"private_key": pem, "public_certificate": pem[pem.index("-----BEGIN CERTIFICATE-----") :]}
    if settings.certificate_password:
        credential["passphrase"] = settings.certificate_password
    return credential


def _construction(error: ValueError, settings: Settings) -> ConfigurationError:
    if "authority" in str(error).lower() or settings.secret:
        return unknown_authority(settings)
    return ConfigurationError(
        _("Connection {conn}: the private key in `certificate` cannot be read (wrong password?).").format(
            conn=settings.conn_id
        )
    )


def _checked(answer: Mapping[str, Any] | None, settings: Settings) -> Mapping[str, Any]:
    if not answer or "access_token" not in answer:
        raise refusal(answer or {}, settings)
    return answer


def tokens(settings: Settings, store: TokenStore) -> Tokens:
    """The right kind for this Connection."""
    return AppTokens(settings) if settings.app_only else UserTokens(settings, store)


__all__ = ["AppTokens", "AuthenticationFailed", "Tokens", "UserTokens", "application", "kept", "token_cache", "tokens"]
