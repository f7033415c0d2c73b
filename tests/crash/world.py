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
import uuid
import zipfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self

NAMES = ["facture", "Avoir n° 7", "reçu", "état des lieux", "ÉTÉ", "scan", "a.b", "日本", "d'été", "x" * 120]
_until_exit = ExitStack()
atexit.register(_until_exit.close)


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
    source = ""
    driver = "driver: folder\n    path: {wait}"
    extra = ""

    def __init__(self, tmp: Path, seed: int) -> None:
        self.tmp, self.random = tmp, random.Random(seed)
        self.home, self.wait, self.eaten = tmp / "home", tmp / "wait", tmp / "eaten"
        for folder in (self.wait, self.eaten, tmp / "launchers"):
            folder.mkdir()
        self.wanted: Counter[str] = Counter()
        self.file = tmp / "launchers" / "l1.yaml"
        # The ledger is named: nobody then asks Airflow, which costs seconds a run.
        ledger = f"sqlite:///{self.home}/ledger.db"
        self.env = {"EZCOLD_HOME": str(self.home), "EZCOLD_LANG": "en", "EZCOLD_LEDGER_URL": ledger}
        self.prepare()
        (tmp / "scenarios.yaml").write_text(
            "scenarios:\n  s1:\n    " + self.driver.format(wait=self.wait, tmp=tmp) + "\n"
        )
        self.file.write_text(
            f"launcher: l1\nsource:\n{self.source_yaml()}"
            "routes:\n  - extensions: [pdf]\n    send_to: [s1]\n" + self.extra
        )

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

    after = "{action: move, to: %s}"

    def prepare(self) -> None:
        self.inbox, self.done = self.tmp / "in", self.tmp / "done"
        self.inbox.mkdir()
        for n in range(self.items):
            name, data = self.pdf()
            (self.inbox / f"{n} {name}").write_bytes(data)
        (self.inbox / "notes.txt").write_text("not wanted")

    def source_yaml(self) -> str:
        after = self.after % self.done if "%s" in self.after else self.after
        rejected = f"  rejected: {after}\n"
        return f"  protocol: folder\n  path: {self.inbox}\n  settle_seconds: 0\n  after: {after}\n{rejected}"

    def all_acknowledged(self) -> list[str]:
        left = [entry.name for entry in self.inbox.iterdir()]
        moved = sum(1 for _file in self.done.rglob("*") if _file.is_file()) if self.done.exists() else 0
        if "%s" in self.after and moved != self.items + 1:
            left.append(f"{moved} moved, not {self.items + 1}")
        return left


class FolderDeleteWorld(FolderWorld):
    after = "{action: delete}"


class BackupWorld(FolderDeleteWorld):
    """With a local backup."""

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

    def prepare(self) -> None:
        super().prepare()
        self.done = Path("/dev/shm") / f"ezcold-crash-{os.getpid()}-{self.random.randrange(1 << 40)}"

    def close(self) -> None:
        shutil.rmtree(self.done, ignore_errors=True)
        super().close()


class ImapWorld(World):
    """A Dovecot mailbox; mails are moved when done with."""

    after = "{action: move, to: Traité}"
    server: Any = None

    def prepare(self) -> None:
        self.login = f"u{uuid.uuid4().hex}"
        self.box = self.server.user(self.login, "secret")
        for n in range(self.items):
            mail = EmailMessage()
            mail["From"], mail["Subject"] = "a@example.fr", f"Facture {n}"
            if n % 2:
                mail["Message-ID"] = f"<{self.random.randrange(1 << 60)}@example.fr>"
            mail.set_content("Bonjour")
            for _ in range(self.random.randrange(1, 3)):
                name, data = self.pdf()
                mail.add_attachment(data, maintype="application", subtype="pdf", filename=name)
            self.box.deliver(mail.as_bytes())
        self.box.deliver(b"Subject: no document\r\n\r\nhello\r\n")
        conn = {
            "conn_type": "imap", "host": "localhost", "port": self.server.imaps, "login": self.login,
            "password": "secret", "extra": {"ca_file": str(self.server.ca_file)},
        }  # fmt: skip
        self.env["AIRFLOW_CONN_BOX"] = json.dumps(conn)

    def source_yaml(self) -> str:
        return f"  protocol: imap\n  connection: box\n  after: {self.after}\n  rejected: {{action: delete}}\n"

    def all_acknowledged(self) -> list[str]:
        left = [f"in INBOX: {mail.data[:60]!r}" for mail in self.box.mails()]
        moved = Counter(hashlib.sha256(mail.data).hexdigest() for mail in self.box.mails("Traité"))
        if len(moved) != self.items or set(moved.values()) != {1}:
            left.append(f"moved: {sorted(moved.values())}, not {self.items} once each")
        return left


class ImapMarkWorld(ImapWorld):
    after = "{action: mark}"

    def all_acknowledged(self) -> list[str]:
        return [mail.path.name for mail in self.box.mails() if "S" not in mail.flags]


class GroupWorld(FolderWorld):
    """Archives whose documents go in as groups, their index last."""

    items = 3
    driver = "driver: folder\n    path: {wait}\n    group: true\n    index: json"
    extra = "unpack: [archive]\n"

    def prepare(self) -> None:
        self.inbox, self.done = self.tmp / "in", self.tmp / "done"
        self.inbox.mkdir()
        for n in range(self.items):
            with zipfile.ZipFile(self.inbox / f"lot {n}.zip", "w") as archive:
                for member in range(3):
                    name, data = self.pdf()
                    archive.writestr(f"{member} {name}", data)
        (self.inbox / "notes.txt").write_text("not wanted")

    def files(self) -> dict[str, bytes]:
        """What EzGED has or could have taken: name to bytes."""
        return {file.name: file.read_bytes() for file in (*self.wait.iterdir(), *self.eaten.iterdir())}

    def arrived(self) -> Counter[str]:
        files = {name: data for name, data in self.files().items() if not name.endswith(".json")}
        return Counter(hashlib.sha256(data).hexdigest() for data in files.values())

    def check(self) -> None:
        super().check()
        files = self.files()
        told = [one for name, data in files.items() if name.endswith(".json") for one in json.loads(data)["documents"]]
        there = sorted(name for name in files if not name.endswith(".json"))
        assert sorted(one["file"] for one in told) == there, "an index twice, or one that tells of other files"


class EzgedWorld(GroupWorld):
    """Uploads into EzGED (`retry`): nothing lost; what went twice went under one name."""

    driver = "driver: ezged\n    connection: ged\n    waitdir: {waitdir}\n    index: json"
    server: Any = None

    def prepare(self) -> None:
        super().prepare()
        if EzgedWorld.server is None:
            from tests.servers.ezged import ezged_server

            EzgedWorld.server = _until_exit.enter_context(ezged_server())
            EzgedWorld.server.state.most_sessions = 1_000  # killed processes leave theirs behind
        waitdir = f"w{self.random.randrange(1 << 60):x}"
        self.uploaded: dict[str, bytes] = self.server.files.setdefault(waitdir, {})
        self.server.state.waitdirs.add(waitdir)
        self.driver = self.driver.format(waitdir=waitdir)
        self.env["AIRFLOW_CONN_GED"] = self.server.connection()

    def files(self) -> dict[str, bytes]:
        return dict(self.uploaded)

    def check(self) -> None:
        super().check()
        assert self.server.violations == []
