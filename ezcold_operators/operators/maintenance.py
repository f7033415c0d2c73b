"""The maintenance DAG: once a day, what nobody asked for but somebody must know. It fails with sentences.

    watch   silence, old debts, a growing quarantine, sign-ins and secrets that end, a full disk
    tidy    forget old events, sweep the stage, remove old backups

A failure is told by whatever Airflow notifier stands in `default_args["on_failure_callback"]` (docs, operation).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from ezcold_operators.config.credentials import resolve, set_fallback
from ezcold_operators.config.launcher import Launcher
from ezcold_operators.config.loader import launcher_files, read_launcher
from ezcold_operators.config.settings import Settings, set_fernet_fallback
from ezcold_operators.operators.runtime import airflow_credentials, airflow_fernet_key, told

if TYPE_CHECKING:
    from airflow.sdk import Context

    from ezcold_operators.ledger.ledger import Ledger

DAG_ID = "ezcold_maintenance"
SCHEDULE = "15 7 * * *"


class _MaintenanceOperator(BaseOperator):
    """What both tasks share.

    :param launchers_dir: the folder of the launchers.
    """

    ui_color = "#e9e9e9"

    def __init__(self, *, launchers_dir: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.launchers_dir = launchers_dir

    @contextmanager
    def opened(self) -> Iterator[tuple[Ledger, Settings]]:
        """The ledger; errors leave it as Airflow is to take them."""
        from ezcold_operators.ledger.ledger import Ledger
        from ezcold_operators.rooms.base import ledger_url

        set_fallback(airflow_credentials)
        set_fernet_fallback(airflow_fernet_key)
        settings = Settings.from_env()
        with told(), Ledger.open(ledger_url(settings, resolve)) as ledger:
            yield ledger, settings

    def launchers(self) -> tuple[list[Launcher], list[str]]:
        """(the launchers that are right, the ids of those that are wrong: their own DAGs say why)."""
        loaded = [read_launcher(file) for file in launcher_files(Path(self.launchers_dir))]
        return [one.launcher for one in loaded if one.launcher], [one.id for one in loaded if one.launcher is None]


class WatchOperator(_MaintenanceOperator):
    """Send the gauges; fail with one sentence for each thing that a person should see to."""

    def execute(self, context: Context) -> None:
        """:raises AirflowFailException: something should be seen to"""
        from ezcold_operators.ledger import watching
        from ezcold_operators.operators import metrics
        from ezcold_operators.rooms import watch

        now = time.time()
        with self.opened() as (ledger, settings):
            launchers, wrong = self.launchers()
            with ledger.read() as conn:
                metrics.gauge(watch.metrics(watching.standings(conn, now), now))
            found = watch.alarms(ledger, settings, launchers, resolve, now, wrong)
        for sentence in found:
            self.log.error(sentence)
        if found:
            raise AirflowFailException("; ".join(found))


class TidyOperator(_MaintenanceOperator):
    """Forget, sweep, remove: never what is owed, nor what identity needs.

    :param keep_days: so long events stay in the ledger.
    """

    def __init__(self, *, keep_days: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keep_days = keep_days

    def execute(self, context: Context) -> dict[str, Any]:
        """Give what was removed."""
        from ezcold_operators.rooms import backup, prune
        from ezcold_operators.rooms.base import River

        with self.opened() as (ledger, settings):
            removed = {"events": prune.prune(ledger, self.keep_days * 86_400.0), "blobs": 0}
            launchers, _wrong = self.launchers()
            for launcher in launchers:
                with River.open(launcher, {}, settings, str(context["run_id"]), resolve) as river:
                    backup.prune(river)
                    removed["blobs"] += backup.sweep(river)
            disk = prune.disk(settings.home)
        answer = {**removed, "stage_bytes": disk.stage, "backup_bytes": disk.backups, "free_bytes": disk.free}
        self.log.info("removed and left: %s", answer)
        return answer


def maintenance_dag(
    launchers_dir: Path | str,
    *,
    only: str | None = None,
    schedule: str = SCHEDULE,
    keep_days: int = 400,
    default_args: Mapping[str, Any] | None = None,
) -> dict[str, DAG]:
    """The maintenance DAG under its id; nothing where another DAG alone is asked for. It starts unpaused.

    :param schedule: cron, in the server's default of Europe/Paris. :param keep_days: so long events are kept.
    :param default_args: `on_failure_callback`, say: whom to tell.
    """
    if only not in (None, DAG_ID):
        return {}
    args: dict[str, Any] = {
        "retries": 2, "retry_delay": timedelta(minutes=2), "owner": "ezcold", **(default_args or {}),
    }  # fmt: skip
    with DAG(
        DAG_ID,
        doc_md=__doc__,
        schedule=schedule,
        start_date=datetime(2020, 1, 1, tzinfo=ZoneInfo("Europe/Paris")),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        tags={"ezcold"},
        default_args=args,
    ) as dag:
        WatchOperator(task_id="watch", launchers_dir=str(launchers_dir))
        TidyOperator(task_id="tidy", launchers_dir=str(launchers_dir), keep_days=keep_days)
    return {DAG_ID: dag}
