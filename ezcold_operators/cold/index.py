"""The index: what is known of documents that went into a scenario, as JSON, CSV, XML, or as a template of one's own.

The bytes depend on nothing but the facts and the scenario: made again, they are the same.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ezcold_operators.cold.names import split
from ezcold_operators.config.scenario import Scenario
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _

MEDIA_TYPES = {"json": "application/json", "csv": "text/csv", "xml": "application/xml", "html": "text/html"}
OF_ITEM = (
    "launcher", "scenario", "number", "source", "source_name", "sender", "recipients", "subject", "message_id", "sent",
    "received",
)  # fmt: skip
OF_DOCUMENT = ("file", "name", "state", "reason", "size", "sha256", "media_type")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the beginning of a formula (OWASP, CSV Injection); full width as Excel reads it too."""
TEMPLATE_SUFFIXES = (".j2", ".jinja", ".jinja2", ".tpl")


def extension(scenario: Scenario) -> str:
    """Of the index file, without its dot; a template's own, less `.j2`."""
    if scenario.index in ("json", "csv", "xml"):
        return scenario.index
    name = Path(scenario.index).name
    for suffix in TEMPLATE_SUFFIXES:
        name = name.removesuffix(suffix)
    return split(name)[1] or "txt"


def media_type(scenario: Scenario) -> str:
    """Of the index file."""
    return MEDIA_TYPES.get(extension(scenario).lower(), "text/plain")


def render(scenario: Scenario, facts: Mapping[str, Any]) -> bytes:
    """The bytes of an index.

    :param facts: OF_ITEM, `envelope` (None, or type and metadata), and `documents`: OF_DOCUMENT, `path`, `metadata`.
    :raises ConfigurationError: the template or the encoding cannot be used.
    """
    if scenario.index == "json":
        return _json(scenario, facts)
    if scenario.index == "xml":
        return _xml(scenario, facts)
    text = _csv(scenario, facts) if scenario.index == "csv" else _template(scenario, facts)
    return _encode(text, scenario, [str(one["file"]) for one in facts["documents"]])


def _json(scenario: Scenario, facts: Mapping[str, Any]) -> bytes:
    unicode = _can(scenario, "€é日")
    text = json.dumps(facts, ensure_ascii=not unicode, indent=2) + "\n"
    return _encode(text, scenario, [])


def _can(scenario: Scenario, text: str) -> bool:
    try:
        text.encode(scenario.index_encoding)
    except UnicodeEncodeError:
        return False
    except (LookupError, ValueError, TypeError) as exc:
        raise ConfigurationError(
            _("scenario {id}: {encoding} is no encoding of text: set `index_encoding` to utf-8 or cp1252").format(
                id=scenario.id, encoding=scenario.index_encoding
            )
        ) from exc
    return True


def _encode(text: str, scenario: Scenario, names: Sequence[str]) -> bytes:
    """A letter that the encoding lacks becomes `?`; a file's name must be right, else all is UTF-8 with its mark."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    if not all(_can(scenario, name) for name in names):
        return text.encode("utf-8-sig")
    _can(scenario, "")
    return text.encode(scenario.index_encoding, "replace")


def cell(value: object) -> str:
    """A value that no spreadsheet takes for a formula, on one line."""
    text = " ".join(str("" if value is None else value).split("\x00"))
    flat = " ".join(text.splitlines()) if ("\n" in text or "\r" in text or len(text.splitlines()) > 1) else text
    return f"'{flat}" if text.lstrip(" ").startswith(FORMULA) else flat


def _file_cell(name: str) -> str:
    """A file's name must stay one: from its folder, it is no formula either."""
    return f"./{name}" if name.lstrip(" ").startswith(FORMULA) else name


def _flat(value: object) -> object:
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if isinstance(value, dict | list | tuple) else value


def _csv(scenario: Scenario, facts: Mapping[str, Any]) -> str:
    """One line for each document; the names of the columns in the first."""
    envelope = facts["envelope"] or {"type": "", "metadata": {}}
    about = sorted(envelope["metadata"])
    of_documents = sorted({key for one in facts["documents"] for key in one["metadata"]})
    out = io.StringIO()
    writer = csv.writer(out, delimiter=scenario.index_separator, lineterminator="\r\n")
    header = [*OF_DOCUMENT, *OF_ITEM, "envelope", *(f"envelope.{key}" for key in about)]
    writer.writerow([cell(name) for name in (*header, *(f"metadata.{key}" for key in of_documents))])
    for one in facts["documents"]:
        values = [_file_cell(one["file"]), *(cell(one[key]) for key in OF_DOCUMENT[1:])]
        values += [cell(facts[key]) for key in OF_ITEM]
        values += [cell(envelope["type"]), *(cell(_flat(envelope["metadata"][key])) for key in about)]
        values += [cell(_flat(one["metadata"].get(key))) for key in of_documents]
        writer.writerow(values)
    return out.getvalue()


def _xml(scenario: Scenario, facts: Mapping[str, Any]) -> bytes:
    root = ElementTree.Element("index")
    for key in OF_ITEM:
        _element(root, key, facts[key])
    if facts["envelope"]:
        envelope = ElementTree.SubElement(root, "envelope", {"type": _xml_text(facts["envelope"]["type"])})
        _metadata(envelope, facts["envelope"]["metadata"])
    documents = ElementTree.SubElement(root, "documents")
    for one in facts["documents"]:
        element = ElementTree.SubElement(documents, "document")
        for key in (*OF_DOCUMENT, "path"):
            _element(element, key, one[key])
        _metadata(element, one["metadata"])
    _can(scenario, "")
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding=scenario.index_encoding, xml_declaration=True)) + "\n".encode(
        scenario.index_encoding if not scenario.index_encoding.lower().startswith(("utf-16", "utf16")) else "utf-16-le"
    )


def _element(parent: ElementTree.Element, key: str, value: object) -> None:
    if value not in (None, ""):
        ElementTree.SubElement(parent, key).text = _xml_text(value)


def _metadata(parent: ElementTree.Element, metadata: Mapping[str, Any]) -> None:
    for key in sorted(metadata):
        ElementTree.SubElement(parent, "meta", {"name": _xml_text(key)}).text = _xml_text(_flat(metadata[key]))


def _xml_text(value: object) -> str:
    """XML 1.0 has no control characters, whatever the escape."""
    return "".join(
        c if c in "\t\n\r" or (" " <= c <= "\ud7ff") or ("\ue000" <= c <= "\ufffd") or c > "\uffff" else "\ufffd"
        for c in str("" if value is None else value)
    )


def _template(scenario: Scenario, facts: Mapping[str, Any]) -> str:
    """A Jinja template in a sandbox: it sees the facts, and nothing of this machine."""
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    kind = extension(scenario).lower()
    environment = ImmutableSandboxedEnvironment(
        autoescape=kind in ("xml", "html", "xhtml", "htm"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        finalize=cell if kind == "csv" else None,
    )
    try:
        text = Path(scenario.index).read_text(encoding="utf-8")
        return environment.from_string(text).render(facts)
    except (OSError, UnicodeDecodeError, TemplateError, ArithmeticError, TypeError, ValueError) as exc:
        why = " ".join(str(exc).split())[:200]
        raise ConfigurationError(
            _("scenario {id}: the index template {file} cannot be used: {why}").format(
                id=scenario.id, file=scenario.index, why=why
            )
        ) from exc
