"""Waiting directories and source folders that are not as they should be, and the process killed in the middle of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.killing import kill_everywhere
from tests.crash.past_worlds import PLACES
from tests.crash.world import World, Zygote

pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]


@pytest.mark.parametrize("kind", PLACES)
def test_killed_at_each_step(kind: type[World], zygote: Zygote, tmp_path: Path) -> None:
    kill_everywhere(zygote, kind, tmp_path)
