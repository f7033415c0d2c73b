"""Shared by the crash tests: the forking process, and mail servers of several abilities."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.conftest import require
from tests.crash.mail_worlds import OFFERS, ImapWorld
from tests.crash.world import Zygote


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    process = Zygote()
    yield process
    process.close()


@pytest.fixture(scope="module")
def dovecot() -> Iterator[None]:
    """A server of each ability, for the mail worlds."""
    require("dovecot")
    from tests.servers.dovecot import Dovecot

    with ExitStack() as stack:
        ImapWorld.servers = {name: stack.enter_context(Dovecot(extra=extra)) for name, extra in OFFERS.items()}
        yield
