"""Worlds with a past: what an earlier crash, a person or a disk did is met, and then the process is killed again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.killing import kill_everywhere
from tests.crash.past_worlds import PASTS
from tests.crash.world import World, Zygote

pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]


@pytest.mark.parametrize("kind", PASTS)
def test_killed_at_each_step(kind: type[World], zygote: Zygote, tmp_path: Path) -> None:
    kill_everywhere(zygote, kind, tmp_path)
