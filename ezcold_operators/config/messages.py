"""pydantic's errors as sentences for the person who wrote the file. A value is shown only where it is no secret."""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from ezcold_operators.config.yaml import Loc
from ezcold_operators.i18n import _

_SECRET = re.compile(r"pass|pwd|secret|token|key|credential|cert|login|user|account|compte|mot_de", re.IGNORECASE)
_CONNECTION = re.compile(
    r"host|server|serveur|port|login|user(name)?|account|compte|pass(word|wd)?|pwd|mot_?de_?passe|secret|client_secret"
    r"|client_id|tenant|token|api_?key|ssl|tls|security|ca_file|timeout|certificate|authority"
)
_TYPES: dict[str, Callable[[dict[str, Any]], str]] = {
    "string_type": lambda ctx: _("text is expected: put it in quotes"),
    "bool_type": lambda ctx: _("true or false is expected"),
    "bool_parsing": lambda ctx: _("true or false is expected"),
    "int_type": lambda ctx: _("a whole number is expected"),
    "int_parsing": lambda ctx: _("a whole number is expected"),
    "int_from_float": lambda ctx: _("a whole number is expected"),
    "float_type": lambda ctx: _("a number is expected"),
    "float_parsing": lambda ctx: _("a number is expected"),
    "finite_number": lambda ctx: _("a number is expected"),
    "tuple_type": lambda ctx: _("a list is expected: write it in brackets, or with a dash before each entry"),
    "model_type": lambda ctx: _("fields are expected here, as `name: value`"),
    "model_attributes_type": lambda ctx: _("fields are expected here, as `name: value`"),
    "dict_type": lambda ctx: _("fields are expected here, as `name: value`"),
    "missing": lambda ctx: _("this field is missing"),
    "too_short": lambda ctx: _("the list is empty"),
    "string_too_short": lambda ctx: _("the text is empty"),
    "string_too_long": lambda ctx: _("the text is longer than {limit} characters").format(limit=ctx["max_length"]),
    "greater_than_equal": lambda ctx: _("must be {limit} or more").format(limit=format(ctx["ge"], "g")),
    "greater_than": lambda ctx: _("must be more than {limit}").format(limit=format(ctx["gt"], "g")),
    "less_than_equal": lambda ctx: _("must be {limit} or less").format(limit=format(ctx["le"], "g")),
    "ezcold": lambda ctx: ctx["text"],
}


def sentence(error: ErrorDetails, root: type[BaseModel], data: Any) -> tuple[Loc, str]:
    """(place in the file, `field: what is wrong`) of one of pydantic's errors."""
    loc = tuple(error["loc"])
    kind, ctx = error["type"], error.get("ctx", {})
    name = dotted(loc)
    if kind == "extra_forbidden":
        return loc, f"{name}: {_unknown(loc, root)}"
    if kind == "missing":
        return loc, f"{name}: {_('this field is missing')}"
    if kind == "literal_error":
        return loc, f"{name}: {_choice(loc, root, data)}"
    if kind == "string_pattern_mismatch":
        return loc, f"{name}: {_pattern(ctx)}"
    if kind == "value_error":
        return loc, f"{name}: {ctx['error']}"
    translate = _TYPES.get(kind)
    return loc, f"{name}: {translate(ctx) if translate else error['msg']}"


def dotted(loc: Loc) -> str:
    """`routes[2].extensions` of ("routes", 1, "extensions"): people count from 1."""
    text = ""
    for part in loc:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text or _("the file")


def nearest(word: str, known: list[str]) -> str:
    """`; did you mean X?`, or nothing."""
    close = difflib.get_close_matches(word.casefold(), known, n=1, cutoff=0.6)
    return _("; did you mean {word}?").format(word=close[0]) if close else ""


def _unknown(loc: Loc, root: type[BaseModel]) -> str:
    word = str(loc[-1])
    if _CONNECTION.fullmatch(word.casefold().replace("-", "_").replace(" ", "_")):
        return _("unknown field: it belongs in an Airflow Connection, named by `connection`, never in this file")
    fields = [name for name in _model(loc[:-1], root).model_fields if name != "id"]
    hint = nearest(word, fields)
    elsewhere = "" if hint else _elsewhere(word, root)
    return _("unknown field") + (hint or elsewhere or _("; known are {fields}").format(fields=", ".join(fields)))


def _elsewhere(word: str, root: type[BaseModel]) -> str:
    for name, field in root.model_fields.items():
        inner = _inner(field.annotation)
        if inner is not None and word in inner.model_fields:
            return _("; it belongs below `{name}`").format(name=name)
    return ""


def _choice(loc: Loc, root: type[BaseModel], data: Any) -> str:
    known = [str(value) for value in _literals(_annotation(loc, root))]
    value = _lookup(data, loc)
    if not isinstance(value, str) or len(value) > 40 or any(isinstance(p, str) and _SECRET.search(p) for p in loc):
        return _("use one of {known}").format(known=", ".join(known))
    hint = nearest(value, known)
    return _("{value} is not possible: use one of {known}").format(value=value, known=", ".join(known)) + hint


def _pattern(ctx: dict[str, Any]) -> str:
    if ctx.get("pattern", "").startswith("^[a-z]"):
        return _("an id is a small letter, then small letters, digits and _ only")
    return _("a character is not allowed (a control character, or a line's end)")


def _lookup(data: Any, loc: Loc) -> Any:
    for part in loc:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _annotation(loc: Loc, root: type[BaseModel]) -> Any:
    """The annotation of the field that a place lies in."""
    current: Any = root
    for part in loc:
        inner = _inner(current)
        if isinstance(part, str) and inner is not None and part in inner.model_fields:
            current = inner.model_fields[part].annotation
    return current


def _model(loc: Loc, root: type[BaseModel]) -> type[BaseModel]:
    return _inner(_annotation(loc, root)) or root


def _inner(annotation: Any) -> type[BaseModel] | None:
    """The model in `Model`, `Model | None`, `tuple[Model, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for arg in typing.get_args(annotation):
        found = _inner(arg)
        if found is not None:
            return found
    return None


def _literals(annotation: Any) -> list[Any]:
    if typing.get_origin(annotation) is typing.Literal:
        return list(typing.get_args(annotation))
    if isinstance(annotation, types.GenericAlias | types.UnionType) or typing.get_args(annotation):
        return [value for arg in typing.get_args(annotation) for value in _literals(arg)]
    return []
