"""The demo's calls to Airflow's API, on a server that fails as Airflow does while its database is locked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import httpx2
import pytest

from ezcold_operators.demo import airflow
from ezcold_operators.demo.airflow import Airflow


class Api(BaseHTTPRequestHandler):
    """Answers 500 to the first tries of every call; what it was asked to do, it did all the same."""

    failures: ClassVar[dict[str, int]] = {}
    runs: ClassVar[list[str]] = []
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
        status = 200
        if self.path.endswith("/dagRuns"):
            status = 409 if body["dag_run_id"] in self.runs else 200
            if status == 200:
                self.runs.append(body["dag_run_id"])
        if self.failures.get(self.command, 0) > 0:
            self.failures[self.command] -= 1
            status = 500
        data = b'{"dags": [{"dag_id": "courrier"}]}'
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = answer

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Airflow]:
    monkeypatch.setattr(airflow, "WAITS", (0.0, 0.0, 0.0))
    Api.failures, Api.runs = {}, []
    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        with Airflow(tmp_path, {}) as client:
            client._client.base_url = httpx2.URL(f"http://127.0.0.1:{server.server_port}")
            yield client
        server.shutdown()


def test_a_call_that_fails_is_made_again(client: Airflow) -> None:
    Api.failures = {"GET": 3}
    assert client.dags() == {"courrier"}
    Api.failures = {"GET": 4}
    with pytest.raises(httpx2.HTTPStatusError):
        client.dags()


def test_a_run_that_began_though_its_answer_failed_is_not_begun_twice(client: Airflow) -> None:
    Api.failures = {"PATCH": 1, "POST": 1}
    run_id = client.run("courrier")
    assert Api.runs == [run_id]
