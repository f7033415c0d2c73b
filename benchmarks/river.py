"""The whole river on Dovecot: `ezcold run` of a mailbox into a waiting directory, start-up and every fsync included.

Beside it, in the same run: a raw batch FETCH to nowhere (loopback) and one FETCH a mail (over the slow line).

    python -m benchmarks.river [--mails 3000] [--size 20000]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.imap_fetch import raw_batches
from benchmarks.mailbox import filled, line, mails, measure

LAUNCHER = """launcher: bench
source: {{protocol: imap, connection: bench, after: {{action: move, to: Traité}}}}
filters: ['/.*\\.(?!db).*/']
routes: [{{extensions: [pdf], send_to: [s1]}}]
"""


def river(port: int, tmp: Path) -> tuple[int, int]:
    """One `ezcold run` in a process of its own, into fresh folders."""
    home = Path(tempfile.mkdtemp(dir=tmp))
    wait = home / "wait"
    wait.mkdir()
    (home / "scenarios.yaml").write_text(f"scenarios: {{s1: {{driver: folder, path: {wait}}}}}\n")
    file = home / "bench.yaml"
    file.write_text(LAUNCHER.format())
    conn = {"conn_type": "imap", "host": "localhost", "port": port, "login": "bench", "password": "bench"}
    env = os.environ | {
        "EZCOLD_HOME": str(home / "home"), "EZCOLD_LEDGER_URL": f"sqlite:///{home}/ledger.db",
        "AIRFLOW_CONN_BENCH": json.dumps(conn | {"extra": {"security": "none"}}),
    }  # fmt: skip
    command = [sys.executable, "-m", "ezcold_operators.cli", "run", "--json", str(file)]
    answer = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    counts = json.loads(answer.stdout)
    files = list(wait.iterdir())
    assert len(files) == counts["settled"], counts
    return len(files), sum(file.stat().st_size for file in files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=3000)
    parser.add_argument("--size", type=int, default=20_000)
    parser.add_argument("--latency", type=float, default=0.02)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, filled(options.mails, options.size) as (server, box):
        raw_batches(server.imap, 200)
        base = measure("raw, 200 mails a FETCH, to nowhere", lambda: raw_batches(server.imap, 200))
        ours = measure("ezcold run: the whole river", lambda: river(server.imap, Path(folder)))
        print(f"   loopback: {ours / base:.1f} x the raw batches (at most 15)")
        for data in mails(options.mails, options.size):
            box.deliver(data)
        with line(server.imap, options.latency) as port:
            single = measure("raw, one FETCH a mail, slow line", lambda: raw_batches(port, 1))
            began = time.perf_counter()
            ours = measure("ezcold run, slow line", lambda: river(port, Path(folder)))
            print(f"   {options.latency * 1000:.0f} ms: {single / ours:.1f} times faster (at least 10)", end="; ")
            print(f"{time.perf_counter() - began:.1f} s wall")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    print(f"   peak of the largest process: {peak} MB")


if __name__ == "__main__":
    main()
