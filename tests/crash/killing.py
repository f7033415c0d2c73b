"""Killing a world's run before and after its steps, starting it again twice at once, and looking at what came true."""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

from tests.crash.world import Eater, World, Zygote

SEED = int(os.environ.get("EZCOLD_SEED", random.SystemRandom().randrange(1 << 32)))
NTH = 4
"""A step that is passed often is cut at one of its first times."""


def make(kind: type[World], tmp: Path, seed: int) -> World:
    """A world in a folder of its own."""
    folder = tmp / f"{kind.__name__}-{seed}"
    folder.mkdir()
    return kind(folder, seed)


def undisturbed(zygote: Zygote, world: World) -> Counter[tuple[str, str]]:
    """How often the run that is to be killed comes to each (step, moment) when nobody kills it."""
    out = world.tmp / "trace"
    world.past(zygote)
    (code,) = zygote.run([world.job(trace=str(out), **world.hand)])
    assert code in world.codes, f"exit {code}\n{world.output()}"
    world.finish(zygote)
    world.check()
    steps = [line.split() for line in out.read_text().splitlines()]
    world.close()
    return Counter((step, moment) for step, moment in steps)


def kills(kind: type[World], reached: Counter[tuple[str, str]]) -> list[tuple[str, str]]:
    """Where this world is killed; each of its own steps must be among them."""
    chosen = [one for one in reached if kind.whole or one[0] in kind.own or one[0].startswith(kind.also or ("-",))]
    missing = set(kind.own) - {step for step, _moment in chosen}
    assert not missing, f"{kind.__name__} does not come to {sorted(missing)}"
    return chosen


def kill(zygote: Zygote, world: World, step: str, moment: str, nth: int) -> None:
    """Kill, go on, and check."""
    context = f"EZCOLD_SEED={SEED}, {type(world).__name__} killed {moment} {step} number {nth}"
    try:
        world.past(zygote)
        with Eater(world.wait, world.eaten):
            crash = {"step": step, "moment": moment, "nth": nth}
            (status,) = zygote.run([world.job(crash=crash, **world.hand)])
            assert status == -9, f"not reached, exit {status}\n{world.output()}"
            world.finish(zygote)
        world.check()
    except AssertionError as exc:
        raise AssertionError(f"{context}: {exc}\n{world.output()}") from exc
    world.close()


def kill_everywhere(zygote: Zygote, kind: type[World], tmp: Path) -> None:
    """Everything above, for one kind of world."""
    chosen = random.Random(SEED)
    reached = undisturbed(zygote, make(kind, tmp, SEED))
    for number, (step, moment) in enumerate(kills(kind, reached), start=1):
        nth = chosen.randint(1, min(reached[step, moment], NTH))
        kill(zygote, make(kind, tmp, SEED + number), step, moment, nth)
