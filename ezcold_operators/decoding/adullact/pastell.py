"""Pastell's deposits and exports: a file of fields (`metadata.xml`, `.json`, `.txt`) beside the files that it names.

The fields decide which module wrote it: an export names no type. The file may bear any name (Pastell lets one choose).
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ezcold_operators.decoding.adullact import xml
from ezcold_operators.decoding.adullact.recognise import EnvelopeType
from ezcold_operators.decoding.adullact.tables import PASTELL_ACTE, PASTELL_FACTURE, PASTELL_FILES, PASTELL_HELIOS
from ezcold_operators.decoding.adullact.work import Member
from ezcold_operators.decoding.adullact.xml import Node

_MAX_FIELDS_FILE = 5_000_000
_SCALARS: dict[EnvelopeType, dict[str, str]] = {
    "acte": PASTELL_ACTE,
    "helios": PASTELL_HELIOS,
    "chorus_fact": PASTELL_FACTURE,
}
_WEAK = {"objet", "siret", "fournisseur", "bordereau", "classification", "type_facture"}
"""Fields that other modules use too: alone they prove no type."""


@dataclass(slots=True)
class NamedFile:
    """A file that the deposit names."""

    field: str
    content: str
    original: str | None = None


@dataclass(slots=True)
class Deposit:
    """One file of fields."""

    member: Member
    values: dict[str, str] = field(default_factory=dict)
    files: list[NamedFile] = field(default_factory=list)

    @property
    def type(self) -> EnvelopeType | None:
        """The module that these fields belong to; None when they prove none."""
        names = (set(self.values) | {file.field for file in self.files}) - _WEAK
        scores = {kind: len(names & (set(_SCALARS[kind]) | set(PASTELL_FILES[kind]))) for kind in _SCALARS}
        best = max(scores, key=lambda kind: scores[kind])
        return best if scores[best] else None

    def facts(self, kind: EnvelopeType) -> dict[str, str]:
        """The scalars under our keys, as they stand."""
        found = {key: self.values.get(name, "").strip() for name, key in _SCALARS[kind].items()}
        return {key: value for key, value in found.items() if value}

    def field_of(self, name: str) -> NamedFile | None:
        """Which field names a file."""
        return next((file for file in self.files if stored_name(file.content) == name), None)


def stored_name(content: str) -> str:
    """The name under which a deposit stores a file: NFC, slashes made hyphens."""
    return unicodedata.normalize("NFC", content).replace("/", "-").replace("\\", "-")


def read(member: Member, root: tuple[str, str] | None) -> Deposit | None:
    """The deposit that a file of fields describes, or None: any other file."""
    if member.blob.size > _MAX_FIELDS_FILE:
        return None
    if root is not None:
        return _xml(member) if root[1] == "flux" else None
    lower = member.name.lower()
    if member.blob.head.lstrip()[:1] == b"{" or lower.endswith(".json"):
        return _known(_json(member))
    if lower.endswith((".txt", ".yml", ".yaml")):
        return _known(_yaml(member))
    return None


def _known(deposit: Deposit | None) -> Deposit | None:
    return deposit if deposit is not None and deposit.type is not None else None


def _xml(member: Member) -> Deposit | None:
    deposit = Deposit(member)

    def data(node: Node) -> None:
        name = node.attribute("name")
        if name is not None:
            deposit.values[name] = node.attributes.get("value", "")

    def files(node: Node) -> None:
        name = node.attribute("name") or ""
        for child in node.all("file"):
            content = child.attribute("content")
            if content is not None:
                deposit.files.append(NamedFile(name, content, child.attribute("name_original")))

    try:
        xml.read(member.blob.file, {"data": data, "files": files})
    except (xml.XmlBroken, xml.XmlRefused):
        return None
    return _known(deposit)


def _json(member: Member) -> Deposit | None:
    try:
        fields = json.loads(member.blob.file.read_bytes())
    except (ValueError, RecursionError):
        return None
    return _deposit(member, fields)


def _yaml(member: Member) -> Deposit | None:
    """YAML whose scalars all stay text; aliases are refused (they multiply)."""
    import yaml

    try:
        text = member.blob.file.read_bytes().decode("utf-8-sig")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.BaseLoader)):
            return None
        fields = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - BaseLoader builds text, lists and maps only
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError):
        return None
    return _deposit(member, fields)


def _deposit(member: Member, fields: object) -> Deposit | None:
    if not isinstance(fields, Mapping):
        return None
    deposit = Deposit(member)
    for name, value in fields.items():
        if isinstance(value, str | int | float):
            deposit.values[str(name)] = str(value)
        elif isinstance(value, list):
            deposit.files += [NamedFile(str(name), _content(entry)) for entry in value if _content(entry)]
    return deposit


def _content(entry: Any) -> str:
    if isinstance(entry, Mapping):
        entry = entry.get("content") or entry.get("filename") or ""
    return entry if isinstance(entry, str) else ""
