"""What a person starts from a launcher's page: test, dry run, run, pause. The first two are the command line's own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from airflow.sdk.exceptions import AirflowException
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from ezcold_ui import launchers, scheduler
from ezcold_ui.language import current, t
from ezcold_ui.render import back
from ezcold_ui.security import FormDep, PersonDep, need

router = APIRouter()
TEST_SECONDS, PLAN_SECONDS = 60.0, 120.0
NOT_YET = "Airflow does not run this launcher yet: wait until it has read its file."
MAX_ANSWER = 4_000_000
MAX_ITEMS = 300
_slots = threading.BoundedSemaphore(2)
"""So many children at once for each API server: a dry run decodes mail, which costs memory."""


@router.post("/launchers/{launcher}/test")
def test(request: Request, who: PersonDep, form: FormDep, launcher: str) -> HTMLResponse:
    """Connect to the source and to every scenario."""
    shelf, entry = launchers.entry_of(who, launcher)
    need(who.may_run(launcher))
    code, out, err = call(["test", str(entry.loaded.path)], TEST_SECONDS)
    lines = [line for line in f"{out}\n{err}".splitlines() if line.strip()]
    return launchers.show(request, who, shelf, entry, probe={"well": code == 0, "lines": lines})


@router.post("/launchers/{launcher}/plan")
def plan(request: Request, who: PersonDep, form: FormDep, launcher: str) -> HTMLResponse:
    """A dry run: per document, where it would go, or why not."""
    shelf, entry = launchers.entry_of(who, launcher)
    need(who.may_run(launcher))
    code, out, err = call(["plan", str(entry.loaded.path), "--json"], PLAN_SECONDS)
    items: list[dict[str, Any]] = []
    if code == 0:
        items = json.loads(out)["items"]
    error = "" if code == 0 else (err.strip() or t("The dry run ended without an answer."))
    result = {"items": items[:MAX_ITEMS], "more": max(0, len(items) - MAX_ITEMS), "error": error}
    return launchers.show(request, who, shelf, entry, plan=result)


@router.post("/launchers/{launcher}/run")
def run(request: Request, who: PersonDep, form: FormDep, launcher: str) -> Response:
    """Start a run in Airflow."""
    launchers.entry_of(who, launcher)
    need(who.may_run(launcher))
    try:
        scheduler.run_now(who, launcher)
    except (AirflowException, ValueError, HTTPException):
        raise HTTPException(
            409, t("Airflow does not run this launcher yet: wait until it has read its file.")
        ) from None
    return back(request, f"/launchers/{launcher}", said="run")


@router.post("/launchers/{launcher}/pause")
def pause(request: Request, who: PersonDep, form: FormDep, launcher: str) -> RedirectResponse:
    """Pause, or resume."""
    launchers.entry_of(who, launcher)
    need(who.may_edit(launcher))
    paused = form.get("paused") == "1"
    if not scheduler.pause(who, launcher, paused):
        raise HTTPException(409, t(NOT_YET))
    return back(request, f"/launchers/{launcher}", said="paused" if paused else "resumed")


def call(words: list[str], seconds: float) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of `ezcold <words>`, in a child of its own that is ended after so many seconds."""
    if not _slots.acquire(timeout=10):
        return 3, "", t("Too many tests at once: try again in a minute.")
    try:
        command = [sys.executable, "-P", "-c", "from ezcold_operators.cli import main; main()", *words]
        env = {**os.environ, "EZCOLD_LANG": current(), "PYTHONUNBUFFERED": "1"}
        child = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, cwd=Path.cwd(),
        )  # fmt: skip
        try:
            out, err = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            _end(child)
            return (
                3,
                "",
                t("No answer within {n} seconds: use the command line for a source this large.", n=int(seconds)),
            )
        if len(out) > MAX_ANSWER:
            return 3, "", t("The answer is too large for a page: use the command line.")
        return child.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")
    finally:
        _slots.release()


def _end(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    try:
        child.communicate(timeout=5)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
