"""A part of a mail: where it lies in the file, what its header says of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .fields import Fields
from .names import clean, decode_bytes, parameter, parse_parameters

MAIL_TYPES = ("message/rfc822", "message/global", "message/news")
_TYPE = re.compile(r"[!-.0-~]+/[!-~]+")

Parameters = dict[str, list[tuple[int | None, bool, bytes]]]


@dataclass(slots=True)
class Message:
    """One mail of the tree: the item itself or an opened message/rfc822."""

    prefix: str
    depth: int
    fields: Fields = field(default_factory=Fields)


@dataclass(slots=True)
class Leaf:
    """A part without parts: its place in the file and what its header says."""

    path: str
    message: Message
    fields: Fields
    media_type: str
    parameters: Parameters
    start: int
    end: int
    parent: str = ""
    """Media type of the multipart around it."""
    whole: bool = True
    """False: the file ended before a boundary did."""
    boundary: bytes = b""
    """Of the multipart around it."""


@dataclass(slots=True)
class Multipart:
    """An open multipart."""

    path: str
    message: Message
    media_type: str
    boundary: bytes
    start: int
    fields: Fields
    count: int = 0
    closed: bool = False


@dataclass(slots=True)
class Tree:
    """What a walk found; `gaps` are the regions that belong to no leaf and no header: preambles and epilogues."""

    messages: list[Message] = field(default_factory=list)
    leaves: list[Leaf] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    encrypted: list[str] = field(default_factory=list)


def content_type(value: bytes | None, default: str) -> tuple[str, Parameters]:
    """Declared media type in lower case and its parameters; RFC 2045 5.2: what makes no sense is text/plain."""
    if value is None:
        return default, {}
    main, parameters = parse_parameters(value)
    main = main.replace(" ", "")
    if _TYPE.fullmatch(main):
        return main, parameters
    return ("multipart/mixed" if "boundary" in parameters else "text/plain"), parameters


def boundary_of(parameters: Parameters) -> bytes | None:
    """The boundary, as bytes; None if none is declared."""
    sections = parameters.get("boundary")
    if not sections:
        return None
    for number, extended, value in sections:
        if number is None and not extended:
            return value.replace(b"\r", b"").replace(b"\n", b"").rstrip() or None
    text = parameter(sections)
    return text.encode("latin-1", "replace") if text else None


def file_name(leaf: Leaf) -> tuple[str | None, str]:
    """The name a part was sent under and its disposition ("attachment", "inline", or "")."""
    values = leaf.fields.values.get(b"content-disposition", ())
    dispositions = [parse_parameters(value) for value in values[:10]]
    types = [
        leaf.parameters,
        *(parse_parameters(value)[1] for value in leaf.fields.values.get(b"content-type", ())[1:10]),
    ]
    name = _named([found for _, found in dispositions], ("filename", "name")) or _named(types, ("name", "filename"))
    words = {main.strip(" \"'.,:") for main, _ in dispositions} - {""}
    # RFC 2183 2.8: what is not understood is an attachment
    return name, "" if not words else "inline" if words == {"inline"} else "attachment"


def _named(sources: list[Parameters], keys: tuple[str, ...]) -> str | None:
    """What the first of these keys says in the first field that has it."""
    for key in keys:
        for found in sources:
            if key in found and (text := parameter(found[key])):
                return text
    return None


def content_id(leaf: Leaf) -> str:
    """The part's Content-ID without its angle brackets."""
    value = leaf.fields.first(b"content-id")
    return clean(decode_bytes(value.strip(b"<> \t\r\n")))[:1000] if value else ""
