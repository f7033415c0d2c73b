"""Airflow on this machine: SQLite, LocalExecutor, free ports, one known login. For looking at, not for production."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx2
from cryptography.fernet import Fernet

from ezcold_operators.demo.processes import Processes, free_port

ROOT = Path(__file__).resolve().parents[2]
COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
START_SECONDS = 180.0
WAITS = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds before asking again: on a busy machine Airflow answers 500 while its SQLite is locked."""
LOGIN = "admin"


class PortLost(RuntimeError):
    """Another program took the API server's port between our look and its start."""


class Airflow:
    """The four components and their REST API.

    :param home: AIRFLOW_HOME; keys and password are made once and kept there.
    :param settings: environment variables over ours.
    :param port: the preferred one; where it is taken, another.
    """

    def __init__(self, home: Path, settings: Mapping[str, str], port: int = 8080) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        self._preferred = port
        self._kept = self._secrets()
        self.password = self._kept["password"]
        (home / "simple_auth_manager_passwords.json.generated").write_text(json.dumps({LOGIN: self.password}))
        self._settings = dict(settings)
        self._take_ports()

    def _take_ports(self) -> None:
        self.port = free_port(self._preferred)
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {**os.environ, **self._environment(self._kept), **self._settings}
        self.processes = Processes(self.home / "logs" / "components", self.env)
        self._client = httpx2.Client(base_url=self.url, timeout=30)

    def _secrets(self) -> dict[str, str]:
        file = self.home / "secrets.json"
        if not file.exists():
            made = {"fernet": Fernet.generate_key().decode(), "jwt": secrets.token_urlsafe(48)}
            file.touch(mode=0o600)
            file.write_text(json.dumps({**made, "password": secrets.token_urlsafe(9)}))
        kept: dict[str, str] = json.loads(file.read_text())
        return kept

    def _environment(self, kept: Mapping[str, str]) -> dict[str, str]:
        return {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API_AUTH__JWT_SECRET": kept["jwt"],
            "AIRFLOW__CORE__AUTH_MANAGER": (
                "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
            ),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__FERNET_KEY": kept["fernet"],
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{LOGIN}:admin",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home / 'airflow.db'}",
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            # So that a page of ours in a frame, and a task, find the API whatever proxy the person's shell names.
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def __enter__(self) -> Airflow:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._client.close()
        self.processes.stop()

    def command(self, *words: str) -> None:
        """Run `airflow <words>` to its end.

        :raises RuntimeError: it failed; with what it said.
        """
        done = subprocess.run([sys.executable, "-m", "airflow", *words], env=self.env, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"airflow {' '.join(words)} failed:\n{done.stderr[-3000:]}")

    def start(self, say: Callable[[str], None]) -> None:
        """Migrate the database, start the components, wait until they are healthy.

        :raises RuntimeError: a component ended, or health took too long.
        """
        say("database")
        self.command("db", "migrate")
        for _again in range(3):
            self._take_ports()
            with contextlib.suppress(PortLost):
                self._start(say)
                return
            self.processes.stop()
        raise RuntimeError(f"port {self.port} was taken while Airflow started, three times over")

    def _start(self, say: Callable[[str], None]) -> None:
        self.processes.__enter__()
        for name in COMPONENTS:
            self.processes.start(name, [sys.executable, "-m", "airflow", name])
        deadline = monotonic() + START_SECONDS
        while (missing := self._unhealthy()) and self.alive():
            if monotonic() > deadline:
                raise RuntimeError(
                    f"{', '.join(missing)} not healthy after {START_SECONDS:.0f} s; see {self.home}/logs"
                )
            say("waiting for " + ", ".join(missing))
            sleep(0.5)

    def alive(self) -> bool:
        """:raises RuntimeError: a component ended by itself."""
        dead = self.processes.dead()
        if dead:
            # Nobody of ours listens any more: if the port is not free all the same, it is somebody else's.
            taken = dead.startswith("api-server") and free_port(self.port) != self.port
            raise (PortLost if taken else RuntimeError)(dead)
        return True

    def _unhealthy(self) -> list[str]:
        try:
            health = self._client.get("/api/v2/monitor/health", timeout=3).raise_for_status().json()
        except (httpx2.HTTPError, ValueError):
            return ["api-server"]
        return [name for name in ("scheduler", "dag_processor") if (health.get(name) or {}).get("status") != "healthy"]

    def sign_in(self) -> None:
        """From now on every `call` bears a token."""
        body = {"username": LOGIN, "password": self.password}
        answer = self._client.post("/auth/token", json=body).raise_for_status().json()
        self._client.headers["Authorization"] = f"Bearer {answer['access_token']}"

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One REST call below /api/v2, whose repetition does no harm; its JSON.

        :raises httpx2.HTTPStatusError: refused; or failed at every try.
        """
        for wait in (*WAITS, None):
            answer = self._client.request(method, f"/api/v2{path}", json=body)
            if wait is None or answer.status_code < 500:
                break
            sleep(wait)
        json_answer: dict[str, Any] = answer.raise_for_status().json()
        return json_answer

    def dags(self) -> set[str]:
        """The ids of the DAGs that Airflow has read so far."""
        return {dag["dag_id"] for dag in self.call("GET", "/dags?limit=1000")["dags"]}

    def run(self, dag_id: str) -> str:
        """Unpause a DAG and start a run; its id."""
        self.call("PATCH", f"/dags/{dag_id}", {"is_paused": False})
        run_id = f"manual__{secrets.token_hex(8)}"
        try:
            self.call("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None, "dag_run_id": run_id})
        except httpx2.HTTPStatusError as exc:
            if exc.response.status_code != HTTPStatus.CONFLICT:  # else a try before began it, and its answer failed
                raise
        return run_id

    def state(self, dag_id: str, run_id: str) -> tuple[str, dict[str, str]]:
        """(the run's state, the state of each of its tasks)."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}"
        tasks = self.call("GET", f"{path}/taskInstances")["task_instances"]
        return str(self.call("GET", path)["state"]), {t["task_id"]: t["state"] or "waiting" for t in tasks}
