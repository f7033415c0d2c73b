"""A form's fields to a launcher's YAML, and back. What the form does not show is kept as it is in the file."""

from __future__ import annotations

import copy
import difflib
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from starlette.datastructures import FormData

from ezcold_operators.config.loader import load_directory, read_launcher
from ezcold_operators.config.rules import ACTIONS
from ezcold_operators.config.scenario import Scenario
from ezcold_ui.language import t

ROUTES = 12
MAX_LINES = 5000
"""A difference of longer texts takes seconds; a launcher is a page."""
NUMBER_LIKE = re.compile(r"[-+.\d][\w.+-]*")
ORDER = ("launcher", "title", "description", "schedule", "timezone", "source", "take", "unpack", "filters", "routes",
         "backup", "owner")  # fmt: skip
DEFAULTS: dict[str, Any] = {"timezone": "Europe/Paris", "owner": "ezcold"}


class Plain(yaml.SafeDumper):
    """Writes no aliases, lists indented as people write them, and filters in quotes."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


class Quoted(str):
    """Text that is always quoted."""


class Flat(dict[str, Any]):
    """Fields that stand on one line."""


class Line(list[Any]):
    """A list that stands on one line."""


Plain.add_representer(
    Flat, lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data, flow_style=True)
)
Plain.add_representer(
    Line, lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)
)
Plain.add_representer(
    str,
    # YAML 1.2, which launchers are read as, has numbers that PyYAML does not know for such: 0o17, 1e5
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="'" if NUMBER_LIKE.fullmatch(text) else None
    ),
)
Plain.add_representer(Quoted, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'"))


def text_of(data: Mapping[str, Any]) -> str:
    """A launcher's YAML."""
    shown: dict[str, Any] = {name: data[name] for name in ORDER if name in data}
    shown |= {name: value for name, value in data.items() if name not in shown}
    if shown.get("filters"):
        shown["filters"] = [Quoted(one) for one in shown["filters"]]
    shown |= {name: _flat(value) for name, value in shown.items() if name not in ("source", "filters", "routes")}
    shown["source"] = {name: _flat(value) for name, value in shown["source"].items()}
    shown["routes"] = [{name: _flat(value) for name, value in one.items()} for one in shown["routes"]]
    return yaml.dump(shown, Dumper=Plain, allow_unicode=True, sort_keys=False, width=110)


def _flat(value: Any) -> Any:
    if isinstance(value, dict):
        return Flat({name: _flat(inner) for name, inner in value.items()})
    return Line(_flat(inner) for inner in value) if isinstance(value, list) else value


def digest(text: str) -> str:
    """What tells one text from another."""
    return hashlib.sha256(text.encode()).hexdigest()


def state(path: Path) -> str:
    """What tells one state of a file from another, whatever its bytes are; '' where there is no file."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""


def _line(form: FormData, name: str) -> str:
    return " ".join(str(form.get(name, "")).split())


def compose(form: FormData, base: Mapping[str, Any]) -> dict[str, Any]:
    """The launcher that the form describes, over what the file says now."""
    data: dict[str, Any] = copy.deepcopy(dict(base))
    for name in ("launcher", "title", "description", "schedule", "timezone", "owner"):
        value = _line(form, name)
        if value and value != DEFAULTS.get(name, ""):
            data[name] = value
        else:
            data.pop(name, None)
    data["source"] = _source(form, data.get("source"))
    filters = [line.strip() for line in str(form.get("filters", "")).splitlines() if line.strip()]
    data["filters"] = filters
    if not filters:
        del data["filters"]
    data["routes"] = _routes(form)
    if form.get("backup"):
        days = _line(form, "keep_days")
        data["backup"] = {"keep_days": int(days) if re.fullmatch("[0-9]{1,9}", days) else days or 30}
    else:
        data.pop("backup", None)
    return data


def _source(form: FormData, before: Any) -> dict[str, Any]:
    source: dict[str, Any] = dict(before) if isinstance(before, dict) else {}
    protocol = _line(form, "protocol")
    source["protocol"] = protocol
    for name in ("connection", "mailbox", "path"):
        wanted = {"connection": protocol in ("imap", "o365", "pop"), "mailbox": protocol == "o365",
                  "path": protocol != "pop"}[name]  # fmt: skip
        value = _line(form, name)
        if value and wanted:
            source[name] = value
        else:
            source.pop(name, None)
    if form.get("subfolders"):
        source["subfolders"] = True
    else:
        source.pop("subfolders", None)
    for name in ("after", "rejected"):
        action = _line(form, f"{name}_action")
        if action in ("", "keep"):
            source.pop(name, None)
        else:
            to = _line(form, f"{name}_to")
            source[name] = {"action": action} | ({"to": to} if action == "move" and to else {})
    return source


def _routes(form: FormData) -> list[dict[str, Any]]:
    found = []
    for n in range(ROUTES):
        extensions = [one for one in re.split(r"[\s,;]+", str(form.get(f"extensions_{n}", ""))) if one]
        send_to = [str(one) for one in form.getlist(f"send_to_{n}") if one]
        if extensions or send_to:
            found.append({"extensions": extensions, "send_to": send_to})
    return found


def fields(data: Any) -> dict[str, Any]:
    """What the form shows of a launcher's YAML; of a wrong one, what can be shown."""
    known = data if isinstance(data, dict) else {}
    source: dict[str, Any] = known["source"] if isinstance(known.get("source"), dict) else {}
    backup = known.get("backup")
    after: dict[str, dict[str, Any]] = {
        name: source[name] if isinstance(source.get(name), dict) else {} for name in ("after", "rejected")
    }
    routes = [one for one in _list(known, "routes") if isinstance(one, dict)]
    return {
        **{name: known.get(name) or DEFAULTS.get(name, "") for name in
           ("launcher", "title", "description", "schedule", "timezone", "owner")},
        **{name: source.get(name) or "" for name in ("protocol", "connection", "mailbox", "path")},
        "subfolders": source.get("subfolders") is True,
        "after_action": after["after"].get("action", "keep"), "after_to": after["after"].get("to", ""),
        "rejected_action": after["rejected"].get("action", "keep"), "rejected_to": after["rejected"].get("to", ""),
        "filters": "\n".join(str(one) for one in _list(known, "filters")),
        "routes": [
            {"extensions": ", ".join(map(str, _list(one, "extensions"))), "send_to": _list(one, "send_to")}
            for one in routes
        ],
        "backup": isinstance(backup, dict),
        "keep_days": backup.get("keep_days", 30) if isinstance(backup, dict) else 30,
    }  # fmt: skip


def _list(known: Mapping[str, Any], name: str) -> list[Any]:
    found = known.get(name)
    return found if isinstance(found, list) else []


def heirlooms(data: Any) -> set[str]:
    """The launchers whose past this one claims (`formerly`), so whose documents it would show."""
    return {str(one) for one in _list(data, "formerly")} if isinstance(data, dict) else set()


def actions() -> Mapping[str, tuple[str, ...]]:
    """What each protocol can do with an item that is done with."""
    return {name: tuple(found) for name, found in ACTIONS.items()}


def problems(text: str, scenarios: Mapping[str, Scenario], name: str = "launcher.yaml") -> list[tuple[int, str]]:
    """(line, what is wrong) of a launcher's YAML by itself."""
    with tempfile.TemporaryDirectory(prefix="ezcold-check-") as folder:
        file = Path(folder, name)
        file.write_text(text, encoding="utf-8")
        return [(one.line, one.text) for one in read_launcher(file, scenarios).errors]


def among_others(
    text: str, path: Path, scenarios: Mapping[str, Scenario]
) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """(errors, warnings) of a launcher's YAML as the file `path` beside all others: ids, overlapping places."""
    with tempfile.TemporaryDirectory(prefix="ezcold-check-") as folder:
        for other in path.parent.glob("*.y*ml"):
            if other.name != path.name and other.is_file():
                shutil.copyfile(other, Path(folder, other.name))
        Path(folder, path.name).write_text(text, encoding="utf-8")
        mine = [one for one in load_directory(folder, scenarios) if one.path.name == path.name]
    errors = [(one.line, one.text) for found in mine for one in found.errors]
    return errors, [(one.line, one.text) for found in mine for one in found.warnings]


def difference(before: str, after: str) -> list[tuple[str, str]]:
    """(kind, line) of a unified difference: kind is add, del, at or same."""
    kinds = {"+": "add", "-": "del", "@": "at"}
    old, new = before.splitlines(), after.splitlines()
    if max(len(old), len(new)) > MAX_LINES:
        return [("at", t("Too long to be compared here."))]
    lines = list(difflib.unified_diff(old, new, lineterm="", n=3))[2:]
    return [(kinds.get(line[:1], "same"), line) for line in lines]


class Changed(Exception):
    """Somebody else changed the file meanwhile."""


def write(path: Path, text: str, before: str) -> None:
    """Put a launcher's file in place whole.

    :param before: the `state` of the file when it was opened for editing; '' for a file that was not there.
    :raises Changed: it is no longer that. :raises OSError: it cannot be written.
    """
    with _unchanged(path, before):
        _replace(path, text)


def remove(path: Path, before: str) -> None:
    """Delete a launcher's file, if it is as the person saw it.

    :raises Changed: it is not. :raises OSError: it cannot be deleted.
    """
    with _unchanged(path, before):
        path.unlink()


@contextmanager
def _unchanged(path: Path, before: str) -> Iterator[None]:
    """One change of the folder at a time, among all API servers of this machine; durable at its end."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if state(path) != before:
            raise Changed
        yield
        os.fsync(folder)
    finally:
        os.close(folder)


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    fresh = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        fresh.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def sentence_of(error: OSError) -> str:
    """Why a file could not be written."""
    return t("The file could not be written ({why}): copy the YAML below, or ask for the right.", why=error.strerror)
