"""EzGED's own form for a launcher, as people list it, made into ours: columns, protocols, sentences of its schedule.

What cannot be carried over is kept on the row, in words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ezcold_operators.cli import writing
from ezcold_operators.cli.new import NEEDS_CONNECTION, parse_routes
from ezcold_operators.cli.writing import plain
from ezcold_operators.config import cron
from ezcold_operators.config.scenario import Scenario
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _

COLUMNS: dict[str, tuple[str, ...]] = {
    "title": ("nom", "name", "titre", "title", "lanceur", "libelle"),
    "launcher": ("id", "identifiant", "launcher"),
    "description": ("description",),
    "protocol": ("protocole", "protocol"),
    "server": ("serveur", "server", "host"),
    "port": ("portdecoute", "port"),
    "security": ("typedeprotocole", "typeprotocole", "ssl", "type", "security"),
    "login": ("compte", "login", "account", "utilisateur", "selectionneruncompte"),
    "password": ("motdepasse", "password"),
    "connection": ("connection", "connexion"),
    "path": ("cheminsource", "chemin", "path", "source"),
    "subfolders": ("avecsousrepertoires", "sousrepertoires", "sousdossiers", "subfolders"),
    "backup": ("conserverlasauvegarde", "conserverlasauvegardelocale", "sauvegarde", "backup"),
    "filters": ("filtresdenomdefichier", "filtres", "filtre", "filters"),
    "routes": ("scenariosdecoldaffilies", "scenariosdecoldaffiliesregroupesparextensiondefichier", "scenarios",
               "scenario", "routes"),
    "schedule": ("programmerlelanceur", "programmation", "schedule", "cron"),
}  # fmt: skip
YES, NO = ("oui", "yes", "true", "1", "x", "vrai", "o", "y"), ("", "non", "no", "false", "0", "faux", "n")


@dataclass(slots=True)
class Row:
    """One launcher on its way: what it becomes, and what could not be carried over."""

    number: int
    given: dict[str, Any]
    content: dict[str, Any] = field(default_factory=dict)
    connection: dict[str, Any] | None = None
    lost: list[str] = field(default_factory=list)
    file: Path | None = None

    def text(self, name: str) -> str:
        value = self.given.get(name)
        return "" if value is None else str(value).strip()


def named(given: Mapping[str, Any]) -> dict[str, Any]:
    """Fields by our names; columns that we do not know under ""."""
    known = {word: name for name, words in COLUMNS.items() for word in words}
    found: dict[str, Any] = {}
    unknown = []
    for column, value in given.items():
        name = known.get(plain(str(column)))
        if name is not None:
            found[name] = value
        elif value not in (None, "", []):
            unknown.append(column)
    return found | {"": unknown}


def convert(row: Row, taken: set[str], scenarios: Mapping[str, Scenario]) -> None:
    """Fill the row's content.

    :param taken: ids that other rows have.
    :param scenarios: by id, those that are known.
    """
    title = row.text("title") or row.text("launcher") or f"lanceur {row.number}"
    content = row.content
    content["launcher"] = row.text("launcher") or writing.identifier(title, taken)
    content["title"] = title
    if description := row.text("description"):
        content["description"] = description
    if schedule := row.text("schedule"):
        content["schedule"] = _schedule(row, schedule)
    content["source"] = _source(row)
    if filters := _filters(row.given.get("filters")):
        content["filters"] = filters
    content["routes"] = _routes(row, scenarios)
    if backup := _backup(row):
        content["backup"] = backup


def _source(row: Row) -> dict[str, Any]:
    wanted = row.text("protocol")
    protocol = writing.protocol(wanted)
    if protocol is None:
        row.lost.append(_("protocol {text} is unknown").format(text=wanted))
        return {"protocol": wanted}
    source: dict[str, Any] = {"protocol": protocol}
    if protocol in NEEDS_CONNECTION:
        name = row.text("connection") or writing.identifier(row.text("login") or row.content["launcher"])
        source["connection"] = name
        _connection(row, name)
    path = row.text("path")
    if path and protocol != "pop":
        source["path"] = path
    elif path and path.upper() != "INBOX":
        row.lost.append(_("source path {path}: POP has no folders").format(path=path))
    if _flag(row, "subfolders") and protocol != "pop":
        source["subfolders"] = True
    return source


def _connection(row: Row, name: str) -> None:
    """The Connection that a person must make; the password stays out of files and of reports."""
    kind = plain(row.text("security"))
    security = "starttls" if "starttls" in kind else "none" if kind in ("aucun", "none", "sans", "non") else "tls"
    row.connection = {
        "conn_id": name, "conn_type": writing.protocol(row.text("protocol")), "host": row.text("server"),
        "port": int(row.text("port")) if row.text("port").isdigit() else None, "login": row.text("login"),
        "extra": {"security": security},
    }  # fmt: skip
    if row.text("password"):
        row.lost.append(_("the password: put it into the Connection {id}").format(id=name))


def _flag(row: Row, name: str) -> bool:
    value = plain(row.text(name))
    if value not in (*YES, *NO):
        row.lost.append(_("{name}: {text} is neither yes nor no").format(name=name, text=row.text(name)))
    return value in YES


def _backup(row: Row) -> dict[str, int] | None:
    text = row.text("backup")
    days = re.search(r"[0-9]+", text)
    if days and plain(text) not in ("0", "1"):
        return {"keep_days": int(days.group())}
    return {"keep_days": 30} if _flag(row, "backup") else None


def _filters(value: Any) -> list[str]:
    """A list, or a text with one a line (a filter may hold any other mark)."""
    parts = value if isinstance(value, list) else str(value or "").splitlines()
    return [str(part).strip() for part in parts if str(part).strip()]


def _routes(row: Row, scenarios: Mapping[str, Scenario]) -> list[dict[str, Any]]:
    value = row.given.get("routes")
    try:
        if isinstance(value, list):
            groups = [_group(one) for one in value]
        elif isinstance(value, dict):
            groups = [{"extensions": _list(key), "send_to": _list(names)} for key, names in value.items()]
        else:
            groups = parse_routes(str(value or "") if re.search("[=:]", str(value or "")) else f"*={value or ''}")
    except ConfigurationError as exc:
        row.lost.append(_("scenarios: {error}").format(error=exc))
        return []
    for group in groups:
        group["send_to"] = [_scenario(row, name, scenarios) for name in group["send_to"]]
    return groups


def _group(one: Any) -> dict[str, list[str]]:
    if not isinstance(one, dict):
        return {"extensions": ["*"], "send_to": _list(one)}
    named = {plain(str(key)): value for key, value in one.items()}
    extensions = named.get("extensions", named.get("extension", "*"))
    names = named.get("sendto", named.get("scenarios", named.get("scenario", "")))
    return {"extensions": _list(extensions), "send_to": _list(names)}


def _list(value: Any) -> list[str]:
    parts = value if isinstance(value, list) else str(value).split(",")
    return [str(part).strip() for part in parts if str(part).strip()]


def _scenario(row: Row, name: str, scenarios: Mapping[str, Scenario]) -> str:
    """The id of a scenario that EzGED calls `87 - facturesfournisseurs`, 87, or by its name."""
    number = re.match(r"\s*([0-9]+)", name)
    for known in scenarios.values():
        if number and known.number == int(number.group(1)):
            return known.id
    found = writing.identifier(name)
    if found not in scenarios:
        row.lost.append(_("scenario {name}: write {id} into scenarios.yaml").format(name=name, id=found))
    return found


_EVERY = re.compile(r"toutes? les (?:([0-9]+) )?(minutes?|heures?)")
_DAILY = re.compile(r"tous les jours(?: (?:à|a) ([0-9]{1,2})\s*[h:]\s*([0-9]{2})?)?")


def _schedule(row: Row, text: str) -> str | None:
    """A cron as it is, and the commonest French sentences; else None, and it is said."""
    if plain(text) in ("non", "jamais", "manuel", "alamain", "aucune", "no"):
        return None
    if cron.wrong(text) is None:
        return text
    if match := _EVERY.fullmatch(text.lower()):
        count, unit = int(match.group(1) or 1), match.group(2)
        if unit.startswith("minute") and 60 % count == 0:
            return f"*/{count} * * * *" if count > 1 else "* * * * *"
        if unit.startswith("heure") and 24 % count == 0:
            return f"0 */{count} * * *" if count > 1 else "0 * * * *"
    if match := _DAILY.fullmatch(text.lower()):
        return f"{int(match.group(2) or 0)} {int(match.group(1) or 0)} * * *"
    row.lost.append(_("schedule {text}: write it as a cron").format(text=text))
    return None
