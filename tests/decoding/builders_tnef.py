"""TNEF made by hand ([MS-OXTNEF])."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

MESSAGE_INTERFACE = bytes.fromhex("0703020000000000c000000000000046")
STORAGE_INTERFACE = bytes.fromhex("0b00000000000000c000000000000046")
RENDERING, TITLE, DATA, ATTACHMENT = 0x00069002, 0x00018010, 0x0006800F, 0x00069005
CODEPAGE, VERSION, PROPERTIES = 0x00069007, 0x00089006, 0x00069003


@dataclass
class Attached:
    """One attachment: `title` is 8-bit, `name` a MAPI property."""

    title: bytes | None = None
    data: bytes | None = None
    name: str | None = None
    properties: list[bytes] = field(default_factory=list)
    begins: bool = True


def attribute(level: int, tag: int, data: bytes) -> bytes:
    return struct.pack("<BII", level, tag, len(data)) + data + struct.pack("<H", sum(data) % 65536)


def properties(values: list[bytes]) -> bytes:
    return struct.pack("<I", len(values)) + b"".join(values)


def text(number: int, value: str) -> bytes:
    raw = value.encode("utf-16-le") + b"\0\0"
    return struct.pack("<HHII", 0x001F, number, 1, len(raw)) + raw + bytes(-len(raw) % 4)


def text8(number: int, value: bytes) -> bytes:
    raw = value + b"\0"
    return struct.pack("<HHII", 0x001E, number, 1, len(raw)) + raw + bytes(-len(raw) % 4)


def binary(number: int, raw: bytes, kind: int = 0x0102) -> bytes:
    return struct.pack("<HHII", kind, number, 1, len(raw)) + raw + bytes(-len(raw) % 4)


def integer(number: int, value: int) -> bytes:
    return struct.pack("<HHi", 3, number, value)


def named(value: str) -> bytes:
    """A named property, which a reader has to step over."""
    raw = value.encode("utf-16-le") + b"\0\0"
    name = struct.pack("<16xII", 1, len(raw)) + raw + bytes(-len(raw) % 4)
    return struct.pack("<HH", 3, 0x8001) + name + struct.pack("<i", 7)


def build(attached: list[Attached], own: list[bytes] | None = None, codepage: int = 1252) -> bytes:
    """The winmail.dat."""
    out = b"\x78\x9f\x3e\x22\x01\x00"
    out += attribute(1, VERSION, struct.pack("<I", 0x00010000))
    out += attribute(1, CODEPAGE, struct.pack("<II", codepage, 0))
    if own is not None:
        out += attribute(1, PROPERTIES, properties(own))
    for one in attached:
        if one.begins:
            out += attribute(2, RENDERING, struct.pack("<HIHHI", 1, 0xFFFFFFFF, 32, 32, 0))
        if one.title is not None:
            out += attribute(2, TITLE, one.title + b"\0")
        if one.data is not None:
            out += attribute(2, DATA, one.data)
        values = [*([text(0x3707, one.name)] if one.name is not None else []), *one.properties]
        if values:
            out += attribute(2, ATTACHMENT, properties(values))
    return out
