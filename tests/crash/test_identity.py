"""UIDs that come to mean other mails: nothing lost, nothing twice, and never the wrong mail acknowledged.

Half of the mails cannot be delivered at first: their scenario is down. A mailbox gets another UIDVALIDITY, or the same
one with its UIDs given to other mails, after a crash or between two rooms of one run. None of the undelivered mails may
be touched then, whatever mail had its UID before.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.crash import acts
from tests.crash.killing import SEED, make
from tests.crash.mail_worlds import ImapMarkWorld, ImapWorld, PopWorld
from tests.crash.world import Eater, Zygote

pytestmark = [pytest.mark.crash, pytest.mark.dovecot, pytest.mark.timeout(300)]
STEPS = [("fetch.staged", "after"), ("decode.decoded", "before"), ("dispatch.sending", "after"),
         ("dispatch.sent", "after"), ("settle.settled", "before")]  # fmt: skip


class TwoScenarios:
    """Mixed into a mail world: mails with an XML file are for a scenario that is down until `mend`."""

    def prepare(self: Any) -> None:
        self.bystanders = 3
        super().prepare()  # type: ignore[misc]
        self.later: Counter[str] = Counter()
        self.held: set[bytes] = set()
        for n in range(self.bystanders):
            mail = EmailMessage()
            mail["From"], mail["Subject"] = "b@example.fr", f"Later {n}"
            mail.set_content("Bonjour")
            data = f"<a>{self.random.random()}</a>".encode()
            mail.add_attachment(data, maintype="application", subtype="xml", filename="f.xml")
            self.later[hashlib.sha256(data).hexdigest()] += 1
            self.box.deliver(mail.as_bytes())
            self.held.add(mail.as_bytes())

    def configure(self: Any) -> None:
        self.extra = "  - extensions: [xml]\n    send_to: [s2]\n"
        super().configure(s2="driver: folder\n    path: {tmp}/wait2")  # type: ignore[misc]

    def touched(self: Any) -> list[bytes]:
        """Mails for the scenario that is down which are not as they were."""
        untouched = {mail.data for mail in self.box.mails() if "S" not in mail.flags and "T" not in mail.flags}
        return [mail for mail in self.held if mail not in untouched]

    def mend(self: Any) -> None:
        (self.tmp / "wait2").mkdir()
        self.items += self.bystanders

    def check(self: Any) -> None:
        super().check()  # type: ignore[misc]
        arrived = Counter(hashlib.sha256(file.read_bytes()).hexdigest() for file in (self.tmp / "wait2").iterdir())
        assert arrived == self.later


class MoveTwo(TwoScenarios, ImapWorld):
    codes = frozenset({0, 3})


class MarkTwo(TwoScenarios, ImapMarkWorld):
    codes = frozenset({0, 3})


class PopTwo(TwoScenarios, PopWorld):
    codes = frozenset({0, 3})


CASES = [(MoveTwo, *one) for one in STEPS] + [(MarkTwo, *STEPS[3]), (PopTwo, *STEPS[2])]
"""The rooms are the same for all: two steps will do for the others."""


@pytest.mark.parametrize("how", ["another validity", "other UIDs"])
@pytest.mark.parametrize(("kind", "step", "moment"), CASES)
def test_after_a_crash(
    kind: Any, how: str, step: str, moment: str, zygote: Zygote, dovecot: None, tmp_path: Path
) -> None:
    world: Any = make(kind, tmp_path, SEED + zlib.crc32(f"{kind} {how} {step}".encode()))
    context = f"EZCOLD_SEED={SEED}"
    with Eater(world.wait, world.eaten):
        world.die(zygote, step, moment)
        acts.renumber(str(world.box.home), world.random.randrange(1 << 30), how)
        codes = zygote.run([world.job(), world.job()])
        assert set(codes) <= {0, 3}, f"{context}: {codes}\n{world.output()}"
        assert world.touched() == [], f"{context}\n{world.output()}"
        acts.renumber(str(world.box.home), world.random.randrange(1 << 30), how)
        world.finish(zygote)
    world.check()


@pytest.mark.parametrize("how", ["another validity", "other UIDs"])
def test_between_two_rooms_of_a_run(how: str, zygote: Zygote, dovecot: None, tmp_path: Path) -> None:
    world: Any = make(MoveTwo, tmp_path, SEED + zlib.crc32(how.encode()))
    act = {"step": "dispatch.sent", "moment": "after", "act": "renumber",
           "args": [str(world.box.home), world.random.randrange(1 << 30), how]}  # fmt: skip
    with Eater(world.wait, world.eaten):
        (code,) = zygote.run([world.job(acts=[act])])
        assert code in world.codes, world.output()
        assert world.touched() == [], f"EZCOLD_SEED={SEED}\n{world.output()}"
        world.finish(zygote)
    world.check()
