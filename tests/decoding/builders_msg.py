"""Outlook messages made by hand ([MS-OXMSG]): as a tree of storages, so that a test can also make them wrong."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field

from ezcold_operators.decoding import cfb_write
from ezcold_operators.decoding.cfb_write import Node

BINARY, OBJECT, INTEGER, TIME = 0x0102, 0x000D, 0x0003, 0x0040
METHOD, DATA, LONG, SHORT, SHOWN, PATHNAME, TAG, CID = 0x3705, 0x3701, 0x3707, 0x3704, 0x3001, 0x370D, 0x370E, 0x3712


@dataclass
class Attachment:
    """An attachment; `None` leaves a property out."""

    name: str | None = None
    data: bytes | None = None
    short: str | None = None
    shown: str | None = None
    link: str | None = None
    method: int | None = 1
    message: Message | None = None
    ole: Node | None = None
    content_id: str | None = None
    media_type: str | None = None


@dataclass
class Message:
    """A message. `codepage` None: Unicode strings, else 8-bit ones in that code page."""

    subject: str = "Objet"
    kind: str = "IPM.Note"
    attachments: list[Attachment] = field(default_factory=list)
    codepage: int | None = None
    locale: int | None = None
    rtf: bytes | None = None
    html: bytes | None = None
    body: str | None = None
    declared: int | None = None


def stream(name: str, data: bytes) -> Node:
    return Node(name, size=len(data), pieces=lambda: iter([data] if data else []))


def build(message: Message) -> bytes:
    """The .msg file."""
    out = io.BytesIO()
    cfb_write.write(tree(message, 32), out)
    return out.getvalue()


def tree(message: Message, header: int, name: str = "Root Entry") -> Node:
    """A message's storage; 32 bytes of header at the top, 24 in an embedded one."""
    made = _Storage(name, message.codepage)
    for number, value in ((0x001A, message.kind), (0x0037, message.subject), (0x1000, message.body)):
        made.text(number, value)
    for number, value in ((0x3FFD, message.codepage), (0x3FF1, message.locale)):
        made.integer(number, value)
    made.binary(0x1009, message.rtf)
    made.binary(0x1013, message.html)
    for number, attachment in enumerate(message.attachments):
        made.node.children.append(_attachment(attachment, number, message.codepage))
    count = len(message.attachments) if message.declared is None else message.declared
    start = struct.pack("<8x4I", 0, count, 0, count)
    return made.finish(start.ljust(header, b"\0"))


def _attachment(attachment: Attachment, number: int, codepage: int | None) -> Node:
    made = _Storage(f"__attach_version1.0_#{number:08X}", codepage)
    texts = {LONG: attachment.name, SHORT: attachment.short, SHOWN: attachment.shown, PATHNAME: attachment.link}
    for tag, value in {**texts, CID: attachment.content_id, TAG: attachment.media_type}.items():
        made.text(tag, value)
    made.integer(METHOD, attachment.method)
    made.binary(DATA, attachment.data)
    inner = f"__substg1.0_{DATA:04X}{OBJECT:04X}"
    if attachment.message is not None:
        made.node.children.append(tree(attachment.message, 24, inner))
    if attachment.ole is not None:
        attachment.ole.name = inner
        made.node.children.append(attachment.ole)
    return made.finish(bytes(8))


class _Storage:
    def __init__(self, name: str, codepage: int | None) -> None:
        self.node = Node(name)
        self._codepage = codepage
        self._table = b""

    def text(self, number: int, value: str | None) -> None:
        if value is None:
            return
        if self._codepage is None:
            self._stream(number, 0x001F, value.encode("utf-16-le"), 2)
        else:
            codec = "utf-8" if self._codepage == 65001 else f"cp{self._codepage}"
            self._stream(number, 0x001E, value.encode(codec), 1)

    def integer(self, number: int, value: int | None) -> None:
        if value is not None:
            self._table += struct.pack("<HHIIi", INTEGER, number, 6, value, 0)

    def binary(self, number: int, value: bytes | None) -> None:
        if value is not None:
            self._stream(number, BINARY, value, 0)

    def _stream(self, number: int, kind: int, raw: bytes, terminator: int) -> None:
        self._table += struct.pack("<HHIII", kind, number, 6, len(raw) + terminator, 0)
        self.node.children.append(stream(f"__substg1.0_{number:04X}{kind:04X}", raw))

    def finish(self, header: bytes) -> Node:
        self.node.children.append(stream("__properties_version1.0", header + self._table))
        return self.node
