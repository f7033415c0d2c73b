"""What a command needs before it starts: the launcher, its scenarios, settings, Connections, progress on a terminal."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ezcold_operators.config import credentials as connections
from ezcold_operators.config import loader
from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import Launcher
from ezcold_operators.config.scenario import Scenario
from ezcold_operators.config.settings import Settings
from ezcold_operators.i18n import _
from ezcold_operators.rooms.base import Progress, no_progress


def load(file: Path) -> tuple[Launcher, dict[str, Scenario], Settings]:
    """A launcher with the scenarios that it may send to.

    :raises ConfigurationError: with `file:line`.
    """
    connections.set_fallback(airflow_connection)
    settings = Settings.from_env()
    scenarios = loader.load_scenarios(loader.find_scenarios(file))
    return loader.load_launcher(file, scenarios), scenarios, settings


def airflow_connection(conn_id: str) -> Credentials | None:
    """Airflow's own answer (its metadata database, secrets backends), where there is an Airflow to ask.

    Airflow is imported only here, and only after the environment was silent: it costs seconds.
    """
    home = Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser()
    if not (home / "airflow.cfg").exists() and "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" not in os.environ:
        return None
    from ezcold_operators.operators.connections import from_metadata

    return from_metadata(conn_id)


def new_run_id() -> str:
    """A run of the command line, in the ledger."""
    return f"cli__{datetime.now(tz=UTC):%Y-%m-%dT%H:%M:%S}__{secrets.token_hex(4)}"


@contextmanager
def progress() -> Iterator[Progress]:
    """A progress bar on a terminal, nothing elsewhere. It is drawn on stderr: stdout belongs to the answer."""
    if not sys.stderr.isatty():
        yield no_progress
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    names = {"fetch": _("fetch"), "decode": _("decode"), "filter": _("filter"), "settle": _("settle")}
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, object] = {}

        def show(room: str, done: int, total: int | None) -> None:
            if room not in tasks:
                tasks[room] = bars.add_task(names.get(room, room), total=total)
            bars.update(tasks[room], completed=done, total=total)  # type: ignore[arg-type]

        yield show


def ledger_name(settings: Settings) -> str:
    """Which ledger this is, for a person; no password."""
    from sqlalchemy.engine import make_url

    from ezcold_operators.rooms.base import ledger_url

    return make_url(ledger_url(settings, connections.resolve)).render_as_string(hide_password=True)
