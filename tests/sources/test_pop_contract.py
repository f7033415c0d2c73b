"""The source contract on Dovecot's POP3."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from ezcold_operators import sources
from ezcold_operators.sources.base import Source
from tests.contracts.source import SourceContract, World
from tests.servers.dovecot import Dovecot, Mailbox
from tests.sources.mail_world import MailWorld, launcher

pytestmark = pytest.mark.dovecot


class PopWorld(MailWorld):
    actions = ("keep", "delete")

    def port(self) -> int:
        return self.server.pops

    def source(self) -> Source:
        return sources.create(launcher(protocol="pop", after={"action": "delete"}))

    def snapshot(self) -> Any:
        """Without flags: a POP3 client neither sees nor sets them, Dovecot does on its own."""
        return [(base, data) for base, _, data in super().snapshot()]

    def item(self, number: int, payload: bytes = b"") -> bytes:
        return super().item(number, payload) + b"\r\n"

    def marked(self) -> list[bytes]:
        return []

    def hard(self) -> Iterable[tuple[bytes, bytes]]:
        """A mail in POP3 is lines: the server ends the last one."""
        yield from super().hard()
        endless = self.item(904) + b"the end"
        yield endless, endless + b"\r\n"


class TestPop(SourceContract):
    @pytest.fixture
    def world(self, dovecot: Dovecot, new_user: Callable[..., Mailbox]) -> World:
        return PopWorld(dovecot, new_user())
