"""A mailbox: the process is killed before and after each effect, then started again, twice at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.killing import kill_everywhere
from tests.crash.mail_worlds import ImapWorld
from tests.crash.world import Zygote

pytestmark = [pytest.mark.crash, pytest.mark.dovecot, pytest.mark.timeout(600)]


def test_killed_at_each_step(zygote: Zygote, dovecot: None, tmp_path: Path) -> None:
    kill_everywhere(zygote, ImapWorld, tmp_path)
