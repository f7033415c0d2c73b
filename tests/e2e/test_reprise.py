"""A legacy archive in a real Airflow: `ezcold reprise`, two years of months, each file once, live runs apart."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from time import monotonic, sleep
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.airflow_runs import write

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

PARIS = ZoneInfo("Europe/Paris")
FILES = 300
EZCOLD = Path(__file__).parents[2] / ".venv/bin/ezcold"


class Archive:
    """A running Airflow with an archive of two years, and a live launcher beside it."""

    def __init__(self, root: Path) -> None:
        from ezcold_operators.demo.airflow import Airflow

        self.root = root
        self.folder, self.live, self.wait = root / "archive", root / "live", root / "wait"
        for folder in (self.folder, self.live, self.wait, root / "launchers"):
            folder.mkdir()
        scenario = {"driver": "folder", "path": str(self.wait), "parts": str(root / "parts")}
        write(root / "scenarios.yaml", {"scenarios": {"s": scenario}})
        self.file = self.launcher("archive", self.folder, reprise={"by": "modified", "every": "month"})
        self.launcher("live", self.live)
        home = {"EZCOLD_HOME": str(root / "home"), "EZCOLD_LAUNCHERS_DIR": str(root / "launchers"), "EZCOLD_LANG": "en"}
        self.airflow = Airflow(root / "airflow", home, port=0)

    def launcher(self, name: str, folder: Path, **more: Any) -> Path:
        source = {"protocol": "folder", "path": f"{folder}/*.*", "subfolders": True, "settle_seconds": 0}
        routes = [{"extensions": ["*"], "send_to": ["s"]}]
        return write(
            self.root / "launchers" / f"{name}.yaml", {"launcher": name, "source": source, "routes": routes, **more}
        )

    def put(self, path: Path, when: datetime) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%PDF-1.4\n%%EOF\n" + str(path).encode())
        os.utime(path, (when.timestamp(), when.timestamp()))

    def ezcold(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([EZCOLD, *words], env=self.airflow.env, capture_output=True, text=True, check=False)

    def arrived(self) -> Counter[bytes]:
        return Counter(file.read_bytes() for file in self.wait.iterdir())


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    place = Archive(tmp_path_factory.mktemp("reprise"))
    with place.airflow as airflow:
        airflow.start(lambda _text: None)
        airflow.sign_in()
        deadline = monotonic() + 120
        while not {"archive", "live"} <= airflow.dags():
            assert monotonic() < deadline
            sleep(0.3)
        yield place


def test_two_years_of_months_arrive_once_and_live_runs_are_apart(archive: Archive) -> None:
    chosen = Random(8)
    first, span = datetime(2024, 1, 1, tzinfo=PARIS), (datetime(2026, 1, 1) - datetime(2024, 1, 1)).total_seconds()
    for n in range(FILES):
        when = first + timedelta(seconds=chosen.uniform(1, span - 1))
        while when.month % 3 == 0:  # months without a file: their runs are one task
            when = first + timedelta(seconds=chosen.uniform(1, span - 1))
        archive.put(archive.folder / f"{n % 7}" / f"{n}.pdf", when)
    archive.put(archive.folder / "old.pdf", datetime(2023, 12, 31, 23, 59, 59, tzinfo=PARIS))
    archive.put(archive.live / "live.pdf", datetime(2024, 6, 1, tzinfo=PARIS))
    looked = archive.ezcold("reprise", "--dry-run", "--json", str(archive.file), "2024-01-01", "2025-12-31")
    assert looked.returncode == 0, looked.stderr
    seen = json.loads(looked.stdout)
    assert (len(seen["intervals"]), seen["left"], seen["done"], seen["created"]) == (24, FILES, 0, False)
    assert [one["item"] for one in seen["uncovered"]] == ["old.pdf"]

    made = archive.ezcold("reprise", "--parallel", "4", str(archive.file), "2024-01-01", "2025-12-31")
    assert made.returncode == 0, made.stderr
    assert "before the first interval: old.pdf" in made.stdout
    assert "is paused" in made.stderr
    again = archive.ezcold("reprise", str(archive.file), "2024-01-01", "2025-12-31")
    assert (again.returncode, "still at work" in again.stderr) == (3, True), again.stderr

    archive.airflow.call("PATCH", "/dags/archive", {"is_paused": False})
    live_run = archive.airflow.run("live")
    deadline = monotonic() + 420
    while True:
        runs = archive.airflow.call("GET", "/dags/archive/dagRuns?run_type=backfill&limit=100")["dag_runs"]
        states = Counter(str(run["state"]) for run in runs)
        if sum(states.values()) == 24 and not states.keys() - {"success", "failed"}:
            break
        assert monotonic() < deadline, states
        sleep(1)
    assert states == {"success": 24}
    while archive.airflow.state("live", live_run)[0] not in {"success", "failed"}:
        assert monotonic() < deadline
        sleep(0.5)
    assert archive.airflow.state("live", live_run)[0] == "success"

    wanted = [*archive.folder.rglob("*/*.pdf"), archive.live / "live.pdf"]
    assert len(wanted) == FILES + 1
    assert archive.arrived() == Counter(file.read_bytes() for file in wanted)
    done = json.loads(
        archive.ezcold("reprise", "--dry-run", "--json", str(archive.file), "2024-01-01", "2025-12-31").stdout
    )
    assert (done["done"], done["left"], done["quarantined"]) == (FILES, 0, 0)
