"""A legacy archive taken by months: memory flat, time linear in the number of files.

    python -m benchmarks.reprise [--files 5000 20000] [--months 24] [--workers 2] [--kills 0] [--folder DIR]

Each size is an archive of its own, each month a run of its own in a process of its own, as Airflow runs them, `workers`
at once. With --kills, so many runs are killed at a random moment and started again. At the end every file must have
arrived once. Beside it, the plain loop of `dispatch.py`: copy, fsync, rename, and nothing remembered.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Timer

START = datetime(2022, 1, 1, tzinfo=UTC)
DAY = timedelta(days=30)


def archive(folder: Path, count: int, months: int, chosen: random.Random) -> None:
    """Small files in a tree, dated all over the months."""
    span = (DAY * months).total_seconds()
    for number in range(count):
        file = folder / f"{number % 50:02}" / f"facture {number}.pdf"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"%PDF-1.4\n" + str(number).encode() + chosen.randbytes(2000))
        when = START.timestamp() + chosen.uniform(0, span - 1)
        os.utime(file, (when, when))


def launcher(root: Path) -> Path:
    (root / "wait").mkdir()
    (root / "scenarios.yaml").write_text(f"scenarios:\n  s:\n    driver: folder\n    path: {root}/wait\n")
    file = root / "launchers" / "archive.yaml"
    file.parent.mkdir()
    file.write_text(
        f"launcher: archive\nsource: {{protocol: folder, path: {root}/in/*.*, subfolders: true, settle_seconds: 0}}\n"
        "reprise: {by: modified, every: month}\nroutes:\n  - extensions: ['*']\n    send_to: [s]\n"
    )
    return file


def month(file: Path, number: int) -> int:
    """One interval's run, in this process; prints its peak memory in MB."""
    from ezcold_operators import log
    from ezcold_operators.config import loader
    from ezcold_operators.config.settings import Settings
    from ezcold_operators.rooms.base import River
    from ezcold_operators.rooms.decode import decode
    from ezcold_operators.rooms.dispatch import dispatch
    from ezcold_operators.rooms.fetch import fetch
    from ezcold_operators.rooms.filter import filter_documents
    from ezcold_operators.rooms.settle import settle
    from ezcold_operators.sources.base import Window

    log.quiet()
    scenarios = loader.load_scenarios(loader.find_scenarios(file))
    one = loader.load_launcher(file, scenarios)
    window = Window(START + number * DAY, START + (number + 1) * DAY)
    with River.open(one, scenarios, Settings.from_env(), f"month {number}") as river:
        fetch(river, window)
        decode(river)
        for scenario in filter_documents(river)["owing"]:
            dispatch(river, scenario)
        settle(river)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    return 0


def run(file: Path, number: int, kill_after: float | None) -> int:
    """A run's peak memory in MB; killed and started again, if so wanted."""
    command = [sys.executable, "-m", "benchmarks.reprise", "--month", str(number), "--launcher", str(file)]
    env = os.environ | {"EZCOLD_HOME": str(file.parents[1] / "home"), "EZCOLD_LOG": "ERROR"}
    env.pop("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", None)
    for delay in (kill_after, None):
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
        timer = Timer(delay or 0, process.send_signal, [signal.SIGKILL])
        if delay is not None:
            timer.start()
        out, _none = process.communicate()
        timer.cancel()
        if process.returncode == 0:
            return int(out.split()[-1])
        if delay is None:
            raise SystemExit(f"month {number} failed: {process.returncode}")
    return 0


def measure(root: Path, count: int, months: int, workers: int, kills: int) -> tuple[float, int]:
    """(seconds, peak MB of a run) of an archive of so many files."""
    chosen = random.Random(count)
    archive(root / "in", count, months, chosen)
    file = launcher(root)
    killed = {number: chosen.uniform(1, 10) for number in chosen.sample(range(months), kills)}
    began = time.monotonic()
    with ThreadPoolExecutor(workers) as pool:
        peaks = list(pool.map(lambda n: run(file, n, killed.get(n)), range(months)))
    run(file, months, None)  # an empty month: debts of the last one killed
    seconds = time.monotonic() - began
    arrived = Counter(one.read_bytes() for one in (root / "wait").iterdir())
    wanted = Counter(one.read_bytes() for one in (root / "in").rglob("*.pdf"))
    assert arrived == wanted, f"{len(wanted - arrived)} lost, {sum((arrived - wanted).values())} twice"
    return seconds, max(peaks)


def plain(root: Path) -> float:
    """Seconds of copy, fsync, rename of the same files."""
    target = root / "plain"
    target.mkdir()
    began = time.monotonic()
    for number, source in enumerate((root / "in").rglob("*.pdf")):
        part = root / "plain.part"
        with source.open("rb") as read, part.open("wb") as write:
            shutil.copyfileobj(read, write)
            write.flush()
            os.fsync(write.fileno())
        part.rename(target / f"{number}.pdf")
    return time.monotonic() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=[2000, 8000])
    parser.add_argument("--months", type=int, default=24)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--month", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--launcher", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.month is not None:
        return month(args.launcher, args.month)
    print("  files   seconds   files/s   peak MB of a run   plain loop s")
    for count in args.files:
        with tempfile.TemporaryDirectory(dir=args.folder, prefix="ezcold-reprise-") as folder:
            root = Path(folder)
            seconds, peak = measure(root, count, args.months, args.workers, args.kills)
            print(f"{count:7} {seconds:9.1f} {count / seconds:9.0f} {peak:18} {plain(root):14.1f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
