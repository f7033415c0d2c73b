"""`ezcold check`: every launcher and scenario of some paths, each against the others, errors and warnings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ezcold_operators.config.launcher import Launcher
from ezcold_operators.config.loader import (
    SCENARIOS,
    Loaded,
    find_scenarios,
    load_directory,
    read_launcher,
    read_scenarios,
)
from ezcold_operators.config.places import file_place
from ezcold_operators.config.problems import Problem
from ezcold_operators.config.rules import MAIL, Finding
from ezcold_operators.config.scenario import Scenario
from ezcold_operators.config.settings import Settings
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _

_QUOTE = re.compile(r"""\(\?!['"«»“”‘’]""")


def check(paths: Iterable[Path | str] = ()) -> list[Problem]:
    """What is wrong in launcher files, scenarios files and directories; without paths, in the launchers directory.

    A directory is checked with the scenarios file above it; a launcher file also against those beside it.
    """
    found: list[Problem] = []
    for path in [Path(path) for path in paths] or [Settings.from_env().launchers_dir]:
        found += _directory(path) if path.is_dir() else _file(path)
    return list(dict.fromkeys(found))


def _directory(folder: Path) -> Iterator[Problem]:
    scenarios, _place, problems = _scenarios(folder)
    yield from problems
    try:
        loaded = load_directory(folder, scenarios)
    except ConfigurationError as exc:
        yield Problem(folder, 1, str(exc))
        return
    if not loaded:
        yield Problem(folder, 1, _("no launcher here: no *.yaml"), "warning")
    for one in loaded:
        yield from _of(one, scenarios or {})


def _file(path: Path) -> Iterator[Problem]:
    if not path.exists():
        yield Problem(path, 1, _("no such file or directory"))
    elif path.name in SCENARIOS or _holds_scenarios(path):
        yield from _scenarios_file(path)[1]
    else:
        scenarios, _place, problems = _scenarios(path)
        yield from problems
        beside = [one for one in load_directory(path.parent, scenarios) if one.path.name == path.name]
        for one in beside or [read_launcher(path, scenarios)]:
            yield from (replace(problem, file=path) for problem in _of(one, scenarios or {}))


def _holds_scenarios(path: Path) -> bool:
    parsed = read_launcher(path).parsed
    return parsed is not None and isinstance(parsed.data, dict) and "scenarios" in parsed.data


def _scenarios(path: Path) -> tuple[dict[str, Scenario] | None, Path | None, list[Problem]]:
    try:
        place = find_scenarios(path)
    except ConfigurationError as exc:
        return None, None, [Problem(path, 1, str(exc))]
    scenarios, problems = _scenarios_file(place)
    wrong = any(problem.severity == "error" for problem in problems)
    return (None if wrong else scenarios), place, problems


def _scenarios_file(place: Path) -> tuple[dict[str, Scenario], list[Problem]]:
    scenarios, problems, parsed = read_scenarios(place)
    first: dict[tuple[str, ...], str] = {}
    for name, scenario in scenarios.items():
        where = _entrance(scenario)
        if where in first and parsed is not None:
            text = _("{id}: the same waiting directory as {other}").format(id=name, other=first[where])
            problems.append(Problem(place, parsed.line(("scenarios", name)), text, "warning"))
        first.setdefault(where, name)
    return scenarios, problems


def _entrance(scenario: Scenario) -> tuple[str, ...]:
    if scenario.driver == "folder":
        return file_place((scenario.path or "") + "/").directory
    return ("ezged", scenario.connection or "", scenario.waitdir or "")


def _of(one: Loaded, scenarios: Mapping[str, Scenario]) -> Iterator[Problem]:
    yield from one.errors
    yield from one.warnings
    if one.launcher is not None:
        for loc, text in warnings(one.launcher, scenarios):
            yield replace(one.problem(loc, text), severity="warning")


def warnings(launcher: Launcher, scenarios: Mapping[str, Scenario]) -> Iterator[Finding]:
    """What is allowed, but hardly meant."""
    for k, text in enumerate(str(f) for f in launcher.filters):
        if _QUOTE.search(text):
            yield (
                ("filters", k),
                _("filters[{number}]: a quote right after (?! is part of the pattern: leave it out").format(
                    number=k + 1
                ),
            )
    yield from _without_effect(launcher)
    if launcher.source.protocol not in MAIL:
        yield from _round(launcher, list(scenarios.values()))


def _without_effect(launcher: Launcher) -> Iterator[Finding]:
    mails = launcher.source.protocol in MAIL
    written = launcher.model_fields_set
    text = _("{field}: has no effect with {protocol}")
    if not mails and "take" in written:
        yield ("take",), text.format(field="take", protocol=launcher.source.protocol)
    if not mails and "inline" in written and not {"mail", "outlook"} & set(launcher.unpack):
        yield ("inline",), text.format(field="inline", protocol=launcher.source.protocol)
    if mails and "settle_seconds" in launcher.source.model_fields_set:
        field = "source.settle_seconds"
        yield ("source", "settle_seconds"), text.format(field=field, protocol=launcher.source.protocol)


def _round(launcher: Launcher, scenarios: Sequence[Scenario]) -> Iterator[Finding]:
    watched = file_place(launcher.source.path or "").directory
    for scenario in scenarios:
        if scenario.driver == "folder" and _entrance(scenario) == watched:
            yield (
                ("source", "path"),
                _("source.path: it is the waiting directory of scenario {id}").format(id=scenario.id),
            )
