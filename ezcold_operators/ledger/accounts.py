"""Signed-in accounts: token caches encrypted at rest (Fernet), one writer at a time over all workers of one ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import insert, select, update

from ezcold_operators.errors import ConfigurationError, Unavailable
from ezcold_operators.i18n import _
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.ledger.tables import account as table

LOCK_WAIT_SECONDS = 90.0
"""A refresh asks Microsoft once; a holder that died frees the lock within 30 s."""

MAILBOX_WAIT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Account:
    """One person's sign-in. `cache` is a secret: it opens the mailbox."""

    key: str
    cache: str = field(repr=False)
    protocol: str = "o365"
    login: str = ""
    tenant: str = ""
    state: str = "linked"
    """`linked`, or `expired`: the person must sign in again."""
    expires_at: float | None = None
    """Seconds since the epoch: when the sign-in ends if it is not used before; None if unknown."""
    version: int = 0
    """What `load` read; `save` refuses to write over a newer one. 0: written over whatever is there."""


class Superseded(Unavailable):
    """Another worker wrote this account meanwhile: load it again."""


class AccountStore:
    """The ledger's account table.

    :param fernet_key: EZCOLD_FERNET_KEY, else Airflow's; several, newest first, separated by commas. Looked at only
        when there is something to encrypt: an application with a secret works without.
    """

    def __init__(self, ledger: Ledger, fernet_key: str | None) -> None:
        self._ledger, self._key = ledger, fernet_key

    def __repr__(self) -> str:
        return "AccountStore()"

    @property
    def _fernet(self) -> MultiFernet:
        if not self._key:
            raise ConfigurationError(_("no key to encrypt the account's tokens: set EZCOLD_FERNET_KEY."))
        try:
            return MultiFernet([Fernet(part.strip()) for part in self._key.split(",") if part.strip()])
        except ValueError:
            raise ConfigurationError(_("EZCOLD_FERNET_KEY is not a Fernet key: make one as the guide says.")) from None

    def ready(self) -> None:
        """Before somebody takes the trouble to sign in.

        :raises ConfigurationError: there is no key to encrypt with.
        """
        self._fernet  # noqa: B018

    def load(self, key: str) -> Account | None:
        """The account kept under this key, or None.

        :raises ConfigurationError: there is no key, or it was encrypted with another.
        """
        with self._ledger.read() as conn:
            row = conn.execute(select(table).where(table.c.key == key)).mappings().first()
        if row is None:
            return None
        try:
            cache = self._fernet.decrypt(bytes(row["cache"])).decode()
        except InvalidToken:
            raise ConfigurationError(
                _("the account's tokens were encrypted with another key: restore it, or sign in again.")
            ) from None
        known = {name: row[name] for name in ("key", "protocol", "login", "tenant", "state", "expires_at", "version")}
        return Account(cache=cache, **known)

    def save(self, account: Account) -> None:
        """Keep it in place of what was there; call it with the lock held.

        :raises Superseded: another version was saved since this one was loaded.
        """
        values: dict[str, object] = {
            "protocol": account.protocol,
            "login": account.login,
            "tenant": account.tenant,
            "cache": self._fernet.encrypt(account.cache.encode()),
            "state": account.state,
            "expires_at": account.expires_at,
        }
        with self._ledger.transaction("account.save") as conn:
            values["updated_at"] = self._ledger.now(conn)
            here = table.c.key == account.key
            found = conn.execute(select(table.c.version).where(here).with_for_update()).scalar_one_or_none()
            if found is None:
                conn.execute(insert(table).values(key=account.key, version=1, **values))
            elif account.version in (0, found):
                conn.execute(update(table).where(here).values(version=found + 1, **values))
            else:
                raise Superseded(_("another worker renewed the account {login} meanwhile").format(login=account.login))

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Hold this account alone over all threads, processes and machines that share the ledger."""
        with self._ledger.lease(f"account:{key}", wait=LOCK_WAIT_SECONDS):
            yield

    @contextmanager
    def mailbox(self, name: str) -> Iterator[None]:
        """Hold a mailbox alone over all launchers and workers: Microsoft allows it four requests at once in all.

        :raises Unavailable: another run held it for ten minutes.
        """
        with self._ledger.lease(f"mailbox:{name}", wait=MAILBOX_WAIT_SECONDS):
            yield
