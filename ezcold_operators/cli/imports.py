"""`ezcold import LIST`: EzGED's launchers, a line each in CSV or an object each in JSON, become files.

Columns are the form's own words, in any order, with or without accents. What cannot be carried over is said, line by
line; passwords never are: they belong into Connections.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ezcold_operators.cli import writing
from ezcold_operators.cli.ezged_form import Row, convert, named
from ezcold_operators.cli.output import labelled, print_json
from ezcold_operators.config.loader import find_scenarios, load_scenarios
from ezcold_operators.config.scenario import Scenario
from ezcold_operators.config.settings import Settings
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _, ngettext


def imports(listing: Path, folder: Path | None, as_json: bool) -> int:
    """0 all carried over; 1 something was not; files that are there already are left as they are."""
    target = folder or Settings.from_env().launchers_dir
    scenarios = _scenarios(target)
    taken: set[str] = set()
    rows = []
    for number, given in enumerate(_read(listing), start=1):
        row = Row(number, named(given))
        row.lost += [_("column {name} is unknown").format(name=name) for name in row.given.pop("", [])]
        convert(row, taken, scenarios)
        taken.add(row.content["launcher"])
        _write(row, target, f"{listing.name}, {number}")
        rows.append(row)
    print_json([_plain(row) for row in rows]) if as_json else _show(rows)
    return 1 if any(row.lost or row.file is None for row in rows) or not rows else 0


def _read(listing: Path) -> Iterator[Mapping[str, Any]]:
    """The entries of a CSV (comma or semicolon, UTF-8 or Windows) or JSON file."""
    try:
        raw = listing.read_bytes()
    except OSError as exc:
        text = _("{file} cannot be read: {error}")
        raise ConfigurationError(text.format(file=listing, error=exc.strerror)) from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    if listing.suffix.lower() == ".json":
        try:
            found = json.loads(text)
        except ValueError as exc:
            raise ConfigurationError(_("{file} is no JSON: {error}").format(file=listing, error=exc)) from None
        entries = found if isinstance(found, list) else [found]
        if not all(isinstance(one, dict) for one in entries):
            raise ConfigurationError(_("{file}: a list of objects is expected").format(file=listing))
        yield from entries
        return
    first = text.partition("\n")[0]
    mark = max(";,\t", key=first.count)
    yield from csv.DictReader(io.StringIO(text, newline=""), delimiter=mark)


def _scenarios(target: Path) -> dict[str, Scenario]:
    try:
        return load_scenarios(find_scenarios(target if target.is_dir() else target / "x.yaml"))
    except ConfigurationError:
        return {}


def _write(row: Row, target: Path, comment: str) -> None:
    file = target / f"{row.content['launcher']}.yaml"
    try:
        loaded = writing.write(row.content, file, comment)
    except ConfigurationError as exc:
        row.lost.append(str(exc))
        return
    if loaded.launcher is None:
        row.lost += [problem.text for problem in loaded.errors]
    else:
        row.file = file


def _plain(row: Row) -> dict[str, Any]:
    return {
        "row": row.number, "launcher": row.content["launcher"], "file": row.file, "connection": row.connection,
        "not_carried_over": row.lost,
    }  # fmt: skip


def _show(rows: list[Row]) -> None:
    for row in rows:
        print(f"{row.number}  " + labelled(row.content["title"], row.file or _("not written")))
        for text in row.lost:
            print(f"    {text}")
    connections = {row.connection["conn_id"]: row.connection for row in rows if row.connection}
    if connections:
        print(_("Connections to make in Airflow, each with its password:"))
    for one in connections.values():
        print("  " + json.dumps(one, ensure_ascii=False))
    written = sum(1 for row in rows if row.file)
    text = ngettext("{n} launcher written", "{n} launchers written", written)
    print(text.format(n=written), file=sys.stderr)
