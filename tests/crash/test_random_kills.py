"""Real processes killed at random moments, two runs at once, EzGED eating: nothing lost, nothing twice.

EZCOLD_KILLS and EZCOLD_MAILS make it longer than CI's short form.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import require
from tests.crash.mail_worlds import ImapWorld
from tests.crash.world import Eater, FolderWorld, World

pytestmark = [pytest.mark.crash, pytest.mark.timeout(1800)]
SEED = int(os.environ.get("EZCOLD_SEED", random.SystemRandom().randrange(1 << 32)))
KILLS = int(os.environ.get("EZCOLD_KILLS", "8"))
ITEMS = int(os.environ.get("EZCOLD_MAILS", "60"))


def start(world: World, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ezcold_operators.cli", "run", "--json", str(world.file)]
    root = Path(__file__).parents[2]
    with out.open("wb") as log:
        return subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **world.env, "PYTHONPATH": str(root)}, cwd=world.tmp
        )


def storm(world: World, chosen: random.Random) -> None:
    with Eater(world.wait, world.eaten):
        for n in range(KILLS):
            runs = [start(world, world.tmp / f"out{n}-{k}") for k in range(chosen.choice([1, 1, 2]))]
            for run in runs:
                try:
                    run.wait(chosen.uniform(0.3, 3.0))
                except subprocess.TimeoutExpired:
                    run.kill()
                    run.wait()
        last = [start(world, world.tmp / f"outlast{k}") for k in range(2)]
        codes = [run.wait() for run in last]
    assert codes == [0, 0], f"EZCOLD_SEED={SEED}: {codes}\n{world.output()}"
    try:
        world.check()
    except AssertionError as exc:
        raise AssertionError(f"EZCOLD_SEED={SEED}: {exc}\n{world.output()}") from exc


@pytest.mark.dovecot
def test_mailbox(tmp_path: Path) -> None:
    require("dovecot")
    from tests.servers.dovecot import Dovecot

    class Many(ImapWorld):
        items = ITEMS

    with Dovecot() as server:
        Many.servers = {"everything": server}
        storm(Many(tmp_path, SEED), random.Random(SEED))


def test_folder(tmp_path: Path) -> None:
    class Many(FolderWorld):
        items = ITEMS

    storm(Many(tmp_path, SEED), random.Random(SEED))
