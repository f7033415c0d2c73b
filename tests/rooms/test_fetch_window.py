"""A reprise's share of an archive: only its interval, each file once whoever takes it, the cap said."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ezcold_operators.config import loader
from ezcold_operators.config.settings import Settings
from ezcold_operators.rooms.base import River
from ezcold_operators.rooms.fetch import fetch
from ezcold_operators.rooms.river import Run
from ezcold_operators.sources.base import Window
from tests.airflow_runs import write

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


class Archive:
    def __init__(self, root: Path) -> None:
        self.root, self.folder, self.wait = root, root / "archive", root / "wait"
        self.folder.mkdir()
        self.wait.mkdir()
        write(root / "scenarios.yaml", {"scenarios": {"s": {"driver": "folder", "path": str(self.wait)}}})
        self.launcher()

    def launcher(self, **more: Any) -> None:
        source = {"protocol": "folder", "path": f"{self.folder}/*.*", "subfolders": True, "settle_seconds": 0}
        routes = [{"extensions": ["*"], "send_to": ["s"]}]
        content = {"launcher": "archive", "source": source, "routes": routes, "reprise": {"every": "day"}, **more}
        self.file = write(self.root / "launchers" / "archive.yaml", content)

    def put(self, name: str, when: datetime) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"%PDF-1.4\n" + name.encode())
        os.utime(file, (when.timestamp(), when.timestamp()))

    def river(self, run_id: str) -> Any:
        scenarios = loader.load_scenarios(loader.find_scenarios(self.file))
        launcher = loader.load_launcher(self.file, scenarios)
        return River.open(launcher, scenarios, Settings.from_env(), run_id)


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    monkeypatch.setenv("EZCOLD_HOME", str(tmp_path / "home"))
    return Archive(tmp_path)


def test_only_the_interval_is_taken_and_its_end_belongs_to_the_next(archive: Archive) -> None:
    archive.put("before.pdf", FIRST - timedelta(microseconds=1))
    archive.put("first.pdf", FIRST)
    archive.put("last.pdf", FIRST + DAY - timedelta(milliseconds=1))
    archive.put("next.pdf", FIRST + DAY)
    with archive.river("r") as river:
        assert fetch(river, Window(FIRST, FIRST + DAY))["fetched"] == 2
        assert fetch(river, Window(FIRST, FIRST + DAY))["fetched"] == 2
        assert river.errors == []


def test_without_an_interval_such_a_launcher_takes_nothing(archive: Archive) -> None:
    archive.put("a.pdf", FIRST)
    with archive.river("r") as river:
        assert Run(river).rooms()["fetched"] == 0
    assert list(archive.wait.iterdir()) == []


def test_a_cap_that_leaves_something_in_the_interval_says_so_and_the_next_attempt_goes_on(archive: Archive) -> None:
    archive.launcher(limits={"per_run": 2})
    for number in range(5):
        archive.put(f"{number}.pdf", FIRST)
    left = [2, 4, 5, 5]
    for attempt, fetched in enumerate(left):
        with archive.river("one run, cleared again") as river:
            assert fetch(river, Window(FIRST, FIRST + DAY))["fetched"] == fetched
            assert ("limits.per_run (2)" in "".join(river.errors)) is (attempt < 2), attempt


def test_exactly_the_cap_leaves_nothing_and_says_nothing(archive: Archive) -> None:
    archive.launcher(limits={"per_run": 2})
    for number in range(2):
        archive.put(f"{number}.pdf", FIRST)
    with archive.river("r") as river:
        assert fetch(river, Window(FIRST, FIRST + DAY))["fetched"] == 2
        assert river.errors == []


def test_a_folder_that_cannot_be_entered_is_said_after_the_rest_was_taken(archive: Archive) -> None:
    if os.getuid() == 0:
        pytest.skip("root enters every folder")
    archive.put("a.pdf", FIRST)
    archive.put("closed/b.pdf", FIRST)
    (archive.folder / "closed").chmod(0)
    with archive.river("r") as river, pytest.raises(Exception, match="may not be read"):
        fetch(river, Window(FIRST, FIRST + DAY))
    (archive.folder / "closed").chmod(0o700)


DAY_RUN = """
import sys
from datetime import datetime
from pathlib import Path
from ezcold_operators import log
from ezcold_operators.sources.base import Window
from tests.rooms.test_fetch_window import Archive, DAY, FIRST, rooms
log.quiet()
archive = Archive.__new__(Archive)
archive.file = Path(sys.argv[1])
for number in map(int, sys.argv[2:]):
    with archive.river(f"day {number}") as river:
        rooms(river, Window(FIRST + number * DAY, FIRST + (number + 1) * DAY))
"""


def rooms(river: River, window: Window) -> None:
    """All five, of one interval."""
    from ezcold_operators.rooms.decode import decode
    from ezcold_operators.rooms.dispatch import dispatch
    from ezcold_operators.rooms.filter import filter_documents
    from ezcold_operators.rooms.settle import settle

    fetch(river, window)
    decode(river)
    for scenario in filter_documents(river)["owing"]:
        dispatch(river, scenario)
    settle(river)


def test_runs_side_by_side_take_each_file_once(archive: Archive) -> None:
    for number in range(60):
        archive.put(f"{number % 3}/{number}.pdf", FIRST + (number % 4) * DAY + timedelta(minutes=number))
    orders = (["0", "1", "2", "3"], ["3", "2", "1", "0"], ["1", "1", "3", "0", "2"])
    command = [sys.executable, "-c", DAY_RUN, str(archive.file)]
    root = Path(__file__).parents[2]
    running = [subprocess.Popen([*command, *order], cwd=root, stderr=subprocess.PIPE) for order in orders]
    for process in running:
        _out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err.decode()
    with archive.river("debts") as river:
        Run(river).rooms()
    wanted = Counter(file.read_bytes() for file in archive.folder.rglob("*.pdf"))
    assert Counter(file.read_bytes() for file in archive.wait.iterdir()) == wanted
