"""A process that has everything imported and forks one child a run: a crash test costs a fork, not an interpreter.

Reads one JSON line with a list of jobs, runs them at once, and answers with the list of their exit codes. A job:

    argv      of `ezcold`; or call: "module:function" of tests/crash with args
    env, out  its environment; where its output goes
    trace     file that gets a line "step moment" for each step it comes to
    crash     {step, moment, nth}: where it dies by SIGKILL
    acts      [{step, moment, act, args}]: what somebody else does at that very moment (tests/crash/acts.py), once
    constants {"module:NAME": value}: intervals made shorter
    file_limit  bytes that a file may have (RLIMIT_FSIZE), for disks that are full
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

# Each of these is here to be loaded before the fork.
import alembic.migration
import alembic.operations
import alembic.script  # noqa: F401
import psycopg  # noqa: F401

import ezcold_operators.cli.app
import ezcold_operators.cli.quarantine
import ezcold_operators.cli.resend
import ezcold_operators.cli.run
import ezcold_operators.cold.ezged
import ezcold_operators.cold.folder
import ezcold_operators.ledger.migrations
import ezcold_operators.sources.adullact
import ezcold_operators.sources.folder
import ezcold_operators.sources.imap
import ezcold_operators.sources.pop
from ezcold_operators import steps
from tests.crash import acts


def observer(job: dict[str, Any]) -> None:
    """Install what watches the steps of this child."""
    crash, trace = job.get("crash"), job.get("trace")
    waiting = list(job.get("acts", ()))
    seen = 0

    def watch(name: str, moment: steps.Moment) -> None:
        nonlocal seen
        if trace:
            with Path(trace).open("a") as out:
                out.write(f"{name} {moment}\n")
        for one in [one for one in waiting if (one["step"], one["moment"]) == (name, moment)]:
            waiting.remove(one)
            getattr(acts, one["act"])(*one["args"])
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
    for name, value in job.get("constants", {}).items():
        module, _colon, constant = name.partition(":")
        setattr(importlib.import_module(module), constant, value)
    if "file_limit" in job:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_limit"], job["file_limit"]))
    observer(job)
    if "call" in job:
        module, _colon, function = job["call"].partition(":")
        getattr(importlib.import_module(module), function)(*job["args"])
        return
    sys.argv = ["ezcold", *job["argv"]]
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
                    os._exit(0)
                except SystemExit as exc:
                    sys.stdout.flush()
                    os._exit(exc.code if isinstance(exc.code, int) else 1)
                except BaseException:
                    import traceback

                    traceback.print_exc()
                    sys.stderr.flush()
                    os._exit(99)
            running[pid] = n
        statuses = [0] * len(jobs)
        for _job in jobs:
            pid, status = os.wait()
            statuses[running.pop(pid)] = os.waitstatus_to_exitcode(status)
        print(json.dumps(statuses), flush=True)


if __name__ == "__main__":
    main()
