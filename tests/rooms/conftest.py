from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import require
from tests.rooms.works import PASSWORD, Works
from tests.servers.dovecot import Dovecot, Mailbox


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """One server for all tests of the rooms; each has a user of its own."""
    require("dovecot")
    with Dovecot() as server:
        yield server


@pytest.fixture
def works(tmp_path: Path) -> Works:
    return Works(tmp_path, "s1", "s2")


@pytest.fixture
def box(works: Works, dovecot: Dovecot) -> Mailbox:
    """The mailbox that `works` watches; what is done with is moved to Done."""
    user = f"u{uuid.uuid4().hex[:10]}"
    found = dovecot.user(user, PASSWORD)
    works.imap(dovecot, user, after={"action": "move", "to": "Done"}, rejected={"action": "move", "to": "Nothing"})
    return found
