"""Connections as Airflow resolves them outside a task: secrets backends, environment, metadata database."""

from __future__ import annotations

from typing import Any

from ezcold_operators.config.credentials import Credentials


def from_metadata(conn_id: str) -> Credentials | None:
    """The Connection as `airflow connections get` would find it; None if there is none."""
    from airflow.models.connection import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        found = Connection.get_connection_from_secrets(conn_id)
    except AirflowNotFoundException:
        return None
    return as_credentials(conn_id, found)


def as_credentials(conn_id: str, found: Any) -> Credentials:
    """Airflow's Connection as ours."""
    return Credentials(
        conn_id=conn_id,
        host=found.host or "",
        port=found.port,
        login=found.login or "",
        password=found.password or "",
        schema=found.schema or "",
        extra=found.extra_dejson,
    )
