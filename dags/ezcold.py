"""The only DAG file: every launcher of launchers/ (or EZCOLD_LAUNCHERS_DIR) becomes an Airflow DAG."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from airflow.sdk import get_parsing_context

from ezcold_operators.dag import build_dags
from ezcold_operators.operators.maintenance import maintenance_dag

LAUNCHERS = os.environ.get("EZCOLD_LAUNCHERS_DIR") or Path(__file__).parent / "launchers"
ONLY = get_parsing_context().dag_id
ARGS: dict[str, Any] = {}
"""For every task: retries, or `on_failure_callback`, a notifier of Airflow's that tells somebody."""

globals().update(maintenance_dag(LAUNCHERS, only=ONLY, default_args=ARGS))
globals().update(build_dags(LAUNCHERS, only=ONLY, default_args=ARGS))
