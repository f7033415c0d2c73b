"""Rich text made by hand: compressed as literals only ([MS-OXRTFCP]), objects as OLE 1.0 ([MS-OLEDS])."""

from __future__ import annotations

import struct
import zlib


def compressed(rtf: bytes) -> bytes:
    body = b"".join(b"\0" + rtf[at : at + 8] for at in range(0, len(rtf), 8))
    checksum = zlib.crc32(body, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return struct.pack("<II4sI", len(body) + 12, len(rtf), b"LZFu", checksum) + body


def ole1(class_name: str, native: bytes) -> bytes:
    name = class_name.encode() + b"\0"
    head = struct.pack("<III", 0x501, 2, len(name)) + name + struct.pack("<II", 0, 0)
    return head + struct.pack("<I", len(native)) + native


def package(name: str, data: bytes) -> bytes:
    """The native data of a Package, without the leading length that its OLE 2 stream has."""
    label = name.encode("cp1252") + b"\0"
    temporary = b"C:\\Temp\\" + label
    middle = struct.pack("<II", 0x00030000, len(temporary)) + temporary
    return b"\x02\0" + label + b"C:\\" + label + middle + struct.pack("<I", len(data)) + data


def with_object(data: bytes) -> bytes:
    r"""Rich text with one `\objdata`."""
    return b"{\\rtf1\\ansi text {\\object\\objemb{\\*\\objdata \r\n" + data.hex().encode() + b"}{\\result x}}}"
