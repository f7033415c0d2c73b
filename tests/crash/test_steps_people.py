"""What people decide, and what the maintenance forgets: killed in the middle, and done again."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.crash import acts
from tests.crash.killing import SEED, make
from tests.crash.past_worlds import PastWorld
from tests.crash.world import Zygote

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]
MOMENTS = ("before", "after")


class HeldWorld(PastWorld):
    """Files that call themselves PDF and are none: in quarantine, until the launcher takes them as they are."""

    strictly = "mismatch: quarantine\n"

    def pdf(self) -> tuple[str, bytes]:
        name, data = super().pdf()
        del self.wanted[hashlib.sha256(data).hexdigest()]
        data = b"\x89PNG\r\n\x1a\n" + data
        self.wanted[hashlib.sha256(data).hexdigest()] += 1
        return name, data

    def held(self, zygote: Zygote) -> list[int]:
        """Items in quarantine, after a run."""
        self.configure(more=self.strictly)
        assert zygote.run([self.job()]) == [1], self.output()
        found = [row[0] for row in self.rows("SELECT id FROM item WHERE state = 'quarantined' ORDER BY id")]
        assert len(found) == self.items
        self.configure()
        return found

    def command(self, *argv: str, **more: Any) -> dict[str, Any]:
        return self.job(**more) | {"argv": list(argv)}


def killed(zygote: Zygote, job: dict[str, Any], step: str, moment: str, nth: int = 1) -> None:
    crash = {"step": step, "moment": moment, "nth": nth}
    assert zygote.run([job | {"crash": crash}]) == [-9], f"EZCOLD_SEED={SEED}\n{Path(job['out']).read_text()}"


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_replay(zygote: Zygote, tmp_path: Path, moment: str) -> None:
    world = make(HeldWorld, tmp_path, SEED)
    assert isinstance(world, HeldWorld)
    world.held(zygote)
    replay = world.command("quarantine", "replay", "--all")
    killed(zygote, replay, "people.replayed", moment, 3)
    assert zygote.run([replay, world.job()]) == [0, 0], world.output()
    assert zygote.run([world.job(), world.job()]) == [0, 0], world.output()
    world.check()


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_dismissal(zygote: Zygote, tmp_path: Path, moment: str) -> None:
    world = make(HeldWorld, tmp_path, SEED)
    assert isinstance(world, HeldWorld)
    world.held(zygote)
    dismissal = world.command("quarantine", "dismiss", "--all", "--reason", "no PDF")
    killed(zygote, dismissal, "people.dismissed", moment, 3)
    assert zygote.run([dismissal]) == [0], world.output()
    assert zygote.run([world.job(), world.job()]) == [0, 0], world.output()
    assert world.arrived() == Counter()
    assert len(world.left()) == world.items, "what was given up stays where it is"


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("step", ["people.resent", "dispatch.sending", "waitdir.rename", "dispatch.sent"])
def test_sending_again(zygote: Zygote, tmp_path: Path, step: str, moment: str) -> None:
    """Once more if the decision was taken, whatever died after it; not at all if it was not."""
    world = make(PastWorld, tmp_path, SEED)
    assert isinstance(world, PastWorld)
    assert zygote.run([world.job()]) == [0], world.output()
    (document, sha), *_others = world.rows("SELECT id, sha256 FROM document WHERE verdict = 'accepted' ORDER BY id")
    resend = world.job() | {"argv": ["resend", f"d{document}", "--to", "s1"]}
    killed(zygote, resend, step, moment)
    assert zygote.run([world.job(), world.job()]) == [0, 0], world.output()
    if (step, moment) != ("people.resent", "before"):
        world.wanted[sha] += 1
    world.check()


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_export(zygote: Zygote, tmp_path: Path, moment: str) -> None:
    world = make(PastWorld, tmp_path, SEED)
    assert isinstance(world, PastWorld)
    assert zygote.run([world.job()]) == [0], world.output()
    target = tmp_path / "out"
    ids = [row[0] for row in world.rows("SELECT id FROM item ORDER BY id")]
    jobs = [world.job() | {"argv": ["export", str(number), "--to", str(target)]} for number in ids]
    killed(zygote, jobs[0], "export.copy", moment)
    for job in jobs:
        assert zygote.run([job]) == [0], world.output()
    found = [file for file in target.rglob("*.pdf") if file.is_file()]
    assert Counter(hashlib.sha256(file.read_bytes()).hexdigest() for file in found) == world.wanted
    assert [file.name for file in target.rglob(".*")] == []


@pytest.mark.parametrize("moment", MOMENTS)
def test_forgetting(zygote: Zygote, tmp_path: Path, moment: str) -> None:
    """Events go, identity stays: nothing is imported again."""
    world = make(PastWorld, tmp_path, SEED)
    assert isinstance(world, PastWorld)
    assert zygote.run([world.job()]) == [0], world.output()
    args = [world.env["EZCOLD_LEDGER_URL"], time.time() + 60]
    forget = world.job() | {"call": "tests.crash.acts:forget", "args": args}
    killed(zygote, forget, "prune.events", moment)
    assert len(world.rows("SELECT id FROM event")) > 0 or moment == "after"
    assert zygote.run([forget]) == [0], world.output()
    assert world.rows("SELECT what FROM event") == []
    world.done.rename(tmp_path / "old")
    for file in (tmp_path / "old").rglob("*.*"):
        file.rename(world.inbox / file.relative_to(tmp_path / "old"))
    assert zygote.run([world.job(), world.job()]) == [0, 0], world.output()
    assert world.arrived() == world.wanted


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(
    ("step", "call"), [("people.downloaded", "download"), ("account.unlink", "unlink"), ("reprise.counted", "count")]
)
def test_the_pages(zygote: Zygote, tmp_path: Path, step: str, call: str, moment: str) -> None:
    world = make(PastWorld, tmp_path, SEED)
    assert isinstance(world, PastWorld)
    assert zygote.run([world.job()]) == [0], world.output()
    url = world.env["EZCOLD_LEDGER_URL"]
    acts.link(url, "someone")
    job = world.job() | {"call": f"tests.crash.acts:{call}", "args": [url]}
    killed(zygote, job, step, moment)
    query, before, after = {
        "download": ("SELECT id FROM event WHERE what = 'downloaded'", 0, 1),
        "unlink": ("SELECT key FROM account", 1, 0),
        "count": ("SELECT id FROM event WHERE what = 'counted'", 0, 1),
    }[call]
    assert len(world.rows(query)) == (before if moment == "before" else after)
    assert zygote.run([job]) == [0], world.output()
    world.check()
