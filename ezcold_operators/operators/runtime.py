"""What every operator shares: which launcher, the open river, and what Airflow is told of an error.

Rooms, and with them SQLAlchemy, are imported when a task runs, not when its DAG is parsed.

Errors, as Airflow takes them:

    AuthenticationFailed, ConfigurationError, ItemFailed   AirflowFailException: failed at once, one sentence
    Throttled                                              tried again when the server said
    Unavailable and anything unforeseen                    tried again with the task's own back-off
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator, TriggerRule
from airflow.sdk.definitions.retry_policy import RetryAction, RetryDecision, RetryPolicy
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException, AirflowRuntimeError

from ezcold_operators.config.credentials import Credentials, set_fallback
from ezcold_operators.config.loader import find_scenarios, launcher_files, load_launcher, load_scenarios
from ezcold_operators.config.settings import Settings, set_fernet_fallback
from ezcold_operators.errors import AuthenticationFailed, ConfigurationError, ItemFailed, Throttled
from ezcold_operators.i18n import _
from ezcold_operators.operators.connections import as_credentials

if TYPE_CHECKING:
    from airflow.sdk import Context

    from ezcold_operators.rooms.base import River

log = logging.getLogger("ezcold")
DECLARED = re.compile(rb"""^launcher:[ \t]*["']?([a-z][a-z0-9_]{0,199})["']?[ \t]*(?:#.*)?\r?$""", re.MULTILINE)


class PatientPolicy(RetryPolicy):
    """A server that names the time to come back is taken at its word; all else is left to the task's back-off."""

    def evaluate(self, exception: BaseException, try_number: int, max_tries: int, context: Any = None) -> RetryDecision:
        """:raises: nothing"""
        if isinstance(exception, Throttled):
            return RetryDecision(
                action=RetryAction.RETRY, retry_delay=timedelta(seconds=exception.retry_after), reason=str(exception)
            )
        return RetryDecision(action=RetryAction.DEFAULT)


PATIENT = PatientPolicy()


class RoomOperator(BaseOperator):
    """One room of the river for one launcher.

    :param launcher: id of a launcher in `launchers_dir`, or the path of its YAML file.
    :param launchers_dir: where ids are looked up; default as everywhere (EZCOLD_LAUNCHERS_DIR).
    :param scenarios: the scenarios file; default as everywhere (EZCOLD_SCENARIOS, beside the launchers, one folder up).
    :param configuration: what of the launcher matters to this room, as plain data. It is only shown, as a rendered
        field, and makes a changed launcher a new version of its DAG; the room reads the file itself.
    """

    template_fields: Sequence[str] = ("launcher", "configuration")
    ui_color = "#e8f1f8"
    rule: ClassVar[TriggerRule] = TriggerRule.ALL_SUCCESS
    """The trigger rule where the DAG's author says nothing: only `fetch` waits for success."""

    def __init__(
        self,
        *,
        launcher: str,
        launchers_dir: str | None = None,
        scenarios: str | None = None,
        configuration: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("trigger_rule", self.rule)
        kwargs.setdefault("retry_policy", PATIENT)
        super().__init__(**kwargs)
        self.launcher = launcher
        self.launchers_dir = launchers_dir
        self.scenarios = scenarios
        self.configuration = configuration

    def render_template_fields(self, context: Context, jinja_env: Any = None) -> None:
        """Render `launcher` alone: a filter may well hold what Jinja takes for its own."""
        environment = jinja_env or self.get_template_env()
        self._do_render_template_fields(self, ("launcher",), context, environment, set())

    def on_kill(self) -> None:
        """SIGTERM: unwind the room as an exit does, so that leases and child processes are given back."""
        raise SystemExit(f"{self.task_id} was told to stop")

    @contextmanager
    def river(self, context: Context) -> Iterator[River]:
        """The launcher's river, open; errors leave it as Airflow is to take them."""
        set_fallback(airflow_credentials)
        set_fernet_fallback(airflow_fernet_key)
        with told(), self._open(context) as river:
            try:
                yield river
            except Exception as error:
                river.unable(error)
                raise

    def _open(self, context: Context) -> Any:
        from ezcold_operators.rooms.base import River

        settings = Settings.from_env()
        folder = Path(self.launchers_dir) if self.launchers_dir else settings.launchers_dir
        path = launcher_file(self.launcher, folder)
        scenarios = load_scenarios(Path(self.scenarios) if self.scenarios else find_scenarios(path))
        launcher = load_launcher(path, scenarios)
        return River.open(launcher, scenarios, settings, run_id=str(context["run_id"]), progress=progress_log())

    def work(self, context: Context, room: Callable[[River], Mapping[str, Any]]) -> dict[str, Any]:
        """Run a room: its summary, with `errors`, one sentence for each cause that it met and worked around."""
        with self.river(context) as river:
            summary = {**room(river)}
            summary["errors"] = list(dict.fromkeys([*summary.get("errors", ()), *river.errors]))
        for key, value in summary.items():
            self.log.info("%s: %s", key, value)
        return summary


def launcher_file(launcher: str, folder: Path) -> Path:
    """The YAML file of a launcher's id (or the path itself).

    :raises ConfigurationError: there is none.
    """
    if launcher.endswith((".yaml", ".yml")):
        return Path(launcher)
    found = find_file(folder, launcher)
    if found is None:
        raise ConfigurationError(
            _("no launcher {id} in {folder}: was its file removed?").format(id=launcher, folder=folder)
        )
    return found


def find_file(folder: Path, launcher: str) -> Path | None:
    """The file of an id: the one named like it if it says so, else the first whose id it is, else None."""
    named = (folder / f"{launcher}{suffix}" for suffix in (".yaml", ".yml"))
    first = next((file for file in named if declared_id(file) == launcher), None)
    if first is not None or not folder.is_dir():
        return first
    return next((file for file in launcher_files(folder) if declared_id(file) == launcher), None)


def declared_id(file: Path) -> str | None:
    """The id that a launcher's file claims, found without parsing it; None where no line claims one."""
    try:
        match = DECLARED.search(file.read_bytes())
    except OSError:
        return None
    return match.group(1).decode() if match else None


@contextmanager
def told() -> Iterator[None]:
    """Turn what only a person can mend into a failure without a retry, said in one sentence."""
    try:
        yield
    except (AuthenticationFailed, ConfigurationError, ItemFailed) as error:
        raise AirflowFailException(str(error)) from None


def airflow_credentials(conn_id: str) -> Credentials | None:
    """A Connection as Airflow resolves it: secrets backend, environment, database; None when there is none."""
    from airflow.sdk import BaseHook

    try:
        connection = BaseHook.get_connection(conn_id)
    except (AirflowNotFoundException, AirflowRuntimeError):
        return None
    return as_credentials(conn_id, connection)


def airflow_fernet_key() -> str | None:
    """The key of Airflow's own configuration; None when it has none."""
    from airflow.sdk.configuration import conf

    key: str | None = conf.get("core", "fernet_key", fallback=None)
    return key


def progress_log(every: float = 5.0) -> Callable[[str, int, int | None], None]:
    """A progress function that writes to the task's log, at most every so many seconds for each kind of work."""
    from time import monotonic

    last: dict[str, float] = {}

    def progress(what: str, done: int, total: int | None) -> None:
        now = monotonic()
        if done == total or now - last.get(what, 0.0) >= every:
            last[what] = now
            log.info("%s: %s of %s", what, done, "?" if total is None else total)

    return progress
