"""Where the token caches of signed-in people are kept between runs: the ledger's account table, or memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from ezcold_operators.ledger.accounts import Account


class TokenStore(Protocol):
    """Keeps one token cache a key; `lock` is exclusive over all threads, processes and workers of one ledger."""

    def ready(self) -> None:
        """Raise ConfigurationError now rather than when there is something to save."""
        ...

    def load(self, key: str) -> Account | None:
        """The account kept under this key, or None."""
        ...

    def save(self, account: Account) -> None:
        """Keep it in place of what was there; to be called with the lock held."""
        ...

    def lock(self, key: str) -> AbstractContextManager[None]:
        """Hold this key alone; freed when its holder dies."""
        ...

    def mailbox(self, name: str) -> AbstractContextManager[None]:
        """Hold a mailbox alone, over the same."""
        ...


class MemoryStore:
    """Keeps accounts for the life of this object only: enough for an application, which signs in by itself."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self._guard = threading.Lock()
        self._locks: dict[str, threading.RLock] = {}

    def ready(self) -> None:
        """Memory is always ready."""

    def load(self, key: str) -> Account | None:
        """The account kept under this key, or None."""
        return self._accounts.get(key)

    def save(self, account: Account) -> None:
        """Keep it in place of what was there."""
        self._accounts[account.key] = account

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Hold this key alone among the threads of this process."""
        with self._guard:
            lock = self._locks.setdefault(key, threading.RLock())
        with lock:
            yield

    def mailbox(self, name: str) -> AbstractContextManager[None]:
        """Hold a mailbox alone among the threads of this process."""
        return self.lock(f"mailbox:{name}")
