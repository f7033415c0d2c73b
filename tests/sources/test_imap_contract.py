"""The source contract on Dovecot's IMAP."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ezcold_operators import sources
from ezcold_operators.sources.base import Source
from tests.contracts.source import SourceContract, World
from tests.servers.dovecot import Dovecot, Mailbox
from tests.sources.mail_world import TARGET, MailWorld, launcher

pytestmark = pytest.mark.dovecot


class ImapWorld(MailWorld):
    def port(self) -> int:
        return self.server.imaps

    def source(self) -> Source:
        return sources.create(launcher(protocol="imap", path="INBOX", after={"action": "move", "to": TARGET}))


class TestImap(SourceContract):
    @pytest.fixture
    def world(self, dovecot: Dovecot, new_user: Callable[..., Mailbox]) -> World:
        return ImapWorld(dovecot, new_user())
