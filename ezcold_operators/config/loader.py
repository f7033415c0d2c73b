"""Files to models: every launcher of a directory, every scenario, and what is wrong in them with its line.

Reads local files only: no Connection, no network. One bad file never hides the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ezcold_operators.config.launcher import Launcher
from ezcold_operators.config.messages import dotted, nearest, sentence
from ezcold_operators.config.overlap import overlaps
from ezcold_operators.config.problems import Problem
from ezcold_operators.config.scenario import INDEXES, Scenario
from ezcold_operators.config.yaml import MAX_BYTES, Loc, Parsed, YamlError, parse
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _

SUFFIXES = (".yaml", ".yml")
SCENARIOS = ("scenarios.yaml", "scenarios.yml")


@dataclass(frozen=True, slots=True)
class Loaded:
    """One launcher file: its launcher, or what is wrong in it."""

    path: Path
    launcher: Launcher | None
    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    parsed: Parsed | None = field(default=None, repr=False, compare=False)
    """The YAML and its lines; None when the file is no YAML."""

    @property
    def id(self) -> str:
        """The launcher's id as far as it can be told; else the file's stem."""
        data = self.parsed.data if self.parsed else None
        declared = data.get("launcher") if isinstance(data, dict) else None
        return declared if isinstance(declared, str) else self.path.stem

    def problem(self, loc: Loc, text: str) -> Problem:
        """A problem at a place in this file."""
        return Problem(self.path, self.parsed.line(loc) if self.parsed else 1, text)


def load_launcher(path: Path | str, scenarios: Mapping[str, Scenario] | None = None) -> Launcher:
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
    errors = [] if scenarios is None else list(_unknown(path, parsed, scenarios))
    launcher = None
    try:
        launcher = Launcher.model_validate(parsed.data)
    except ValidationError as exc:
        errors = sorted([*_problems(path, parsed, exc, Launcher, ()), *errors], key=lambda problem: problem.line)
    return Loaded(path, None if errors else launcher, errors, parsed=parsed)


def _problems(path: Path, parsed: Parsed, exc: ValidationError, root: type[BaseModel], at: Loc) -> list[Problem]:
    data = parsed.data
    for part in at:
        data = data[part]
    errors = exc.errors(include_url=False)
    places = {tuple(error["loc"][:end]) for error in errors for end in range(len(error["loc"]))}
    # of a list with a wrong entry, pydantic also says that it is too short
    own = [error for error in errors if error["type"] != "too_short" or tuple(error["loc"]) not in places]
    found = [sentence(error, root, data) for error in own]
    problems = [Problem(path, parsed.line((*at, *loc)), text) for loc, text in found]
    return sorted(dict.fromkeys(problems), key=lambda problem: problem.line)


def _unknown(path: Path, parsed: Parsed, scenarios: Mapping[str, Scenario]) -> Iterator[Problem]:
    """Scenarios that nobody defined, told from the YAML itself: the launcher may be wrong elsewhere too."""
    routes = parsed.data.get("routes") if isinstance(parsed.data, dict) else None
    for i, route in enumerate(routes if isinstance(routes, list) else ()):
        names = route.get("send_to") if isinstance(route, dict) else None
        for k, name in enumerate(names if isinstance(names, list) else ()):
            if isinstance(name, str) and name not in scenarios:
                text = _("routes[{group}].send_to: no scenario {id} in the scenarios file").format(group=i + 1, id=name)
                hint = nearest(name, list(scenarios))
                yield Problem(path, parsed.line(("routes", i, "send_to", k)), text + hint)


def load_directory(
    folder: Path | str,
    scenarios: Mapping[str, Scenario] | None = None,
    read: Callable[[Path, Mapping[str, Scenario] | None], Loaded] = read_launcher,
) -> list[Loaded]:
    """Read every launcher of a directory, by file name, and check them against each other.

    An id that is written in two files stays with the file that is named like it (else with the first).

    :param read: how one file is read: a server that looks again and again keeps those that did not change.
    :raises ConfigurationError: the directory cannot be read. Never for a bad file: that is in its `errors`.
    """
    loaded = [read(path, scenarios) for path in launcher_files(Path(folder))]
    return _together(loaded)


def _together(loaded: list[Loaded]) -> list[Loaded]:
    owners = _owners(loaded)
    errors: dict[Path, list[Problem]] = {}
    warnings: dict[Path, list[Problem]] = {}
    for one in loaded:
        errors[one.path] = [*one.errors, *_ids(one, owners)]
        warnings[one.path] = list(one.warnings)
    living = [one for one in loaded if one.launcher is not None and owners.get(one.id) is one]
    for overlap in overlaps([one.launcher for one in living if one.launcher is not None]):
        one, other = living[overlap.one], living[overlap.other]
        text = f"{dotted(overlap.loc)}: " + overlap.text.format(id=other.id, file=other.path.name)
        problem = replace(one.problem(overlap.loc, text), severity=overlap.severity)
        (errors if overlap.severity == "error" else warnings)[one.path].append(problem)
    return [
        replace(
            one,
            launcher=None if errors[one.path] else one.launcher,
            errors=errors[one.path],
            warnings=warnings[one.path],
        )
        for one in loaded
    ]


def _owners(loaded: Iterable[Loaded]) -> dict[str, Loaded]:
    owners: dict[str, Loaded] = {}
    for one in loaded:
        if one.id not in owners or (one.path.stem == one.id and owners[one.id].path.stem != one.id):
            owners[one.id] = one
    return owners


def _ids(one: Loaded, owners: Mapping[str, Loaded]) -> list[Problem]:
    found = []
    owner = owners[one.id]
    if owner is not one and one.parsed is not None:
        text = _("launcher: {id} is already the id of {file}").format(id=one.id, file=owner.path.name)
        found.append(one.problem(("launcher",), text))
    for k, old in enumerate(one.launcher.formerly if one.launcher else ()):
        if old in owners:
            text = _("formerly[{number}]: {id} is the id of a living launcher, {file}").format(
                number=k + 1, id=old, file=owners[old].path.name
            )
            found.append(one.problem(("formerly", k), text))
        elif heir := _heir(one, old, owners):
            text = _("formerly[{number}]: {file} claims the past of {id} too").format(
                number=k + 1, file=heir.path.name, id=old
            )
            found.append(one.problem(("formerly", k), text))
    return found


def _heir(one: Loaded, old: str, owners: Mapping[str, Loaded]) -> Loaded | None:
    for other in owners.values():
        if other is not one and other.launcher is not None and old in other.launcher.formerly:
            return other
    return None


def launcher_files(folder: Path) -> list[Path]:
    """The launcher files of a directory (not below it), by name: *.yaml and *.yml, hidden files and scenarios aside.

    :raises ConfigurationError: the directory cannot be read.
    """
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - a Path for each name is slow
    except OSError as exc:
        text = _("{folder} cannot be read: {error}").format(folder=folder, error=exc.strerror)
        raise ConfigurationError(text) from None
    return [
        Path(folder, name)
        for name in names
        if name.endswith(SUFFIXES) and not name.startswith(".") and name not in SCENARIOS
    ]


def find_scenarios(launcher: Path | str) -> Path:
    """The scenarios file of a launcher (a file or a directory of them): EZCOLD_SCENARIOS, beside it, one folder up.

    :raises ConfigurationError: there is none.
    """
    named = os.environ.get("EZCOLD_SCENARIOS")
    if named:
        return Path(named).expanduser()
    launcher = Path(launcher)
    folder = launcher if launcher.is_dir() else launcher.parent
    for place in (folder, folder.absolute().parent):
        for name in SCENARIOS:
            if (place / name).is_file():
                return place / name
    text = _("no {name} beside {folder} nor one folder up: write it, or set EZCOLD_SCENARIOS")
    raise ConfigurationError(text.format(name=SCENARIOS[0], folder=folder))


def load_scenarios(path: Path | str) -> dict[str, Scenario]:
    """Read a scenarios file.

    :raises ConfigurationError: as `load_launcher`.
    """
    scenarios, problems, _lines = read_scenarios(Path(path))
    if problems:
        raise ConfigurationError("\n".join(str(problem) for problem in problems))
    return scenarios


def read_scenarios(path: Path) -> tuple[dict[str, Scenario], list[Problem], Parsed | None]:
    """(the scenarios that are right, what is wrong with the others, the YAML) without raising."""
    try:
        parsed = _parsed(path)
    except YamlError as exc:
        return {}, [Problem(path, exc.line, exc.text)], None
    data = parsed.data
    if not isinstance(data, dict) or not isinstance(data.get("scenarios"), dict) or not data["scenarios"]:
        text = _("scenarios: the scenarios are expected below this word, each under its id")
        return {}, [Problem(path, parsed.line(("scenarios",)), text)], parsed
    problems = [
        Problem(
            path, parsed.line((word,)), _("{field}: unknown field").format(field=word) + nearest(word, ["scenarios"])
        )
        for word in data
        if word != "scenarios"
    ]
    found: dict[str, Scenario] = {}
    for name, entry in data["scenarios"].items():
        scenario, wrong = _scenario(path, parsed, name, entry)
        problems += wrong
        if scenario is not None:
            found[name] = scenario
    return found, problems, parsed


def _scenario(path: Path, parsed: Parsed, name: str, entry: Any) -> tuple[Scenario | None, list[Problem]]:
    at: Loc = ("scenarios", name)
    line = parsed.line(at)
    if not (name.isascii() and name.replace("_", "a").isalnum() and name[0].isalpha() and name == name.lower()):
        text = _("{id}: an id is a small letter, then small letters, digits and _ only").format(id=name)
        return None, [Problem(path, line, text)]
    if not isinstance(entry, dict):
        return None, [Problem(path, line, _("{id}: fields are expected here, as `name: value`").format(id=name))]
    if "id" in entry:
        return None, [Problem(path, parsed.line((*at, "id")), _("{id}.id: unknown field").format(id=name))]
    try:
        return Scenario.model_validate(_placed(entry, name, path)), []
    except ValidationError as exc:
        found = _problems(path, parsed, exc, Scenario, at)
        return None, [replace(problem, text=f"{name}.{problem.text}") for problem in found]


def _placed(entry: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    """The entry with its id, and a relative template file looked for beside the scenarios file."""
    index = entry.get("index")
    if isinstance(index, str) and index not in INDEXES and "." in index:
        entry = {**entry, "index": str(path.parent / index)}
    return {**entry, "id": name}


def _parsed(path: Path) -> Parsed:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise YamlError(1, _("cannot be read: {error}").format(error=exc.strerror)) from None
    return parse(raw)
