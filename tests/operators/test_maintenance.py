"""The maintenance DAG in a real Airflow, and the numbers that are sent to whoever watches it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk._shared.observability.metrics.base_stats_logger import NoStatsLogger
from sqlalchemy import update

from tests.airflow_runs import AT_ONCE, run, write

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("ignore")]


class Sent(NoStatsLogger):
    """A stats backend that remembers."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[str, str], float] = {}

    def incr(self, stat: str, count: int = 1, rate: float = 1, *, tags: Any = None) -> None:  # type: ignore[override]
        key = (stat, (tags or {}).get("launcher", ""))
        self.numbers[key] = self.numbers.get(key, 0) + count

    def gauge(self, stat: str, value: float, rate: float = 1, delta: bool = False, *, tags: Any = None) -> None:
        self.numbers[stat, (tags or {}).get("launcher", "")] = value


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EZCOLD_HOME", str(tmp_path / "home"))
    for name in ("incoming", "wait"):
        (tmp_path / name).mkdir()
    scenario = {"driver": "folder", "path": str(tmp_path / "wait"), "parts": str(tmp_path / "parts")}
    write(tmp_path / "scenarios.yaml", {"scenarios": {"factures": scenario}})
    content = {
        "launcher": "courrier",
        "source": {"protocol": "folder", "path": f"{tmp_path}/incoming/*.*", "settle_seconds": 0},
        "routes": [{"extensions": ["pdf"], "send_to": ["factures"]}],
    }
    write(tmp_path / "launchers" / "courrier.yaml", content)
    for name in ("a.pdf", "b.pdf", "c.txt"):
        file = tmp_path / "incoming" / name
        file.write_bytes(b"%PDF-1.4\n" + name.encode())
        os.utime(file, (1_700_000_000, 1_700_000_000))
    return tmp_path


@pytest.fixture
def sent() -> Iterator[Sent]:
    from airflow.sdk.observability import stats

    backend = Sent()
    stats.initialize(factory=lambda: backend, export_legacy_names=False)
    yield backend
    stats.initialize(factory=NoStatsLogger, export_legacy_names=False)


def launch(place: Path) -> Any:
    from ezcold_operators.dag import build_dags

    return run(build_dags(place / "launchers", default_args=AT_ONCE)["courrier"])


def maintain(place: Path) -> Any:
    from ezcold_operators.operators.maintenance import maintenance_dag

    return run(maintenance_dag(place / "launchers", default_args=AT_ONCE)["ezcold_maintenance"])


def test_where_all_is_well_it_is_green_and_tidies(place: Path, sent: Sent) -> None:
    assert launch(place).state == "success"
    ran = maintain(place)
    assert (ran.state, ran.tasks) == ("success", {"watch": "success", "tidy": "success"})
    assert ran.summaries["tidy"]["events"] == 0
    assert ran.summaries["tidy"]["stage_bytes"] > 0
    assert sent.numbers["ezcold.in_quarantine", "courrier"] == 0


def test_an_old_debt_makes_it_red_and_says_which_in_numbers(
    place: Path, sent: Sent, caplog: pytest.LogCaptureFixture
) -> None:
    from ezcold_operators.ledger.ledger import Ledger
    from ezcold_operators.ledger.tables import delivery

    (place / "wait").rename(place / "away")
    assert launch(place).state == "failed"
    with Ledger.open(f"sqlite:///{place}/home/ledger.db") as ledger, ledger.transaction("test.old") as conn:
        conn.execute(update(delivery).values(owed_at=time.time() - 30 * 3600))
    ran = maintain(place)
    assert (ran.state, ran.tasks) == ("failed", {"watch": "failed", "tidy": "success"})
    assert sent.numbers["ezcold.courrier.owed", ""] == 2
    assert 30 * 3600 <= sent.numbers["ezcold.oldest_owed_seconds", "courrier"] < 31 * 3600


def test_a_notifier_in_the_default_arguments_is_told(place: Path) -> None:
    from airflow.sdk import BaseNotifier

    from ezcold_operators.dag import build_dags
    from ezcold_operators.operators.maintenance import maintenance_dag

    told = place / "told"

    class Note(BaseNotifier):
        def notify(self, context: Any) -> None:
            with told.open("a") as file:
                file.write(f"{context['ti'].dag_id}.{context['ti'].task_id}: {context['exception']}\n")

    args = {**AT_ONCE, "on_failure_callback": Note()}
    (place / "wait").rename(place / "away")
    assert run(build_dags(place / "launchers", default_args=args)["courrier"]).state == "failed"
    (place / "launchers" / "courrier.yaml").unlink()
    assert run(maintenance_dag(place / "launchers", default_args=args)["ezcold_maintenance"]).state == "failed"
    lines = told.read_text().splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "courrier.dispatch__factures", "courrier.settle", "ezcold_maintenance.watch",
    ]  # fmt: skip
    assert "courrier: has no file any more and still owes" in lines[-1]


def test_it_starts_by_itself_and_only_where_it_is_meant(place: Path) -> None:
    from ezcold_operators.operators.maintenance import maintenance_dag

    dag = maintenance_dag(place / "launchers")["ezcold_maintenance"]
    assert (dag.is_paused_upon_creation, dag.catchup) == (False, False)
    assert {task.task_id for task in dag.tasks} == {"watch", "tidy"}
    assert maintenance_dag(place / "launchers", only="courrier") == {}
    assert set(maintenance_dag(place / "launchers", only="ezcold_maintenance")) == {"ezcold_maintenance"}


def test_a_run_sends_its_numbers(place: Path, sent: Sent) -> None:
    launch(place)
    expected = {"fetched": 3, "sent": 2, "rejected": 1, "settled": 3, "owed": 0, "oldest_owed_seconds": 0.0}
    assert {what: sent.numbers.get((f"ezcold.{what}", "courrier")) for what in expected} == expected
    assert {what: sent.numbers.get((f"ezcold.courrier.{what}", "")) for what in expected} == expected
    assert ("ezcold.quarantined", "courrier") not in sent.numbers
