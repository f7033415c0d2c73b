"""Servers for the tests of sources: one Dovecot a session, a fresh user a test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.servers.dovecot import Dovecot, Mailbox

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """A running Dovecot; a test that stops it starts it again."""
    with Dovecot() as server:
        yield server


@pytest.fixture
def new_user(dovecot: Dovecot) -> Callable[..., Mailbox]:
    """Makes users whom no other test has."""

    def make(password: str = "p4ss word") -> Mailbox:
        return dovecot.user(f"user{next(_numbers)}", password)

    return make
