"""Airflow on CeleryExecutor, PostgreSQL and Redis, two workers; the one that dispatches is killed in the middle."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psutil
import pytest
import sqlalchemy
from sqlalchemy import select

from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.ledger.tables import delivery
from tests.airflow_runs import write
from tests.servers.postgres import free_port

pytestmark = [pytest.mark.airflow, pytest.mark.celery, pytest.mark.timeout(400)]

FILES = 1000
DAGS = """
from datetime import timedelta
from airflow.sdk import get_parsing_context
from ezcold_operators.dag import build_dags
args = {"retries": 3, "retry_delay": timedelta(seconds=1), "retry_exponential_backoff": 0}
globals().update(build_dags(%r, only=get_parsing_context().dag_id, default_args=args))
"""


@contextmanager
def redis() -> Iterator[str]:
    """A Redis on a free port that keeps nothing."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(10)


def until(what: Callable[[], Any], seconds: float = 150.0, every: float = 0.3) -> Any:
    deadline = monotonic() + seconds
    while not (answer := what()):
        assert monotonic() < deadline, f"not within {seconds} s"
        sleep(every)
    return answer


def tree(root: psutil.Process) -> list[psutil.Process]:
    return [root, *root.children(recursive=True)]


def test_a_worker_killed_in_mid_dispatch_loses_nothing_and_sends_nothing_twice(
    tmp_path: Path, postgres_server: str
) -> None:
    from ezcold_operators.demo.airflow import Airflow

    admin = sqlalchemy.create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        for name in ("celery_airflow", "celery_ledger"):
            connection.execute(sqlalchemy.text(f"DROP DATABASE IF EXISTS {name}"))
            connection.execute(sqlalchemy.text(f"CREATE DATABASE {name} TEMPLATE template0"))
    admin.dispose()
    server = postgres_server.rsplit("/", 1)[0]
    metadata = server.replace("+psycopg:", "+psycopg2:") + "/celery_airflow"
    incoming, wait = tmp_path / "in", tmp_path / "wait"
    for folder in (incoming, wait, tmp_path / "dags"):
        folder.mkdir()
    for number in range(FILES):
        (incoming / f"{number}.pdf").write_bytes(b"%PDF-1.4\n%%EOF\n" + str(number).encode())
    scenario = {"driver": "folder", "path": str(wait), "parts": str(tmp_path / "parts")}
    write(tmp_path / "scenarios.yaml", {"scenarios": {"s": scenario}})
    source = {"protocol": "folder", "path": f"{incoming}/*.*", "settle_seconds": 0}
    routes = [{"extensions": ["*"], "send_to": ["s"]}]
    write(tmp_path / "launchers" / "many.yaml", {"launcher": "many", "source": source, "routes": routes})
    (tmp_path / "dags" / "many.py").write_text(DAGS % str(tmp_path / "launchers"))

    with redis() as broker:
        settings = {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(tmp_path / "plugins"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata,
            "AIRFLOW__CELERY__BROKER_URL": broker,
            "AIRFLOW__CELERY__RESULT_BACKEND": "db+" + metadata,
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "10",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
            "EZCOLD_HOME": str(tmp_path / "home"),
            "EZCOLD_LEDGER_URL": f"{server}/celery_ledger",
            "C_FORCE_ROOT": "1",
        }
        with Airflow(tmp_path / "airflow", settings, port=0) as airflow:
            airflow.start(lambda _text: None)
            airflow.sign_in()
            for name in ("one", "two"):
                words = ["celery", "worker", "--celery-hostname", name, "--concurrency", "1", "--skip-serve-logs"]
                airflow.processes.start(name, [sys.executable, "-m", "airflow", *words])
            until(lambda: "many" in airflow.dags())
            run_id = airflow.run("many")
            killed = kill_the_dispatcher(airflow, f"{server}/celery_ledger", wait)
            state = until(lambda: ended(airflow, run_id), 200)
            assert state[0] == "success", state
            assert killed in {"one", "two"}
    arrived = Counter(file.read_bytes() for file in wait.iterdir())
    assert arrived == Counter(file.read_bytes() for file in incoming.iterdir())
    assert list((tmp_path / "parts").glob("*.pdf")) == []


def ended(airflow: Any, run_id: str) -> tuple[str, dict[str, str]] | None:
    state, tasks = airflow.state("many", run_id)
    return (state, tasks) if state in {"success", "failed"} else None


def kill_the_dispatcher(airflow: Any, ledger_url: str, wait: Path) -> str:
    """Kill, with all its processes, the worker whose process holds the claims, once files have begun to arrive."""

    def some_arrived() -> bool:
        with os.scandir(wait) as entries:
            return next(entries, None) is not None

    until(some_arrived, every=0.005)
    with Ledger.open(ledger_url) as ledger, ledger.read() as conn:
        holder = conn.execute(select(delivery.c.claimed_by).where(delivery.c.claimed_by.is_not(None)).limit(1)).scalar()
    assert holder, "the dispatch was over before it could be killed"
    family = {process.pid for process in psutil.Process(int(holder.split("|")[2])).parents()}
    (name,) = (name for name, process in airflow.processes.running.items() if process.pid in family)
    for process in reversed(tree(psutil.Process(airflow.processes.running[name].pid))):
        process.kill()
    assert sum(1 for _ in wait.iterdir()) < FILES, "killed too late to prove anything"
    airflow.processes.running.pop(name).wait()
    return str(name)
