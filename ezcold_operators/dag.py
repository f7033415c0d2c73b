"""Launchers to DAGs: one a launcher, and a visible, failing one for each file that is wrong.

    fetch >> decode >> filter >> [dispatch__<scenario>, ...] >> settle

Every room after `fetch` runs whatever became of the one before it: the mailbox being down does not stop yesterday's
debts from being paid. `settle` is the only leaf and gives the run its colour. Parsing reads local files only.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from airflow.sdk import DAG, CronDataIntervalTimetable

from ezcold_operators.config.launcher import Launcher
from ezcold_operators.config.loader import find_scenarios, launcher_files, load_scenarios, read_launcher
from ezcold_operators.config.scenario import Scenario
from ezcold_operators.config.words import escape, in_words
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.operators.decode import DecodeOperator
from ezcold_operators.operators.dispatch import DISPATCH, ColdDispatchOperator
from ezcold_operators.operators.fetch import FETCH
from ezcold_operators.operators.filter import FilterBranchOperator
from ezcold_operators.operators.invalid import InvalidLauncherOperator
from ezcold_operators.operators.runtime import declared_id, find_file
from ezcold_operators.operators.settle import SettleOperator

INVALID = "ezcold:invalid"
EVERY = {"day": "0 0 * * *", "week": "0 0 * * 1", "month": "0 0 1 * *"}
RETRIES: dict[str, Any] = {
    "retries": 2,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=10),
}


def build_dags(
    launchers_dir: Path | str,
    scenarios: Path | str | None = None,
    *,
    only: str | None = None,
    default_args: Mapping[str, Any] | None = None,
) -> dict[str, DAG]:
    """The DAG of every launcher file of a directory, by dag_id; never raises for what stands in a file.

    :param scenarios: the scenarios file; default EZCOLD_SCENARIOS, beside the launchers, one folder up.
    :param only: build this dag_id alone, without reading the other files where its own can be told by its name.
    :param default_args: over the retries that a launcher's tasks have by default.
    """
    folder = Path(launchers_dir)
    args = {**RETRIES, **(default_args or {})}
    try:
        files = _files(folder, only)
    except ConfigurationError as error:
        return {"ezcold": _invalid("ezcold", str(error), folder)}
    if not files:
        return {}
    known, place, wrong = _scenarios(folder, scenarios)
    dags: dict[str, DAG] = {}
    again: list[tuple[Path, str]] = []
    for file in files:
        dag = _build(file, known, place, args) if wrong is None else _invalid(_identify(file), wrong, file)
        if dag.dag_id in dags:
            again.append((file, dag.dag_id))
        else:
            dags[dag.dag_id] = dag
    for file, dag_id in again:
        dag = _duplicate(file, dag_id, dags)
        dags[dag.dag_id] = dag
    return {only: dags[only]} if only in dags else dags


def _files(folder: Path, only: str | None) -> list[Path]:
    """Of two files with one id, the one that is named like it comes first, here as in `find_file`."""
    if only is not None:
        found = find_file(folder, only)
        if found is not None:
            return [found]
    return sorted(launcher_files(folder), key=lambda file: (file.stem != (declared_id(file) or file.stem), file.name))


def _scenarios(folder: Path, named: Path | str | None) -> tuple[dict[str, Scenario], str | None, str | None]:
    """(the scenarios, their file, what is wrong with it)."""
    try:
        place = Path(named) if named else find_scenarios(folder)
        return load_scenarios(place), str(place), None
    except ConfigurationError as error:
        return {}, None, str(error)


def _build(file: Path, scenarios: Mapping[str, Scenario], place: str | None, args: Mapping[str, Any]) -> DAG:
    loaded = read_launcher(file, scenarios)
    if loaded.launcher is None:
        return _invalid(_identify(file), "\n".join(map(str, loaded.errors)), file)
    try:
        return launcher_dag(loaded.launcher, scenarios, file=file, scenarios_file=place, default_args=args)
    except Exception as error:  # whatever Airflow itself refuses (a cron, say) must not take the other DAGs along
        return _invalid(loaded.launcher.launcher, f"{file}: {error}", file)


def launcher_dag(
    launcher: Launcher,
    scenarios: Mapping[str, Scenario],
    *,
    file: Path,
    scenarios_file: str | None = None,
    default_args: Mapping[str, Any] | None = None,
) -> DAG:
    """The DAG of one valid launcher."""
    with DAG(
        launcher.launcher,
        dag_display_name=launcher.title or launcher.launcher,
        description=launcher.description or None,
        doc_md=in_words(launcher, scenarios) + "\n",
        schedule=_schedule(launcher),
        start_date=datetime(1970, 1, 1, tzinfo=ZoneInfo(launcher.timezone)),
        catchup=False,
        max_active_runs=1,
        tags={"ezcold", launcher.source.protocol},
        default_args={**(default_args or RETRIES), "owner": launcher.owner},
    ) as dag:
        _rooms(launcher, scenarios, {"launcher": str(file), "scenarios": scenarios_file})
    return dag


def _rooms(launcher: Launcher, scenarios: Mapping[str, Scenario], room: dict[str, Any]) -> None:
    """The tasks of the DAG around, each with the part of the configuration that it goes by.

    :param room: arguments of every operator.
    """
    source = launcher.source
    fetch = FETCH[source.protocol](
        task_id="fetch", configuration=_shown(source, launcher, "limits", "backup", "reprise"), **room
    )
    decode = DecodeOperator(task_id="decode", configuration=_shown(None, launcher, "take", "unpack", "limits"), **room)
    branch = FilterBranchOperator(
        task_id="filter", configuration=_shown(None, launcher, "filters", "routes", "inline", "mismatch"), **room
    )
    dispatch = [
        ColdDispatchOperator(
            task_id=f"{DISPATCH}{name}",
            scenario=name,
            configuration=scenarios[name].model_dump(mode="json", exclude_defaults=True),
            **room,
        )
        for name in launcher.scenarios
    ]
    settle = SettleOperator(task_id="settle", **room)
    fetch >> decode >> branch >> dispatch >> settle


def _schedule(launcher: Launcher) -> Any:
    """A legacy archive is taken by data intervals, which a plain cron string does not have."""
    if launcher.reprise is not None:
        return CronDataIntervalTimetable(EVERY[launcher.reprise.every], timezone=launcher.timezone)
    return launcher.schedule


def _shown(source: Any, launcher: Launcher, *fields: str) -> dict[str, Any]:
    shown: dict[str, Any] = launcher.model_dump(mode="json", include=set(fields), exclude_defaults=True)
    if source is not None:
        shown["source"] = source.model_dump(mode="json", exclude_defaults=True)
    return shown


def _identify(file: Path) -> str:
    """The id that an invalid file claims, else its name made safe."""
    return declared_id(file) or _safe(file.stem)


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:200]


def _duplicate(file: Path, dag_id: str, dags: Mapping[str, DAG]) -> DAG:
    text = f"{file}:1: another file already has the id {dag_id}: give this one an id of its own"
    name = _safe(file.stem)
    while name in dags:
        name += "__duplicate"
    return _invalid(name, text, file)


def _invalid(dag_id: str, text: str, file: Path) -> DAG:
    """A DAG that says what is wrong on its page and, run, fails with the same words."""
    with DAG(
        dag_id,
        doc_md=f"**{escape(file.name)}**\n\n{textwrap.indent(text, '    ', lambda _line: True)}\n",
        schedule=None,
        start_date=datetime(1990, 1, 1, tzinfo=ZoneInfo("UTC")),
        catchup=False,
        tags={"ezcold", INVALID},
        default_args={"retries": 0, "owner": "ezcold"},
    ) as dag:
        InvalidLauncherOperator(task_id="invalid", text=text)
    return dag
