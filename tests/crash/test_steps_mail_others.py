"""Mailboxes of lesser servers, other actions and POP, killed at the steps that set them apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.killing import kill_everywhere
from tests.crash.mail_worlds import HeartbeatWorld, ImapCopyWorld, ImapFlagWorld, ImapMarkWorld, PopWorld
from tests.crash.past_worlds import MailGoneWorld
from tests.crash.world import World, Zygote

pytestmark = [pytest.mark.crash, pytest.mark.dovecot, pytest.mark.timeout(600)]
KINDS = [ImapMarkWorld, ImapCopyWorld, ImapFlagWorld, PopWorld, HeartbeatWorld, MailGoneWorld]


@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_each_step(kind: type[World], zygote: Zygote, dovecot: None, tmp_path: Path) -> None:
    kill_everywhere(zygote, kind, tmp_path)
