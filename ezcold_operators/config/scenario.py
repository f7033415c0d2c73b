"""A COLD scenario as a person writes it: one entry of scenarios.yaml, one frozen model."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from ezcold_operators.config import rules
from ezcold_operators.config.model import Model, Place, Text
from ezcold_operators.config.places import below, file_place
from ezcold_operators.i18n import _

INDEXES = ("none", "json", "csv", "xml")
NAME_FIELDS = (
    "name", "stem", "ext", "date", "launcher", "scenario", "number", "sender", "subject", "message_id", "sha256",
    "item",
)  # fmt: skip
"""What `name:` may hold. `date` takes a strftime format; `ext` is without dot."""
_PLAIN = re.compile(r'[^\x00-\x1f\x7f/\\:*?"<>|]+')
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


class Scenario(Model):
    """One COLD destination, defined once, affiliated to many launchers."""

    number: int | None = Field(default=None, ge=0, title="Numéro", description="Number in EzGED.\n\nNuméro dans EzGED.")
    description: Text = Field(default="", title="Description", description="Free text.\n\nTexte libre.")
    driver: Literal["folder", "ezged"] = Field(
        description="folder: write into the waiting directory; ezged: upload over HTTP."
        "\n\nfolder : écrire dans le répertoire d'attente ; ezged : envoyer par HTTP."
    )
    path: Place | None = Field(
        default=None,
        description="folder: the waiting directory (absolute, or smb://, sftp://).\n\nLe répertoire d'attente.",
    )
    parts: Place | None = Field(
        default=None,
        description="folder: where a file is written before it is renamed in; same file system; "
        "default a sibling of path.\n\nRépertoire d'écriture avant renommage, sur le même système de fichiers.",
    )
    connection: Place | None = Field(
        default=None,
        description="ezged: id of the Airflow Connection of the server.\n\nConnection Airflow du serveur EzGED.",
    )
    waitdir: Place | None = Field(
        default=None,
        description="ezged: plain name of the waiting directory.\n\nNom simple du répertoire d'attente.",
    )
    on_ambiguous: Literal["retry", "hold"] = Field(
        default="retry",
        description="ezged: when the answer to an upload was lost.\n\nQuand la réponse à un envoi s'est perdue.",
    )
    name: Place = Field(
        default="{name}",
        description="Template of the file's name; a token is always added before the extension."
        "\n\nModèle du nom de fichier.",
    )
    index: Place = Field(
        default="none",
        description="none, json, csv, xml, or the path of a template file.\n\nIndex à côté du document.",
    )
    index_encoding: Place = Field(default="utf-8", description="Encoding of the index.\n\nEncodage de l'index.")
    index_separator: Annotated[str, StringConstraints(min_length=1, max_length=1)] = Field(
        default=";", description="Separator of a csv index.\n\nSéparateur de l'index csv."
    )
    group: bool = Field(
        default=False,
        description="The documents of one item go in together, index last."
        "\n\nLes documents d'un élément entrent ensemble, l'index en dernier.",
    )
    id: str = Field(default="", description="Filled by the loader with the key it stands under.")

    @model_validator(mode="after")
    def _rules(self) -> Self:
        rules.enforce("Scenario", scenario_rules(self))
        return self


def scenario_rules(scenario: Scenario) -> Iterator[rules.Finding]:
    """The rules between fields, as `rules.launcher`."""
    yield from _folder(scenario) if scenario.driver == "folder" else _ezged(scenario)
    if problem := wrong_name(scenario.name):
        yield ("name",), problem
    if problem := _wrong_index(scenario.index):
        yield ("index",), problem
    try:
        "".encode(scenario.index_encoding)
    except (LookupError, UnicodeError):
        yield ("index_encoding",), _("unknown encoding, such as utf-8 or cp1252")


def _folder(scenario: Scenario) -> Iterator[rules.Finding]:
    for name in ("connection", "waitdir"):
        if getattr(scenario, name) is not None and not (name == "connection" and "://" in (scenario.path or "")):
            yield (name,), _("`{name}` belongs to driver ezged").format(name=name)
    if scenario.path is None:
        yield ("path",), _("driver folder needs the waiting directory")
        return
    for name in ("path", "parts"):
        value = getattr(scenario, name)
        if value is not None and (not rules.is_absolute(value) or ".." in value.split("/")):
            yield (name,), _("an absolute path is expected, without `..`")
    if scenario.parts is not None:
        watched, parts = (file_place(place + "/").directory for place in (scenario.path, scenario.parts))
        if below(parts, watched):
            yield ("parts",), _("EzGED would see unfinished files: it must not be the waiting directory nor lie in it")


def _ezged(scenario: Scenario) -> Iterator[rules.Finding]:
    for name in ("path", "parts"):
        if getattr(scenario, name) is not None:
            yield (name,), _("`{name}` belongs to driver folder").format(name=name)
    if scenario.connection is None:
        yield ("connection",), _("driver ezged needs the id of an Airflow Connection")
    if scenario.waitdir is None:
        yield ("waitdir",), _("driver ezged needs the name of the waiting directory")
    elif not is_plain(scenario.waitdir):
        yield ("waitdir",), _("a plain directory name is expected, without / \\ : or ..")


def is_plain(name: str) -> bool:
    """One level of a path, for Windows too: no separator, drive, device, control character, dots alone."""
    return bool(_PLAIN.fullmatch(name)) and not name.endswith((".", " ")) and not _DEVICES.fullmatch(name)


def wrong_name(template: str) -> str | None:
    """What is wrong with a template of a file's name, or None."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError:
        return _("a brace is not closed; write {{{{ and }}}} for braces themselves").format()
    for literal, field, spec, conversion in parts:
        if field is None:
            continue
        if field not in NAME_FIELDS:
            known = ", ".join(_braced(known) for known in NAME_FIELDS)
            return _("{field} is unknown: use {known}").format(field=_braced(field), known=known)
        if conversion or (spec and field != "date") or "{" in (spec or ""):
            return _("{field} takes no format").format(field=_braced(field))
        if re.search(r"[/\\]", literal + _dated(spec or "")):
            return _("a file's name holds no / nor \\")
    if not any(field for _literal, field, _spec, _conversion in parts):
        return _("every file would get the same name: write {example}").format(example="{name}")
    return None


def _braced(word: str) -> str:
    return "{" + word + "}"


def _dated(spec: str) -> str:
    return datetime(2026, 1, 31).strftime(spec) if spec else ""


def _wrong_index(index: str) -> str | None:
    if index in INDEXES:
        return None
    if "/" not in index and "." not in index:
        return _("use none, json, csv, xml, or the path of a template file")
    if not Path(index).is_file():
        return _("the template file does not exist")
    return _wrong_template(Path(index))


def _wrong_template(file: Path) -> str | None:
    from jinja2 import Environment, TemplateSyntaxError

    try:
        Environment(autoescape=True).parse(file.read_text(encoding="utf-8"))
    except TemplateSyntaxError as exc:
        return _("line {line} of the template: {why}").format(line=exc.lineno, why=exc.message)
    except (OSError, UnicodeDecodeError):
        return _("the template file cannot be read as UTF-8")
    return None
