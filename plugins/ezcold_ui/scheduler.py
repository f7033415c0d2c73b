"""What the pages ask of Airflow itself: pause, runs, Connections. Runs inside the API server, which may."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow.api.common.trigger_dag import trigger_dag
from airflow.models import Connection
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.utils.session import create_session
from airflow.utils.types import DagRunTriggeredByType
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from ezcold_ui.security import Person


@dataclass(frozen=True, slots=True)
class Timing:
    """How Airflow stands with one DAG."""

    paused: bool = False
    next_run: datetime | None = None
    last_run: datetime | None = None
    last_state: str = ""
    last_run_id: str = ""
    failing_since: datetime | None = None
    """When the first of the runs began that have failed ever since; a run at work now does not end that."""
    failed_run_id: str = ""
    """The last of those."""


def timings(dag_ids: Sequence[str]) -> dict[str, Timing]:
    """The DAGs that Airflow knows and reads, by id."""
    if not dag_ids:
        return {}
    last = (
        select(DagRun.id).where(DagRun.dag_id == DagModel.dag_id).order_by(DagRun.id.desc()).limit(1).scalar_subquery()
    )
    query = select(DagModel.dag_id, DagModel.is_paused, DagModel.next_dagrun_create_after, last.label("run"))
    with create_session() as session:
        dags = session.execute(query.where(DagModel.dag_id.in_(dag_ids), ~DagModel.is_stale)).all()
        columns = (DagRun.id, DagRun.dag_id, DagRun.run_id, DagRun.state, DagRun.run_after)
        ids = [dag.run for dag in dags if dag.run is not None]
        runs = {run.id: run for run in session.execute(select(*columns).where(DagRun.id.in_(ids)))}
        return {dag.dag_id: _timing(session, dag, runs.get(dag.run)) for dag in dags}


def _timing(session: Session, dag: Any, run: Any) -> Timing:
    following = None if dag.is_paused else dag.next_dagrun_create_after
    if run is None:
        return Timing(dag.is_paused, following)
    since, failed = _failing(session, dag.dag_id) if str(run.state) != "success" else (None, "")
    return Timing(dag.is_paused, following, run.run_after, str(run.state), run.run_id, since, failed)


def _failing(session: Session, dag_id: str) -> tuple[datetime | None, str]:
    """(when the first run began that failed since the last good one, the last run that did)."""
    well = select(func.max(DagRun.id)).where(DagRun.dag_id == dag_id, DagRun.state == "success").scalar_subquery()
    query = select(func.min(DagRun.run_after), func.max(DagRun.id)).where(
        DagRun.dag_id == dag_id, DagRun.state == "failed", DagRun.id > func.coalesce(well, 0)
    )
    since, last = session.execute(query).one()
    run_id = session.scalar(select(DagRun.run_id).where(DagRun.id == last)) if last is not None else ""
    return since, str(run_id or "")


def run_now(who: Person, dag_id: str) -> str:
    """Start a run; its id.

    :raises AirflowException: Airflow does not have the DAG, or will not run it.
    """
    run = trigger_dag(
        dag_id=dag_id, triggered_by=DagRunTriggeredByType.UI, triggering_user_name=who.name, replace_microseconds=False
    )
    note(who, "ezcold.run", dag_id)
    return str(run.run_id) if run else ""


def pause(who: Person, dag_id: str, paused: bool) -> bool:
    """Pause or unpause; False where Airflow does not have the DAG."""
    with create_session() as session:
        done = session.execute(update(DagModel).where(DagModel.dag_id == dag_id).values(is_paused=paused))
        found = bool(done.rowcount)  # type: ignore[attr-defined]
    if found:
        note(who, "ezcold.pause" if paused else "ezcold.unpause", dag_id)
    return found


def note(who: Person, what: str, dag_id: str | None = None, extra: Mapping[str, Any] | None = None) -> None:
    """One line of Airflow's audit log."""
    with create_session() as session:
        session.add(
            Log(event=what, owner=who.name, owner_display_name=who.name, dag_id=dag_id, extra=json.dumps(extra or {}))
        )


def backfills(dag_id: str, limit: int = 20_000) -> list[Any]:
    """The runs of a DAG's backfills, oldest interval first: run_id, state, data_interval_start, data_interval_end."""
    columns = (DagRun.run_id, DagRun.state, DagRun.data_interval_start, DagRun.data_interval_end)
    query = select(*columns).where(DagRun.dag_id == dag_id, DagRun.run_type == "backfill")
    with create_session() as session:
        return list(session.execute(query.order_by(DagRun.data_interval_start).limit(limit)).all())


def has_connection(conn_id: str) -> bool:
    """Whether Airflow's database has this Connection."""
    with create_session() as session:
        return session.scalar(select(Connection.id).where(Connection.conn_id == conn_id)) is not None


def write_connection(who: Person, conn_id: str, values: Mapping[str, Any], extra: Mapping[str, Any]) -> None:
    """Make or change a Connection; what is empty leaves what is there. Encrypted by Airflow at rest."""
    with create_session() as session:
        conn = session.scalar(select(Connection).where(Connection.conn_id == conn_id))
        if conn is None:
            conn = Connection(conn_id=conn_id)
            session.add(conn)
        for name in ("conn_type", "host", "port", "login"):
            if values.get(name):
                setattr(conn, name, values[name])
        if values.get("password"):
            conn.set_password(str(values["password"]))
        kept = {**conn.extra_dejson, **{key: value for key, value in extra.items() if value}}
        conn.set_extra(json.dumps(kept))
    note(who, "ezcold.connection", None, {"connection": conn_id})
