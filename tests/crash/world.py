"""A world: a source with items in it, a COLD waiting directory, a consumer that eats from it, and what must come true.

Names of files and mails come from a seed that the failing test prints.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

NAMES = ["facture", "Avoir n° 7", "reçu", "état des lieux", "ÉTÉ", "scan", "a.b", "日本", "d'été", "x" * 120]
until_exit = ExitStack()
atexit.register(until_exit.close)


class Zygote:
    """The forking process of tests/crash/zygote.py."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.crash.zygote"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
        )

    def run(self, jobs: Sequence[dict[str, Any]]) -> list[int]:
        """Run jobs at once; their exit codes, negative for a signal."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(list(jobs)) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the zygote died"
        statuses: list[int] = json.loads(answer)
        return statuses

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)


class Eater:
    """EzGED: takes files from the waiting directory at its own pace."""

    def __init__(self, waiting: Path, eaten: Path) -> None:
        self.waiting, self.eaten = waiting, eaten
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._eat, daemon=True)

    def _eat(self) -> None:
        while not self._stop.wait(0.003):
            self.once()

    def once(self) -> None:
        for entry in list(self.waiting.iterdir()):
            entry.rename(self.eaten / entry.name)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        self._thread.join()
        self.once()


class World:
    """Base of the worlds: a folder scenario and the bookkeeping; a subclass gives the source."""

    items = 6
    driver = "driver: folder\n    path: {wait}"
    extensions = "pdf"
    extra = ""
    whole = False
    """Killed at every step that it comes to; otherwise only at those that set it apart:"""
    own: tuple[str, ...] = ()
    """steps that it must come to, and is the crash test of;"""
    also: tuple[str, ...] = ()
    """beginnings of the names of others."""
    hand: Mapping[str, Any] = {}
    """What the job of the killed run has beside its command (tests/crash/zygote.py)."""
    codes = frozenset({0})
    """Exit codes that the runs may have; with others than 0, more of them follow until one ends well."""

    def __init__(self, tmp: Path, seed: int) -> None:
        self.tmp, self.random = tmp, random.Random(seed)
        self.home, self.wait, self.eaten = tmp / "home", tmp / "wait", tmp / "eaten"
        for folder in (self.wait, self.eaten, tmp / "launchers"):
            folder.mkdir()
        self.wanted: Counter[str] = Counter()
        self.file = tmp / "launchers" / "l1.yaml"
        # The ledger is named: nobody then asks Airflow, which costs seconds a run.
        ledger = f"sqlite:///{self.home}/ledger.db"
        self.env = {
            "EZCOLD_HOME": str(self.home), "EZCOLD_LANG": "en", "EZCOLD_LEDGER_URL": ledger,
            "EZCOLD_LAUNCHERS_DIR": str(self.file.parent),
        }  # fmt: skip
        self.prepare()
        self.configure()

    def configure(self, launcher: str = "l1", send_to: str = "s1", more: str = "", **scenarios: str) -> None:
        """Write the YAML. `scenarios`: others than s1, by id."""
        all_of_them = {"s1": self.driver} | scenarios
        texts = {name: text.format(wait=self.wait, tmp=self.tmp) for name, text in all_of_them.items()}
        entries = "".join(f"  {name}:\n    {text}\n" for name, text in texts.items())
        (self.tmp / "scenarios.yaml").write_text(f"scenarios:\n{entries}")
        self.file.write_text(
            f"launcher: {launcher}\nsource:\n{self.source_yaml()}"
            f"routes:\n  - extensions: [{self.extensions}]\n    send_to: [{send_to}]\n{self.extra}{more}"
        )

    def past(self, zygote: Zygote) -> None:
        """What happened before the run that is killed."""

    def mend(self) -> None:
        """What a person does before the runs after it."""

    def die(self, zygote: Zygote, step: str, moment: str = "before", nth: int = 1) -> None:
        """A run that is killed at this step, as a part of the past."""
        (status,) = zygote.run([self.job(crash={"step": step, "moment": moment, "nth": nth})])
        assert status == -9, f"no {step}: exit {status}\n{self.output()}"

    def finish(self, zygote: Zygote) -> None:
        """Two runs at once, and where a run may have to report something first, others until one ends well."""
        self.mend()
        codes = zygote.run([self.job(), self.job()])
        assert set(codes) <= self.codes, f"{codes}\n{self.output()}"
        for _run in range(4):
            if self.codes == {0} or codes == [0]:
                break
            codes = zygote.run([self.job()])
        else:
            raise AssertionError(f"{codes}\n{self.output()}")

    def prepare(self) -> None:
        """Fill the source."""
        raise NotImplementedError

    def source_yaml(self) -> str:
        raise NotImplementedError

    def all_acknowledged(self) -> list[str]:
        """What at the source is not as it must be in the end; empty when all is well."""
        raise NotImplementedError

    def pdf(self) -> tuple[str, bytes]:
        """A file name and its bytes, counted as wanted once."""
        name = self.random.choice(NAMES) + ".pdf"
        data = b"%PDF-1.4 " + self.random.randbytes(self.random.randrange(10, 40_000))
        self.wanted[hashlib.sha256(data).hexdigest()] += 1
        return name, data

    def job(self, **more: Any) -> dict[str, Any]:
        out = self.tmp / f"out{self.random.randrange(1 << 40)}"
        return {"argv": ["run", "--json", str(self.file)], "env": self.env, "out": str(out), **more}

    def arrived(self) -> Counter[str]:
        """sha256 of everything that EzGED has or could have taken."""
        files = [*self.wait.iterdir(), *self.eaten.iterdir()]
        return Counter(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)

    def check(self) -> None:
        """0 lost, 0 twice, all acknowledged, nothing left lying about."""
        arrived = self.arrived()
        assert not self.wanted - arrived, f"lost: {self.wanted - arrived}"
        assert not arrived - self.wanted, f"twice or unwanted: {arrived - self.wanted}"
        assert self.all_acknowledged() == []

    def output(self) -> str:
        """What the runs said, for a failing test."""
        return "\n".join(f"{file.name}: {file.read_text()}" for file in sorted(self.tmp.glob("out*")))

    def close(self) -> None:
        shutil.rmtree(self.tmp, ignore_errors=True)


class FolderWorld(World):
    """A folder source whose files are moved, or deleted, when they are done with."""

    whole = True
    after = "{action: move, to: %s}"

    def prepare(self) -> None:
        self.inbox, self.done = self.tmp / "in", self.tmp / "done"
        (self.inbox / "2024" / "été").mkdir(parents=True)
        self.fill()
        (self.inbox / "notes.txt").write_text("not wanted")

    def fill(self) -> None:
        """Some files lie deeper than others."""
        for n in range(self.items):
            name, data = self.pdf()
            (self.inbox / ("2024/été" if n % 3 == 1 else "") / f"{n} {name}").write_bytes(data)

    def source_yaml(self) -> str:
        after = self.after % self.done if "%s" in self.after else self.after
        return (
            f"  protocol: folder\n  path: {self.inbox}\n  subfolders: true\n  settle_seconds: 0\n"
            f"  after: {after}\n  rejected: {after}\n"
        )

    def left(self) -> list[str]:
        """What lies in the source, of any name."""
        return sorted(file.name for file in self.inbox.rglob("*") if file.is_file())

    def all_acknowledged(self) -> list[str]:
        left = self.left()
        moved = sum(1 for _file in self.done.rglob("*") if _file.is_file()) if self.done.exists() else 0
        if "%s" in self.after and moved != self.items + 1:
            left.append(f"{moved} moved, not {self.items + 1}")
        return left


class FolderDeleteWorld(FolderWorld):
    """Done files are deleted."""

    whole = False
    own = ("folder.claim", "folder.delete", "folder.sync")
    after = "{action: delete}"


class BackupWorld(FolderDeleteWorld):
    """With a local backup."""

    own = ("backup.link", "backup.sync")
    extra = "backup: {keep_days: 30}\n"

    def all_acknowledged(self) -> list[str]:
        kept = Counter(
            hashlib.sha256(file.read_bytes()).hexdigest()
            for file in (self.home / "backup").rglob("*") if file.is_file() and not file.name.startswith(".")
        )  # fmt: skip
        missing = self.wanted - kept
        return super().all_acknowledged() + [f"no backup of {sha}" for sha in missing]


class OtherDiskWorld(FolderWorld):
    """Done files go to another file system: copied, compared, removed."""

    whole = False
    own = ("folder.copy", "folder.unlink_copied", "folder.rename", "folder.claim", "folder.mkdir_target")

    def prepare(self) -> None:
        super().prepare()
        self.done = Path("/dev/shm") / f"ezcold-crash-{os.getpid()}-{self.random.randrange(1 << 40)}"

    def close(self) -> None:
        shutil.rmtree(self.done, ignore_errors=True)
        super().close()
