"""A run that cannot work says why in the ledger: killed there, it is as if it had said it, or had not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.killing import SEED, make
from tests.crash.past_worlds import PastWorld
from tests.crash.world import Zygote

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_why_a_run_could_not_work(zygote: Zygote, tmp_path: Path, moment: str) -> None:
    world = make(PastWorld, tmp_path, SEED)
    assert isinstance(world, PastWorld)
    away = world.inbox.rename(tmp_path / "away")
    world.die(zygote, "troubles.noted", moment)
    said = world.rows("SELECT what, detail FROM event")
    assert [what for what, _detail in said] == (["unable:source"] if moment == "after" else [])
    assert zygote.run([world.job(), world.job()]) == [3, 3], world.output()
    away.rename(world.inbox)
    world.finish(zygote)
    world.check()
