"""Backfills, created as `airflow backfill create` does it, with dates that say their offset.

A bare date in Airflow's own command is midnight UTC: January in Paris would begin on 31 December.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

from ezcold_operators.errors import ConfigurationError, Unavailable
from ezcold_operators.i18n import _

LOCKED = "database is locked"
ATTEMPTS = 8
AIRFLOW = """
import sys
from airflow import settings
from sqlalchemy import event
if settings.engine is None:
    settings.initialize()
if settings.engine.dialect.name == "sqlite":
    event.listen(settings.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
from airflow.__main__ import main
sys.argv = ["airflow", *sys.argv[1:]]
main()
"""
"""The command `airflow`. On SQLite its transactions take the write lock as they begin: it reads before it writes, and a
scheduler that writes in between is a lock that no waiting resolves."""


def airflow_is_here() -> bool:
    """Whether this machine (or shell) knows an Airflow; asking Airflow itself would make one."""
    home = Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser()
    return (home / "airflow.cfg").exists() or "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" in os.environ


def is_paused(dag_id: str) -> bool:
    """Whether the DAG is paused: the runs of its backfills then stay queued.

    :raises ConfigurationError: there is no Airflow here, or it has not read the DAG.
    """
    if not airflow_is_here():
        raise ConfigurationError(
            _("there is no Airflow here to run a backfill: run this where Airflow runs, with its AIRFLOW_HOME")
        )
    from airflow.models import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        paused = session.scalar(select(DagModel.is_paused).where(DagModel.dag_id == dag_id))
    if paused is None:
        raise ConfigurationError(
            _("Airflow has no DAG {id} yet: is the launcher's file in its folder? It is read within a minute").format(
                id=dag_id
            )
        )
    return bool(paused)


def create(dag_id: str, start: datetime, end: datetime, parallel: int, again: bool) -> None:
    """Create the runs of every interval that begins in start..end, and no run twice.

    :param parallel: so many runs at once. :param again: also those that ran already.
    :raises ConfigurationError: Airflow sees nothing to create. :raises Unavailable: another runs, or it failed.
    """
    words = [
        "backfill", "create", "--dag-id", dag_id, "--from-date", start.isoformat(), "--to-date", end.isoformat(),
        "--max-active-runs", str(parallel), "--reprocess-behavior", "completed" if again else "none",
    ]  # fmt: skip
    said = _patiently([sys.executable, "-c", AIRFLOW, *words])
    if said is None:
        return
    if "AlreadyRunningBackfill" in said:
        raise Unavailable(
            _("a backfill of {id} is still at work: wait for its end, or cancel it in Airflow").format(id=dag_id)
        )
    if "No runs to create" in said:
        raise ConfigurationError(_("Airflow sees no interval to run for {id} in these days").format(id=dag_id))
    if LOCKED in said:
        raise Unavailable(_("Airflow's SQLite database is too busy for a backfill now: try again, or use PostgreSQL"))
    last = [line.strip() for line in said.splitlines() if line.strip()][-1:]
    raise Unavailable(_("Airflow did not create the backfill: {why}").format(why=" ".join(last)))


def _patiently(command: list[str]) -> str | None:
    """Run it; None if all went well, else what it said. On SQLite, Airflow undoes a backfill that met a lock."""
    said = ""
    for attempt in range(ATTEMPTS):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return None
        said = f"{done.stdout}\n{done.stderr}"
        if LOCKED not in said:
            break
        time.sleep(attempt / 2)
    return said
