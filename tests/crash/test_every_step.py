"""Every effect of the river is a named step; the process is killed before and after each, for each source.

Then it is started again, twice at once, while EzGED eats: the end state is the same as if nothing had happened.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import require
from tests.crash.steps import steps_in_source, unnamed_effects
from tests.crash.world import (
    BackupWorld,
    Eater,
    EzgedWorld,
    FolderDeleteWorld,
    FolderWorld,
    GroupWorld,
    ImapMarkWorld,
    ImapWorld,
    OtherDiskWorld,
    World,
    Zygote,
)

pytestmark = pytest.mark.crash
SEED = int(os.environ.get("EZCOLD_SEED", random.SystemRandom().randrange(1 << 32)))

ELSEWHERE = {
    # Killed by tests of their own, beside what they belong to.
    "account.save": "tests/crash/test_o365_steps.py",
    "o365.create": "tests/crash/test_o365_steps.py",
    "o365.move": "tests/crash/test_o365_steps.py",
    "o365.patch": "tests/crash/test_o365_steps.py",
    "adullact.write_note": "tests/sources/test_adullact.py",
    "adullact.unlink_note": "tests/sources/test_adullact.py",
    "groups.needless": "tests/rooms/test_groups.py",
    "people.replayed": "tests/rooms/test_replay.py",
    "people.dismissed": "tests/rooms/test_replay.py",
    "people.resent": "tests/rooms/test_replay.py",
    "prune.events": "tests/rooms/test_replay.py",
    "export.copy": "tests/rooms/test_replay.py",
}
WORLDS: dict[str, type[World]] = {
    "folder": FolderWorld, "folder_delete": FolderDeleteWorld, "backup": BackupWorld, "other_disk": OtherDiskWorld,
    "imap": ImapWorld, "imap_mark": ImapMarkWorld, "group": GroupWorld, "ezged": EzgedWorld,
}  # fmt: skip
WHOLE = {"folder", "imap"}
"""Worlds that are killed at every step; the others only at the steps that set them apart."""
OWN = ("folder.", "imap.", "backup.")
ALSO = {"group": ("groups.", "dispatch.", "waitdir."), "ezged": ("ezged.", "groups.", "dispatch.")}


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    process = Zygote()
    yield process
    process.close()


@pytest.fixture(scope="module")
def dovecot() -> Iterator[None]:
    require("dovecot")
    from tests.servers.dovecot import Dovecot

    with Dovecot() as server:
        ImapWorld.server = server
        yield


def make(name: str, tmp: Path, seed: int) -> World:
    folder = tmp / f"w{seed}"
    folder.mkdir()
    return WORLDS[name](folder, seed)


def trace(zygote: Zygote, world: World) -> list[str]:
    """The steps that one undisturbed run comes to, in order."""
    out = world.tmp / "trace"
    assert zygote.run([world.job(trace=str(out))]) == [0], world.output()
    world.check()
    return out.read_text().split()


def test_every_effect_has_a_literal_name() -> None:
    assert unnamed_effects() == []


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", WORLDS)
def test_killed_before_and_after_each_step(name: str, zygote: Zygote, dovecot: None, tmp_path: Path) -> None:
    chosen = random.Random(SEED)
    reached = trace(zygote, make(name, tmp_path, SEED))
    for number, step in enumerate(dict.fromkeys(reached)):
        if name not in WHOLE and not step.startswith((*OWN, *ALSO.get(name, ()))):
            continue
        for moment in ("before", "after"):
            seed = SEED + 2 * number + (moment == "after") + 1
            nth = chosen.randint(1, min(reached.count(step), 4))
            world = make(name, tmp_path, seed)
            context = f"EZCOLD_SEED={SEED}, killed {moment} {step} number {nth}"
            with Eater(world.wait, world.eaten):
                crash = {"step": step, "moment": moment, "nth": nth}
                (status,) = zygote.run([world.job(crash=crash)])
                assert status == -9, f"{context}: not reached, exit {status}\n{world.output()}"
                both = zygote.run([world.job(), world.job()])
            assert both == [0, 0], f"{context}: {both}\n{world.output()}"
            try:
                world.check()
            except AssertionError as exc:
                raise AssertionError(f"{context}: {exc}\n{world.output()}") from exc
            world.close()


def test_no_effect_without_a_crash_test(zygote: Zygote, dovecot: None, tmp_path: Path) -> None:
    reached: set[str] = set()
    for n, name in enumerate(WORLDS):
        reached.update(trace(zygote, make(name, tmp_path, SEED + n)))
    missing = {step: where for step, where in steps_in_source().items() if step not in reached | set(ELSEWHERE)}
    assert missing == {}
