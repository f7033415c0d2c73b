"""Registers ezcold with Airflow's plugin manager. Registration only: Airflow loads every .py below plugins/ flat."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin


class EzcoldPlugin(AirflowPlugin):
    """The name under which `airflow plugins` lists this project."""

    name = "ezcold"
