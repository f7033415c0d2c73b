"""Files to models: every launcher of a directory, every scenario, and what is wrong in them with its line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ezcold_operators.config.launcher import Launcher
from ezcold_operators.config.problems import Problem
from ezcold_operators.config.scenario import Scenario
from ezcold_operators.config.yaml import Parsed, YamlError, parse
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _

SUFFIXES = (".yaml", ".yml")
SCENARIOS = "scenarios.yaml"


@dataclass(frozen=True, slots=True)
class Loaded:
    """One launcher file: its launcher, or what is wrong in it."""

    path: Path
    launcher: Launcher | None
    errors: list[Problem] = field(default_factory=list)


def load_launcher(path: Path, scenarios: Mapping[str, Scenario] | None = None) -> Launcher:
    """Read one launcher; with `scenarios`, its routes are checked against them.

    :raises ConfigurationError: the file cannot be read or is wrong; one line a problem, each with `file:line`.
    """
    loaded = read_launcher(Path(path), scenarios)
    if loaded.launcher is None:
        raise ConfigurationError("\n".join(str(problem) for problem in loaded.errors))
    return loaded.launcher


def read_launcher(path: Path, scenarios: Mapping[str, Scenario] | None = None) -> Loaded:
    """Read one launcher without raising."""
    try:
        parsed = _parsed(path)
    except YamlError as exc:
        return Loaded(path, None, [Problem(path, exc.line, exc.text)])
    try:
        launcher = Launcher.model_validate(parsed.data)
    except ValidationError as exc:
        return Loaded(path, None, [Problem(path, parsed.line(e["loc"]), f"{e['loc']}: {e['msg']}") for e in exc.errors()])
    errors = [] if scenarios is None else _unknown(path, parsed, launcher, scenarios)
    return Loaded(path, None if errors else launcher, errors)


def _unknown(path: Path, parsed: Parsed, launcher: Launcher, scenarios: Mapping[str, Scenario]) -> list[Problem]:
    return [
        Problem(path, parsed.line(("routes", i, "send_to", k)), _("no scenario {id}").format(id=name))
        for i, route in enumerate(launcher.routes)
        for k, name in enumerate(route.send_to)
        if name not in scenarios
    ]


def load_directory(folder: Path, scenarios: Mapping[str, Scenario] | None = None) -> list[Loaded]:
    """Read every launcher of a directory, by file name; never raises for one bad file."""
    return [read_launcher(path, scenarios) for path in launcher_files(folder)]


def launcher_files(folder: Path) -> list[Path]:
    """The launcher files of a directory (not below it), by name: *.yaml and *.yml, hidden files and scenarios aside."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as exc:
        raise ConfigurationError(_("{folder} cannot be read: {error}").format(folder=folder, error=exc.strerror)) from None
    return [
        Path(folder, name)
        for name in names
        if name.endswith(SUFFIXES) and not name.startswith(".") and name != SCENARIOS
    ]


def find_scenarios(launcher: Path) -> Path:
    """The scenarios file of a launcher (a file or a directory of them): EZCOLD_SCENARIOS, beside it, one folder up.

    :raises ConfigurationError: there is none.
    """
    named = os.environ.get("EZCOLD_SCENARIOS")
    if named:
        return Path(named)
    folder = launcher if launcher.is_dir() else launcher.parent
    for place in (folder / SCENARIOS, folder.resolve().parent / SCENARIOS):
        if place.is_file():
            return place
    raise ConfigurationError(_("no {name} beside {folder} nor one folder up").format(name=SCENARIOS, folder=folder))


def load_scenarios(path: Path) -> dict[str, Scenario]:
    """Read a scenarios file.

    :raises ConfigurationError: as `load_launcher`.
    """
    try:
        parsed = _parsed(Path(path))
        entries: Any = parsed.data["scenarios"]
        return {name: Scenario.model_validate({**entry, "id": name}) for name, entry in entries.items()}
    except (YamlError, ValidationError, KeyError, TypeError, AttributeError) as exc:
        raise ConfigurationError(f"{path}:{getattr(exc, 'line', 1)}: {exc}") from None


def _parsed(path: Path) -> Parsed:
    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise YamlError(1, _("cannot be read: {error}").format(error=exc.strerror)) from None
    return parse(raw)
