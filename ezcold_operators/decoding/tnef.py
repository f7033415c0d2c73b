"""TNEF (winmail.dat): every attachment, embedded messages at any depth, OLE objects and what lies in the rich text.

Read by our own reader (`tnef_stream`), since the format is small and the bytes are hostile; no library is needed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ezcold_operators.i18n import _

from ..errors import Undecodable
from . import attachments, mapi, rtf
from .cfb import MAGIC as COMPOUND
from .cfb import CompoundFile
from .mapi import Content
from .tnef_stream import (
    ATTACHMENT,
    DATA,
    MESSAGE_PROPERTIES,
    OEM_CODEPAGE,
    PROPERTIES,
    RENDERING,
    SIGNATURE,
    TITLE,
    Attribute,
    Span,
    SpannedProperties,
    attributes,
    read,
)
from .tnef_stream import TRANSPORT_NAME as TRANSPORT
from .unfolding import Unfolding, join

_INTERFACE = 16
"""Bytes of the interface's identifier in front of an embedded object."""
_PLACEHOLDER = b"This attachment is a MAPI"
"""Text that Exchange puts beside an embedded message for readers that cannot open it."""
_MAX_HTML = 30_000_000


@dataclass(slots=True)
class _Attached:
    """One attachment while its attributes go by."""

    properties: SpannedProperties
    title: Span | None = None
    transport: Span | None = None
    data: Span | None = None


@dataclass(slots=True)
class _Message:
    stream: BinaryIO
    file: Path
    properties: SpannedProperties
    attached: list[_Attached] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Named:
    """An attachment's properties, completed by the name that stands outside of them."""

    own: SpannedProperties
    title: str
    transport: str

    def text(self, number: int) -> str | None:
        """See `mapi.Properties`."""
        found = self.own.text(number)
        if number == mapi.LONG_NAME:
            return found or self.title or None
        return found or (self.transport if number == mapi.TRANSPORT_NAME else None)

    def integer(self, number: int) -> int | None:
        """See `mapi.Properties`."""
        return self.own.integer(number)

    def binary(self, number: int, limit: int) -> bytes | None:
        """See `mapi.Properties`."""
        return self.own.binary(number, limit)


def open_tnef(part: Path, name: str | None, path: str, session: Unfolding) -> None:
    """Open a winmail.dat.

    :raises Undecodable: it is no TNEF, or cut off before its first attachment was complete.
    """
    with part.open("rb") as stream:
        whole = Span(0, part.stat().st_size)
        message, problem = _read(stream, part, whole, None)
        if not path and session.headers is None:
            session.headers = mapi.headers_of(message.properties, message.properties.time)
        _give(message, path, session)
        if problem is not None:
            raise problem


def _read(stream: BinaryIO, file: Path, whole: Span, codec: str | None) -> tuple[_Message, Undecodable | None]:
    """The message, and what ended its reading early: what came before is complete and is used."""
    message = _Message(stream, file, SpannedProperties(stream, codec))
    try:
        for attribute in attributes(stream, whole):
            if attribute.level == ATTACHMENT:
                _take_attached(message, attribute)
            else:
                _take_own(message, attribute)
    except Undecodable as error:
        return message, error
    return message, None


def _take_own(message: _Message, attribute: Attribute) -> None:
    if attribute.tag == OEM_CODEPAGE and attribute.span.size >= 4:
        message.properties.codec = mapi.codec_of(struct.unpack("<I", read(message.stream, attribute.span, 4))[0])
    elif attribute.tag == MESSAGE_PROPERTIES:
        message.properties.load(attribute.span)


def _take_attached(message: _Message, attribute: Attribute) -> None:
    current = message.attached[-1] if message.attached else None
    # Some senders leave out the attribute that begins an attachment: a second content begins one too.
    if attribute.tag == RENDERING or current is None or (attribute.tag == DATA and current.data is not None):
        current = _Attached(SpannedProperties(message.stream, message.properties.codec))
        message.attached.append(current)
    if attribute.tag == TITLE:
        current.title = attribute.span
    elif attribute.tag == TRANSPORT:
        current.transport = attribute.span
    elif attribute.tag == DATA:
        current.data = attribute.span
    elif attribute.tag == PROPERTIES:
        current.properties.load(attribute.span)


def _give(message: _Message, path: str, session: Unfolding) -> None:
    own = message.properties
    text = attachments.rich_text(own, path, session)
    try:
        html = own.binary(mapi.HTML, _MAX_HTML) or b""
    except Undecodable:
        html = b""
    cited = html.decode("latin-1").lower() if html else rtf.html_text(text)
    attachments.add_bodies(own, html, text, path, session)
    if own.damaged:
        session.quarantine(_("{path}: the message's properties are cut off").format(path=path or "TNEF"))
    signed = attachments.is_signed(own) and len(message.attached) == 1
    for number, attached in enumerate(message.attached, 1):
        inner = join(path, str(number))
        with session.sparing(inner):
            _give_attached(message, attached, inner, cited, signed, session)
    attachments.add_embedded(text, path, session)


def _give_attached(
    message: _Message, attached: _Attached, path: str, cited: str, signed: bool, session: Unfolding
) -> None:
    own = attached.properties
    named = _Named(own, _text(message, attached.title), _text(message, attached.transport))
    embedded = own.values.get((mapi.ATTACH_DATA, mapi.OBJECT))
    data = attached.data if attached.data is not None and attached.data.size else None
    data = data or own.values.get((mapi.ATTACH_DATA, mapi.BINARY)) or attached.data
    if own.damaged:
        session.quarantine(
            _("{path}: the properties of {name} are cut off").format(
                path=path, name=mapi.name_of(named) or _("an attachment")
            )
        )
    if embedded is not None and embedded.size > _INTERFACE:
        _give_embedded(message, named, embedded, path, session)
        if data is not None and data.size and not read(message.stream, data, 32).startswith(_PLACEHOLDER):
            _give_data(message, named, data, join(path, "data"), cited, False, session)
    elif data is not None:
        _give_data(message, named, data, path, cited, signed, session)
    elif own.integer(mapi.METHOD) in mapi.REFERENCES:
        attachments.add_reference(named, path, session)
    elif not own.damaged:
        raise Undecodable(
            _("the attachment {name} has no bytes").format(name=mapi.name_of(named) or _("without a name"))
        )


def _give_data(
    message: _Message, named: _Named, span: Span, path: str, cited: str, signed: bool, session: Unfolding
) -> None:
    content = attachments.in_file(message.file, span.offset, span.size)
    is_object = named.integer(mapi.METHOD) == mapi.OLE and read(message.stream, span, 8) == COMPOUND
    if signed:
        attachments.open_signed(named, content, path, session)
    elif is_object:
        _give_compound(named, content, path, session)
    else:
        attachments.add_value(named, content, path, cited, session)


def _give_embedded(message: _Message, named: _Named, span: Span, path: str, session: Unfolding) -> None:
    """An object behind its interface's identifier: a message as a TNEF of its own, a compound file, or plain bytes."""
    inner = Span(span.offset + _INTERFACE, span.size - _INTERFACE)
    head = read(message.stream, inner, 8)
    content = attachments.in_file(message.file, inner.offset, inner.size)
    if head.startswith(SIGNATURE):
        with session.entering(path, inner.size):
            nested, problem = _read(message.stream, message.file, inner, message.properties.codec)
            _give(nested, path, session)
            if problem is not None:
                raise problem
    elif head == COMPOUND:
        _give_compound(named, content, path, session)
    else:
        attachments.add_value(named, content, path, "", session)


def _give_compound(named: _Named, content: Content, path: str, session: Unfolding) -> None:
    written = session.scratch(content.pieces())
    try:
        with written.file.open("rb") as stream:
            file = CompoundFile(stream)
            attachments.add_storage(named, file, file.root, path, session)
    finally:
        written.file.unlink(missing_ok=True)


def _text(message: _Message, span: Span | None) -> str:
    return mapi.decode_text(read(message.stream, span), message.properties.codec) if span is not None else ""
