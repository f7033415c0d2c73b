"""Groups, envelopes and EzGED: killed before and after each effect, then started again, twice at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.group_worlds import AdullactWorld, EzgedHoldWorld, EzgedWorld, GroupWorld
from tests.crash.killing import kill_everywhere
from tests.crash.world import World, Zygote

pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]


@pytest.mark.parametrize("kind", [GroupWorld, EzgedWorld, EzgedHoldWorld, AdullactWorld])
def test_killed_at_each_step(kind: type[World], zygote: Zygote, tmp_path: Path) -> None:
    kill_everywhere(zygote, kind, tmp_path)
