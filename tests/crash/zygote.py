"""A process that has everything imported and forks one child a run: a crash test costs a fork, not an interpreter.

Reads one JSON line a run {"argv", "env", "crash", "trace", "out"}; the child runs `ezcold argv` and dies by SIGKILL
before or after the n-th time it comes to a step. Answers one JSON line {"run", "status"} when a child ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import alembic.migration
import alembic.operations
import alembic.script  # noqa: F401 - each of these is here to be loaded before the fork

import ezcold_operators.cli.app
import ezcold_operators.cli.run
import ezcold_operators.cold.folder
import ezcold_operators.ledger.migrations
import ezcold_operators.sources.folder
import ezcold_operators.sources.imap
from ezcold_operators import steps


def observer(job: dict[str, Any]) -> None:
    """Install what watches the steps of this child."""
    crash, trace = job.get("crash"), job.get("trace")
    seen = 0

    def watch(name: str, moment: steps.Moment) -> None:
        nonlocal seen
        if trace and moment == "before":
            with Path(trace).open("a") as out:
                out.write(name + "\n")
        if crash and (name, moment) == (crash["step"], crash["moment"]):
            seen += 1
            if seen == crash["nth"]:
                os.kill(os.getpid(), signal.SIGKILL)

    steps.observe(watch)


def child(job: dict[str, Any]) -> None:
    os.environ.update(job["env"])
    out = os.open(job["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.argv = ["ezcold", *job["argv"]]
    observer(job)
    ezcold_operators.cli.app.run()


def main() -> None:
    running: dict[int, int] = {}
    for line in sys.stdin:
        jobs = json.loads(line)
        for n, job in enumerate(jobs):
            pid = os.fork()
            if pid == 0:
                try:
                    child(job)
                except SystemExit as exc:
                    sys.stdout.flush()
                    os._exit(exc.code if isinstance(exc.code, int) else 1)
                except BaseException:
                    import traceback

                    traceback.print_exc()
                    os._exit(99)
            running[pid] = n
        statuses = [0] * len(jobs)
        for _job in jobs:
            pid, status = os.wait()
            statuses[running.pop(pid)] = os.waitstatus_to_exitcode(status)
        print(json.dumps(statuses), flush=True)


if __name__ == "__main__":
    main()
