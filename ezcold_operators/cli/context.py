"""What a command needs before it starts: the launcher, its scenarios, settings, Connections, progress on a terminal."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ezcold_operators import log
from ezcold_operators.config import credentials as connections
from ezcold_operators.config import loader
from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import Launcher
from ezcold_operators.config.scenario import Scenario
from ezcold_operators.config.settings import Settings
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _
from ezcold_operators.ledger.engine import shown
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.rooms.base import Progress, ledger_url, no_progress

if TYPE_CHECKING:
    from ezcold_operators.ledger.people import Decision


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
    with redirect_stdout(sys.stderr):  # Airflow sets up logging to stdout, which belongs to the answer
        from ezcold_operators.operators.connections import from_metadata

        found = from_metadata(conn_id)
    log.quiet()
    return found


@contextmanager
def open_ledger() -> Iterator[tuple[Ledger, Settings]]:
    """The ledger that `run` and the tasks use, and the settings, for commands that are not about one launcher.

    :raises ConfigurationError: :raises LedgerUnavailable:
    """
    connections.set_fallback(airflow_connection)
    settings = Settings.from_env()
    with Ledger.open(ledger_url(settings, connections.resolve)) as ledger:
        yield ledger, settings


def living(settings: Settings) -> set[str]:
    """Ids of the launchers that have a file, a wrong one included; none where there is no such folder."""
    try:
        return {one.id for one in loader.load_directory(settings.launchers_dir)}
    except ConfigurationError:
        return set()


def new_decision(reason: str = "") -> Decision:
    """A decision of the person at this terminal."""
    import getpass

    from ezcold_operators.ledger.people import Decision

    try:
        who = getpass.getuser()
    except (OSError, KeyError):
        who = str(os.getuid())
    return Decision(new_run_id(), who, reason.strip())


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
    """Which ledger this is, for a person; no password.

    :raises ConfigurationError: EZCOLD_LEDGER_URL is no URL of a ledger.
    """
    return shown(ledger_url(settings, connections.resolve))
