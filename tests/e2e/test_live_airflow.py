"""Airflow's own processes, as a person starts them: a launcher dropped in, a backfill of an archive, a clean stop."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from zoneinfo import ZoneInfo

import psutil
import pytest

from tests.airflow_runs import write

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

PARIS = ZoneInfo("Europe/Paris")
LONG = 120.0


def until(what: Callable[[], Any], seconds: float = LONG) -> Any:
    """Ask until the answer is true."""
    deadline = monotonic() + seconds
    while True:
        answer = what()
        if answer:
            return answer
        assert monotonic() < deadline, f"not within {seconds} s"
        sleep(0.3)


class Live:
    """A running Airflow, its launchers' folder and one waiting directory."""

    def __init__(self, root: Path, airflow: Any) -> None:
        self.root, self.airflow = root, airflow
        self.waiting = root / "wait"

    def drop(self, name: str, **over: Any) -> Path:
        """A launcher's file, and the folder it watches."""
        incoming = self.root / name
        incoming.mkdir()
        content = {
            "launcher": name,
            "source": {"protocol": "folder", "path": f"{incoming}/*.*", "settle_seconds": 0},
            "routes": [{"extensions": ["pdf"], "send_to": ["factures"]}],
            **over,
        }
        write(self.root / "launchers" / f"{name}.yaml", content)
        until(lambda: name in self.airflow.dags())
        return incoming

    def run(self, dag_id: str) -> tuple[str, dict[str, str]]:
        run_id = self.airflow.run(dag_id)

        def ended() -> tuple[str, dict[str, str]] | None:
            state, tasks = self.airflow.state(dag_id, run_id)
            return (state, tasks) if state in {"success", "failed"} else None

        result: tuple[str, dict[str, str]] = until(ended)
        return result

    def arrived(self) -> list[str]:
        return sorted(f"{p.stem.rsplit('__', 1)[0]}{p.suffix}" for p in self.waiting.iterdir())


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    from ezcold_operators.demo.airflow import Airflow

    root = tmp_path_factory.mktemp("live")
    (root / "launchers").mkdir()
    (root / "wait").mkdir()
    scenario = {"driver": "folder", "path": str(root / "wait"), "parts": str(root / "parts")}
    write(root / "scenarios.yaml", {"scenarios": {"factures": scenario}})
    settings = {"EZCOLD_HOME": str(root / "home"), "EZCOLD_LAUNCHERS_DIR": str(root / "launchers")}
    with Airflow(root / "airflow", settings, port=0) as airflow:
        airflow.start(lambda _text: None)
        airflow.sign_in()
        yield Live(root, airflow)


def put(folder: Path, name: str, when: datetime) -> None:
    """A PDF of that modification time."""
    file = folder / name
    file.write_bytes(b"%PDF-1.4\n%%EOF\n" + name.encode())
    os.utime(file, (when.timestamp(), when.timestamp()))


def test_a_launcher_dropped_in_is_a_dag_that_runs(live: Live) -> None:
    put(live.drop("depose"), "depose.pdf", datetime(2026, 1, 5, tzinfo=PARIS))
    state, tasks = live.run("depose")
    assert (state, set(tasks.values())) == ("success", {"success"}), tasks
    assert "depose.pdf" in live.arrived()
    state, tasks = live.run("depose")
    assert (state, tasks["fetch"], tasks["settle"]) == ("success", "success", "skipped")


def test_a_legacy_archive_is_taken_by_backfills_only_and_only_in_their_interval(live: Live) -> None:
    archive = live.drop("archive", reprise={"by": "modified", "every": "month"})
    put(archive, "december.pdf", datetime(2025, 12, 31, 23, 59, tzinfo=PARIS))
    put(archive, "january_first.pdf", datetime(2026, 1, 1, 0, 0, 1, tzinfo=PARIS))
    put(archive, "january_last.pdf", datetime(2026, 1, 31, 23, 59, 59, tzinfo=PARIS))
    put(archive, "february.pdf", datetime(2026, 2, 1, 0, 0, 1, tzinfo=PARIS))
    state, tasks = live.run("archive")
    assert (state, tasks["fetch"], tasks["settle"]) == ("success", "success", "skipped")
    assert not {"december.pdf", "january_first.pdf"} & set(live.arrived())
    between = ("--from-date", "2026-01-01T00:00:00+01:00", "--to-date", "2026-01-31T00:00:00+01:00")
    live.airflow.command("backfill", "create", "--dag-id", "archive", *between)

    def backfilled() -> list[str] | None:
        runs = live.airflow.call("GET", "/dags/archive/dagRuns?run_type=backfill")["dag_runs"]
        states = [run["state"] for run in runs]
        return states if states and set(states) <= {"success", "failed"} else None

    assert until(backfilled) == ["success"]
    names = {"december.pdf", "january_first.pdf", "january_last.pdf", "february.pdf"}
    assert sorted(names & set(live.arrived())) == ["january_first.pdf", "january_last.pdf"]


def test_stopping_leaves_no_process_behind(live: Live) -> None:
    ours = [process for root in live.airflow.processes.running.values() for process in family(root.pid)]
    assert len(ours) > 4
    live.airflow.processes.stop()
    assert [process for process in ours if process.is_running() and process.status() != psutil.STATUS_ZOMBIE] == []


def family(pid: int) -> list[psutil.Process]:
    """A process and all below it."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def test_a_port_that_is_taken_while_it_starts_is_no_failure(tmp_path: Path) -> None:
    import socket

    from ezcold_operators.demo.airflow import Airflow

    with Airflow(tmp_path / "airflow", {}, port=0) as airflow, socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

        def steal(text: str) -> None:
            """At the first look at the components, before the API server listens."""
            if text.startswith("waiting") and thief.getsockname()[1] == 0:
                thief.bind(("127.0.0.1", airflow.port))
                thief.listen()

        airflow.start(steal)
        airflow.sign_in()
        assert airflow.port != thief.getsockname()[1]
        examples = {"documentsclients_reprise", "documentsclients_scan", "facturesfournisseurs_mail"}
        until(lambda: airflow.dags() >= examples)
