"""A person's decisions, the process killed before and after each of their effects; and two at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.ledger.tables import delivery, event, item
from tests.airflow_runs import write

pytestmark = pytest.mark.crash
PDF = b"%PDF-1.4\n%%EOF\n"
KILL = """
import os, signal, sys
from ezcold_operators import steps
wanted, moment = sys.argv[1].rsplit(":", 1)
def observer(name, at):
    if (name, at) == (wanted, moment):
        os.kill(os.getpid(), signal.SIGKILL)
steps.observe(observer)
sys.argv = ["ezcold", *sys.argv[2:]]
from ezcold_operators.cli import main
main()
"""


class World:
    """One file sent, one in quarantine."""

    def __init__(self, root: Path) -> None:
        self.root, self.wait, self.incoming = root, root / "wait", root / "in"
        self.wait.mkdir()
        self.incoming.mkdir()
        scenario = {"driver": "folder", "path": str(self.wait), "parts": str(root / "parts")}
        write(root / "scenarios.yaml", {"scenarios": {"s": scenario}})
        self.launcher(limits={"max_item_mb": 1})
        for name, data in (("small.pdf", PDF), ("large.pdf", PDF + b"x" * 1_000_001)):
            file = self.incoming / name
            file.write_bytes(data)
            os.utime(file, (1_700_000_000, 1_700_000_000))
        self.call("run", str(self.file), code=1)

    def launcher(self, **more: Any) -> None:
        after = {"action": "move", "to": str(self.root / "done")}
        source = {"protocol": "folder", "path": f"{self.incoming}/*.*", "settle_seconds": 0, "after": after}
        routes = [{"extensions": ["*"], "send_to": ["s"]}]
        content = {"launcher": "l", "source": source, "routes": routes, **more}
        self.file = write(self.root / "launchers" / "l.yaml", content)

    def start(self, *words: str, kill: str = "") -> subprocess.Popen[str]:
        env = os.environ | {"EZCOLD_HOME": str(self.root / "home"), "EZCOLD_LANG": "en",
                            "EZCOLD_LAUNCHERS_DIR": str(self.root / "launchers")}  # fmt: skip
        env.pop("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", None)
        command = [sys.executable, "-c", KILL, kill or "none:before", *words]
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def call(self, *words: str, kill: str = "", code: int = 0) -> str:
        process = self.start(*words, kill=kill)
        out, err = process.communicate(timeout=120)
        wanted = -signal.SIGKILL if kill else code
        assert process.returncode == wanted, f"{words}: {process.returncode}\n{out}\n{err}"
        return out

    def arrived(self) -> list[str]:
        return sorted(f"{p.stem.rsplit('__', 1)[0]}{p.suffix}" for p in self.wait.iterdir())

    def ledger(self) -> Ledger:
        return Ledger.open(f"sqlite:///{self.root}/home/ledger.db")

    def events(self, what: str) -> int:
        with self.ledger() as ledger, ledger.read() as conn:
            return int(conn.execute(select(func.count()).where(event.c.what == what)).scalar_one())

    def held(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = json.loads(self.call("quarantine", "list", "--json"))["items"]
        return items


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_while_replaying(world: World, moment: str) -> None:
    world.launcher()
    world.call("quarantine", "replay", "--all", kill=f"people.replayed:{moment}")
    assert len(world.held()) == (1 if moment == "before" else 0)
    if moment == "before":
        world.call("quarantine", "replay", "--all")
    world.call("run", str(world.file))
    assert (world.arrived(), world.events("replayed")) == (["large.pdf", "small.pdf"], 1)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_while_dismissing(world: World, moment: str) -> None:
    words = ("quarantine", "dismiss", "--all", "--reason", "no")
    world.call(*words, kill=f"people.dismissed:{moment}")
    assert len(world.held()) == (1 if moment == "before" else 0)
    if moment == "before":
        world.call(*words)
    world.call("run", str(world.file))
    assert [file.name for file in world.incoming.iterdir()] == ["large.pdf"]
    assert (world.arrived(), world.events("dismissed")) == (["small.pdf"], 1)


@pytest.mark.parametrize(("moment", "copies"), [("before", 1), ("after", 2)])
def test_killed_while_resending(world: World, moment: str, copies: int) -> None:
    with world.ledger() as ledger, ledger.read() as conn:
        (sent,) = conn.execute(select(delivery.c.document_id)).scalars()
    world.call("resend", f"d{sent}", "--to", "s", kill=f"people.resent:{moment}")
    assert world.arrived() == ["small.pdf"]
    world.call("run", str(world.file))
    assert world.arrived() == ["small.pdf"] * copies


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_while_forgetting(world: World, moment: str) -> None:
    with world.ledger() as ledger, ledger.transaction("test.age") as conn:
        conn.execute(update(event).values(at=event.c.at - 1000 * 86_400))
        conn.execute(update(item).values(settled_at=item.c.settled_at - 1000 * 86_400))
    world.call("prune", "--older-than", "400d", kill=f"prune.events:{moment}")
    assert (world.events("sent") > 0) is (moment == "before")
    world.call("prune", "--older-than", "400d")
    assert (world.events("sent"), world.events("quarantined")) == (0, 1)
    world.call("run", str(world.file))
    assert world.arrived() == ["small.pdf"]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_while_exporting(world: World, moment: str) -> None:
    out = world.root / "out"
    words = ("export", "small.pdf", "--to", str(out))
    world.call(*words, kill=f"export.copy:{moment}")
    world.call(*words)
    assert [file.read_bytes() for file in out.rglob("*") if file.is_file()] == [PDF]


def test_two_people_replay_and_resend_at_once(world: World) -> None:
    """Each decision counts once; what two people ask for at the same time goes in no more than twice."""
    world.launcher()
    both = [world.start("quarantine", "replay", "--all") for _ in range(2)]
    codes = sorted(process.wait(60) for process in both)
    assert codes in ([0, 0], [0, 1])
    assert world.events("replayed") == 1
    runs = [world.start("run", str(world.file)) for _ in range(2)]
    assert {process.wait(60) for process in runs} == {0}
    assert world.arrived() == ["large.pdf", "small.pdf"]
