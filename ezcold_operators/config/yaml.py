"""YAML as people mean it: one document, YAML 1.2 scalars, no surprises, and the line of every value.

PyYAML alone reads YAML 1.1 (`no` is false, `12:30` is 750), keeps the last of two equal keys and expands aliases.
Here only its event parser (libyaml where it is built in) is used; the rest follows YAML 1.2.2, chapter 10.3 (core
schema). Anchors, aliases, foreign tags and a second document are refused: no launcher needs them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from ezcold_operators.i18n import _

MAX_BYTES = 1_000_000
"""A launcher is a page of text; what is larger was put there by mistake."""
MAX_DEPTH = 24

Loc = tuple[str | int, ...]

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONSTANTS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_MAYBE = frozenset("0123456789+-.~nNtTfF")
_TAGS = {
    "tag:yaml.org,2002:str": "str",
    "tag:yaml.org,2002:int": "plain",
    "tag:yaml.org,2002:float": "plain",
    "tag:yaml.org,2002:bool": "plain",
    "tag:yaml.org,2002:null": "plain",
    "tag:yaml.org,2002:map": "plain",
    "tag:yaml.org,2002:seq": "plain",
    "!": "str",
}


class YamlError(ValueError):
    """The text is not YAML that we take; `line` counts from 1."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.text = text


@dataclass(frozen=True, slots=True)
class Parsed:
    """The data of one YAML document, and the line (from 1) on which each value's key, or list entry, stands."""

    data: Any
    lines: dict[Loc, int]

    def line(self, loc: Loc) -> int:
        """The line of a value; of the nearest thing around it where it has none of its own."""
        while loc and loc not in self.lines:
            loc = loc[:-1]
        return self.lines.get(loc, 1)


def parse(raw: bytes) -> Parsed:
    """Read one YAML document.

    :raises YamlError: it is too large, not UTF-8, not YAML, empty, or uses what is refused here.
    """
    if len(raw) > MAX_BYTES:
        raise YamlError(1, _("the file is larger than {limit} bytes: it cannot be meant").format(limit=MAX_BYTES))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise YamlError(line, _("the file is not UTF-8: save it again with that encoding")) from None
    try:
        return _Builder().build(text)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        raise YamlError(mark.line + 1 if mark else 1, _("not YAML: {problem}").format(problem=_problem(exc))) from None
    except yaml.reader.ReaderError as exc:
        line = text.encode().count(b"\n", 0, max(0, exc.position)) + 1
        raise YamlError(line, _("a control character that YAML does not allow")) from None
    except yaml.YAMLError:
        raise YamlError(1, _("not YAML")) from None


def _problem(exc: yaml.MarkedYAMLError) -> str:
    problem = f"{exc.context}, {exc.problem}" if exc.context else exc.problem or ""
    if "alias" in problem or "anchor" in problem:
        return _('{problem}: put text that begins with * or & in quotes, such as "*"').format(problem=problem)
    if "cannot start any token" in problem:
        return _("{problem}: indent with spaces, not with tabs; quote text that begins with a sign").format(
            problem=problem
        )
    return problem


class _Builder:
    """Events to plain data, without recursion."""

    def __init__(self) -> None:
        self.lines: dict[Loc, int] = {}
        self.root: Any = None
        self.stack: list[tuple[Any, Loc]] = []
        self.container: Any = None
        self.loc: Loc = ()
        self.key: str | None = None
        self.documents = 0

    def build(self, text: str) -> Parsed:
        handlers: dict[type, Any] = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._mapping,
            yaml.SequenceStartEvent: self._sequence,
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
            yaml.AliasEvent: self._anchor,
            yaml.DocumentStartEvent: self._document,
        }
        parser = _Loader(text)
        try:
            while (event := parser.get_event()) is not None:
                handler = handlers.get(type(event))
                if handler is not None:
                    handler(event)
        finally:
            parser.dispose()
        if not self.documents or self.root is None:
            raise YamlError(1, _("the file is empty"))
        return Parsed(self.root, self.lines)

    def _document(self, event: Any) -> None:
        self.documents += 1
        if self.documents > 1:
            raise YamlError(event.start_mark.line + 1, _("a second document begins here (---): write one a file"))

    def _anchor(self, event: Any) -> None:
        raise YamlError(event.start_mark.line + 1, _("anchors and aliases (& and *) are not allowed: quote the text"))

    def _add(self, value: Any, line: int) -> Loc:
        """Put a value into what is open; its place."""
        container = self.container
        if container is None:
            self.root = value
            return ()
        if type(container) is dict:
            key = self.key
            if key is None:
                raise YamlError(line, _("a list or a mapping cannot be a field's name"))
            self.key = None
            container[key] = value
            return (*self.loc, key)
        place = (*self.loc, len(container))
        container.append(value)
        self.lines[place] = line
        return place

    def _scalar(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if event.anchor is not None:
            self._anchor(event)
        if self.key is None and type(self.container) is dict:
            self._name(event.value, line)
            return
        self._add(_value(event, line), line)

    def _name(self, key: str, line: int) -> None:
        if key in self.container:
            first = self.lines[(*self.loc, key)]
            raise YamlError(line, _("{key} is written twice, first in line {first}").format(key=key, first=first))
        self.key = key
        self.lines[(*self.loc, key)] = line

    def _open(self, event: Any, value: Any) -> None:
        line = event.start_mark.line + 1
        if event.anchor is not None:
            self._anchor(event)
        if event.tag is not None and _TAGS.get(event.tag) != "plain":
            raise YamlError(line, _("the tag {tag} is not allowed").format(tag=event.tag))
        if len(self.stack) >= MAX_DEPTH:
            raise YamlError(line, _("nested too deeply"))
        place = self._add(value, line)
        self.stack.append((self.container, self.loc))
        self.container, self.loc = value, place

    def _mapping(self, event: Any) -> None:
        self._open(event, {})

    def _sequence(self, event: Any) -> None:
        self._open(event, [])

    def _end(self, event: Any) -> None:
        self.container, self.loc = self.stack.pop()
        self.key = None


def _value(event: Any, line: int) -> Any:
    text: str = event.value
    if event.tag is not None:
        kind = _TAGS.get(event.tag)
        if kind is None:
            raise YamlError(line, _("the tag {tag} is not allowed").format(tag=event.tag))
        return text if kind == "str" else plain(text)
    return plain(text) if event.implicit[0] else text


def plain(text: str) -> Any:
    """What an unquoted scalar is, by YAML 1.2's core schema."""
    if text and text[0] not in _MAYBE:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.fullmatch(text) and len(text) < 100:
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text
