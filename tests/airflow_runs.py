"""A real Airflow in this process: a database of its own, and DAGs run by `dag.test()`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml

AT_ONCE: dict[str, Any] = {"retries": 0, "retry_delay": timedelta(0)}


@cache
def database() -> None:
    """Airflow's own database, once a process."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.utils.db import initdb

    initdb()
    DagBundlesManager().sync_bundles_to_db()


@dataclass(frozen=True)
class Ran:
    """What a run came to."""

    state: str
    tasks: dict[str, str]
    summaries: dict[str, Any]
    tries: dict[str, int]


def run(dag: Any, **options: Any) -> Ran:
    """Serialise the DAG as the processor would, then run it to its end in this process."""
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    database()
    bag = DagBag(collect_dags=False)
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)
    done = dag.test(**options)
    tis = done.get_task_instances()
    return Ran(
        str(done.state),
        {ti.task_id: str(ti.state) for ti in tis},
        {ti.task_id: ti.xcom_pull(task_ids=ti.task_id) for ti in tis},
        {ti.task_id: ti.try_number for ti in tis},
    )


class Plain(yaml.SafeDumper):
    """Writes no aliases: a launcher may not hold any."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def write(file: Path, content: dict[str, Any]) -> Path:
    """A YAML file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.dump(content, Dumper=Plain, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return file
