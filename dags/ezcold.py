"""The only DAG file: every launcher of launchers/ (or EZCOLD_LAUNCHERS_DIR) becomes an Airflow DAG."""

from __future__ import annotations

import os
from pathlib import Path

from airflow.sdk import get_parsing_context

from ezcold_operators.dag import build_dags

globals().update(
    build_dags(
        os.environ.get("EZCOLD_LAUNCHERS_DIR") or Path(__file__).parent / "launchers",
        only=get_parsing_context().dag_id,
    )
)
