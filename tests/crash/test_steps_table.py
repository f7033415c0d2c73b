"""No effect without a name, and none without a test that kills the process before and after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash import group_worlds, mail_worlds, past_worlds
from tests.crash import world as worlds
from tests.crash.killing import SEED, kills, make, undisturbed
from tests.crash.steps import steps_in_source, unnamed_effects
from tests.crash.world import World, Zygote

pytestmark = [pytest.mark.crash, pytest.mark.timeout(120)]
ROOT = Path(__file__).parents[2]
ELSEWHERE = {
    # Killed by tests of their own, beside what they belong to.
    "tests/crash/test_o365_steps.py": ("account.save", "o365.create", "o365.move", "o365.patch"),
    "tests/crash/test_steps_people.py": (
        "people.replayed", "people.dismissed", "people.resent", "people.downloaded", "account.unlink", "export.copy",
        "prune.events", "reprise.counted",
    ),
    "tests/crash/test_steps_troubles.py": ("troubles.noted",),
    "tests/rooms/test_groups.py": ("groups.needless",),
}  # fmt: skip


def kinds() -> list[type[World]]:
    """Every world; a test that each is used would only repeat their names."""
    modules = (worlds, mail_worlds, group_worlds, past_worlds)
    found = {one for module in modules for one in vars(module).values() if isinstance(one, type)}
    return sorted((one for one in found if issubclass(one, World)), key=lambda one: one.__name__)


def test_every_effect_has_a_literal_name() -> None:
    assert unnamed_effects() == []


@pytest.mark.parametrize("file", ELSEWHERE)
def test_tests_elsewhere_know_their_steps(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert [step for step in ELSEWHERE[file] if f'"{step}"' not in text] == []


def test_every_world_is_killed_by_some_test() -> None:
    tests = "".join(file.read_text(encoding="utf-8") for file in Path(__file__).parent.glob("test_steps_*.py"))
    named = tests + "".join(one.__name__ + "\n" for one in (*past_worlds.PASTS, *past_worlds.PLACES))
    own = [one for one in kinds() if one.own or one.whole]
    assert [one.__name__ for one in own if one.__name__ not in named] == []


def test_no_effect_without_a_crash_test(zygote: Zygote, dovecot: None, tmp_path: Path) -> None:
    """What a world calls its own, it is killed at, or its test fails; the whole worlds are asked here."""
    covered = {step for one in kinds() for step in one.own} | {step for steps in ELSEWHERE.values() for step in steps}
    for kind in (worlds.FolderWorld, mail_worlds.ImapWorld):
        covered |= {step for step, _moment in kills(kind, undisturbed(zygote, make(kind, tmp_path, SEED)))}
    table = steps_in_source()
    assert {step: where for step, where in table.items() if step not in covered} == {}
    assert covered - set(table) == set(), "steps that the source has no more"
