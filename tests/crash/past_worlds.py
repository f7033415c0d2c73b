"""Worlds with a past: an earlier run was killed at a chosen step, and then something happened to its world.

Each world needs its past to come to the steps of which it is the crash test.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

from ezcold_operators.stage import Stage
from tests.crash.group_worlds import GroupWorld
from tests.crash.mail_worlds import ImapWorld
from tests.crash.world import BackupWorld, FolderWorld, World, Zygote

LONG_AGO = 3 * 86_400.0


class PastWorld(FolderWorld):
    """Killed only where its past matters."""

    whole = False

    @property
    def parts(self) -> Path:
        return self.wait.with_name(f".{self.wait.name}.ezcold-parts")

    def blobs(self) -> list[Path]:
        return sorted((self.home / "stage" / "blobs").glob("*/*"))

    def rows(self, query: str) -> list[Any]:
        with sqlite3.connect(self.home / "ledger.db") as ledger:
            return ledger.execute(query).fetchall()


class LostBytesWorld(PastWorld):
    """Half of the stage is lost before anything was decoded: it is read again."""

    own = ("decode.lost", "decode.revived")
    codes = frozenset({0, 1})

    def past(self, zygote: Zygote) -> None:
        self.die(zygote, "decode.claim")
        for blob in self.blobs()[::2]:
            blob.unlink()


class LostAndGoneWorld(PastWorld):
    """Bytes are lost here, and at their source too: a person hears of it, and everything else goes on."""

    own = ("fetch.gone",)
    codes = frozenset({0, 1})

    def past(self, zygote: Zygote) -> None:
        self.die(zygote, "decode.claim")
        gone = [file for file in self.inbox.rglob("*.pdf")][::2]
        for file in gone:
            sha = hashlib.sha256(file.read_bytes()).hexdigest()
            Stage(self.home / "stage").path(sha).unlink()
            file.unlink()
            del self.wanted[sha]
        self.items -= len(gone)
        assert zygote.run([self.job()]) == [1], self.output()

    def check(self) -> None:
        super().check()
        states = Counter(row[0] for row in self.rows("SELECT state FROM item"))
        assert states == {"settled": self.items + 1, "quarantined": type(self).items - self.items}


class LostDocumentsWorld(GroupWorld):
    """Documents that were found are lost before they are sent, some with the archive that they came from."""

    own = ("dispatch.lost",)
    also = ()
    codes = frozenset({0, 1})

    def past(self, zygote: Zygote) -> None:
        self.die(zygote, "dispatch.sending")
        for blob in sorted((self.home / "stage" / "blobs").glob("*/*"))[::2]:
            blob.unlink()


class GoneScenarioWorld(PastWorld):
    """Scenarios leave the YAML while documents are on their way to one, and owed to the other."""

    own = ("filter.recovered", "filter.orphaned")
    codes = frozenset({0, 1})

    def configure(self, launcher: str = "l1", send_to: str = "s1, s2", more: str = "", **scenarios: str) -> None:
        (self.tmp / "wait2").mkdir(exist_ok=True)
        two = {"s2": "driver: folder\n    path: {tmp}/wait2"}
        super().configure(launcher, send_to, more, **(scenarios or two))

    def past(self, zygote: Zygote) -> None:
        self.die(zygote, "dispatch.sending", "after")
        (self.tmp / "wait3").mkdir()
        self.driver = "driver: folder\n    path: {tmp}/wait3"
        self.configure(send_to="s3", s3="driver: folder\n    path: {tmp}/wait3")
        scenarios = self.tmp / "scenarios.yaml"
        scenarios.write_text(scenarios.read_text().replace("  s1:\n", "  other:\n"))

    def all_acknowledged(self) -> list[str]:
        """Nothing may be: the second scenario never got it, and a person must decide."""
        wrong = [f"{file} sent" for name in ("wait2", "wait3") for file in (self.tmp / name).iterdir()]
        wrong += [f"{n} in the inbox" for n in [len(self.left())] if n != self.items]
        states = Counter(self.rows("SELECT scenario, state FROM delivery"))
        if states != {("s1", "sent"): self.items, ("s2", "quarantined"): self.items}:
            wrong.append(f"deliveries: {states}")
        return wrong


class RenamedWorld(PastWorld):
    """The launcher gets another name while documents are on their way; its backups go with it."""

    own = ("launcher.rename", "backup.take_over")
    places = ("2026-01-01/1 x/x.pdf", "2026-01-01/2 y/y.pdf", "2026-01-02/3 z/z.pdf")

    def past(self, zygote: Zygote) -> None:
        self.die(zygote, "dispatch.sending", "after")
        for place in self.places:
            file = self.home / "backup" / "l1" / place
            file.parent.mkdir(parents=True)
            file.write_bytes(b"kept")
        self.file.unlink()
        self.file = self.file.with_name("l2.yaml")
        self.configure("l2", more="formerly: [l1]\n")

    def check(self) -> None:
        super().check()
        backups = self.home / "backup"
        assert sorted(str(file.relative_to(backups)) for file in backups.rglob("*.pdf")) == [
            f"l2/{place}" for place in self.places
        ]
        assert not (backups / "l1").exists()


class DeadDecoderWorld(PastWorld):
    """The decoder is killed while it has an item in hand: that item has failed once, all others not."""

    own = ("decode.failed",)
    hand: ClassVar[Any] = {"acts": [{"step": "decode.claim", "moment": "after", "act": "kill_decoder", "args": []}]}


class FullEntranceWorld(PastWorld):
    """The disk of the waiting directory is full, and then it is not."""

    own = ("dispatch.unsent",)
    codes = frozenset({0, 3})
    hand: ClassVar[Any] = {"file_limit": 2_000_000}

    def pdf(self) -> tuple[str, bytes]:
        name, data = super().pdf()
        del self.wanted[hashlib.sha256(data).hexdigest()]
        data += bytes(2_500_000)
        self.wanted[hashlib.sha256(data).hexdigest()] += 1
        return name, data

    def past(self, zygote: Zygote) -> None:
        self.die(zygote, "dispatch.claim")


class CutPartsWorld(PastWorld):
    """A dying disk cut parts short that were ready to be renamed."""

    own = ("waitdir.mend",)

    def past(self, zygote: Zygote) -> None:
        self.die(zygote, "dispatch.sending", "after")
        for part in list(self.parts.glob("[!.]*"))[::2]:
            os.truncate(part, part.stat().st_size // 2)


class RenamedPartsWorld(PastWorld):
    """Parts went in before the ledger could be told, and EzGED ate some."""

    own = ("waitdir.rename_again",)

    def past(self, zygote: Zygote) -> None:
        self.die(zygote, "dispatch.sent")
        for file in list(self.wait.iterdir())[::2]:
            file.rename(self.eaten / file.name)


class ReplacedPartsWorld(PastWorld):
    """The parts folder is exchanged, with what is in it, between the ledger's word and the rename."""

    own = ("waitdir.rename_again",)
    codes = frozenset({0, 1})

    def __init__(self, tmp: Path, seed: int) -> None:
        super().__init__(tmp, seed)
        act = {"step": "dispatch.sending", "moment": "after", "act": "replace_folder", "args": [str(self.parts)]}
        self.hand = {"acts": [act]}
        self.given_up = 0

    def finish(self, zygote: Zygote) -> None:
        """What went in just before the crash cannot be proved by a new folder: a person finds it in EzGED."""
        codes = zygote.run([self.job(), self.job()])
        self.given_up = len(self.rows("SELECT id FROM delivery WHERE state = 'sending'"))
        assert set(codes) <= ({0, 1} if self.given_up else {0}), f"{codes}\n{self.output()}"
        if self.given_up:
            found = [str(row[0]) for row in self.rows("SELECT item_id FROM delivery WHERE state = 'sending'")]
            argv = ["quarantine", "dismiss", *found, "--owed", "--reason", "it is in EzGED"]
            assert zygote.run([self.job() | {"argv": argv}]) == [0], self.output()
        assert zygote.run([self.job(), self.job()]) == [0, 0], self.output()

    def all_acknowledged(self) -> list[str]:
        left = self.left()
        return [] if len(left) == self.given_up < self.items else [f"{left} left, {self.given_up} given up"]


class DismissedWorld(PastWorld):
    """A person gives everything up while the parts of it are being written."""

    own = ("waitdir.discard",)

    def __init__(self, tmp: Path, seed: int) -> None:
        super().__init__(tmp, seed)
        args = [self.env["EZCOLD_LEDGER_URL"], "l1"]
        self.hand = {"acts": [{"step": "waitdir.sync_parts", "moment": "after", "act": "dismiss_all", "args": args}]}
        self.wanted.clear()

    def all_acknowledged(self) -> list[str]:
        """Nothing may be: what was given up stays where it is. What was prepared is gone, or swept when it is old."""
        left = [name for name in self.left() if name.endswith(".pdf")]
        return [f"{len(left)} left of {self.items}"] if len(left) != self.items else []


class OldStageWorld(BackupWorld):
    """What crashes left behind grew old, as did a backup."""

    own = ("stage.sweep_tmp", "stage.swept", "stage.sweep_blob", "waitdir.sweep", "backup.prune")
    stray = b"staged by a run that died, of a file that is no more"

    def past(self, zygote: Zygote) -> None:
        self.die(zygote, "waitdir.sync_parts", "after")
        self.old = [self.home / "stage" / "tmp" / "part", self.home / "stage" / "tmp" / "work-1" / "deep" / "part"]
        self.old += [self.blob(self.stray), self.home / "backup" / "l1" / "2001-02-03" / "1 x" / "x.pdf"]
        for file in self.old:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(self.stray)
        self.old += [part for part in self.wait.with_name(".wait.ezcold-parts").glob("[!.]*")]
        assert len(self.old) == 4 + self.items
        for path in (*self.old, *(folder for file in self.old[:2] for folder in file.parents[:2])):
            self.age(path)
        for blob in (self.home / "stage" / "blobs").glob("*/*"):
            self.age(blob)

    def age(self, path: Path) -> None:
        then = time.time() - LONG_AGO
        os.utime(path, (then, then))

    def blob(self, data: bytes) -> Path:
        return Stage(self.home / "stage").path(hashlib.sha256(data).hexdigest())

    def finish(self, zygote: Zygote) -> None:
        """Sweeping has time: the stage's is done every few hours, that of parts when the scenario gets something."""
        super().finish(zygote)
        (self.home / "stage" / "swept").unlink()
        name, data = self.pdf()
        (self.inbox / f"later {name}").write_bytes(data)
        assert zygote.run([self.job()]) == [0], self.output()

    def check(self) -> None:
        super().check()
        left = [str(path) for path in self.old if path.exists()]
        assert left == [], left


class HalfClaimWorld(PastWorld):
    """A file system without RENAME_NOREPLACE: a file was claimed by a link, and its own name is still there."""

    own = ("folder.claim_unlink",)

    def past(self, zygote: Zygote) -> None:
        names = set(self.left())
        self.die(zygote, "folder.claim", "after", 2)
        (claim,) = [file for file in self.inbox.rglob("*") if file.is_file() and file.name not in names]
        (name,) = names - set(self.left()) - {file.name for file in self.done.rglob("*")}
        os.link(claim, claim.with_name(name))


class BlockedTargetWorld(PastWorld):
    """A file stands where done items are to be moved to; a person takes it away."""

    own = ("settle.failed",)
    codes = frozenset({0, 1})

    def past(self, zygote: Zygote) -> None:
        self.done.write_text("in the way")

    def mend(self) -> None:
        self.done.unlink()


class MailGoneWorld(ImapWorld):
    """Somebody takes mails out of the mailbox between the sending and the acknowledgement."""

    whole = False
    own = ("settle.unmarked",)
    taken = 2

    def past(self, zygote: Zygote) -> None:
        self.die(zygote, "dispatch.sent", "after")
        for mail in [mail for mail in self.box.mails() if b"Facture" in mail.data][: self.taken]:
            mail.path.unlink()

    def all_acknowledged(self) -> list[str]:
        left = [f"in INBOX: {mail.data[:60]!r}" for mail in self.box.mails()]
        moved = [mail.data for mail in self.box.mails("Traité")]
        return left if len(set(moved)) == len(moved) == self.items - self.taken else [*left, f"{len(moved)} moved"]


PASTS: list[type[World]] = [
    LostBytesWorld, LostAndGoneWorld, LostDocumentsWorld, GoneScenarioWorld, RenamedWorld, DeadDecoderWorld,
    OldStageWorld,
]  # fmt: skip
PLACES: list[type[World]] = [
    FullEntranceWorld, CutPartsWorld, RenamedPartsWorld, ReplacedPartsWorld, DismissedWorld, BlockedTargetWorld,
    HalfClaimWorld,
]  # fmt: skip
