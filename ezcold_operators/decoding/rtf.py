"""Outlook's rich text: its compression ([MS-OXRTFCP]) undone, objects and pictures in it lifted out."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from ezcold_operators.i18n import _

from ..errors import Undecodable

MAX_RTF = 30_000_000
"""Bytes of rich text that are looked into; a longer one is quarantined."""
_COMPRESSED, _PLAIN = b"LZFu", b"MELA"
_PRELOAD = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor "
    rb"MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    + b"\r\n"
    + rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
_EMBEDDED = 2
_TOKEN = re.compile(rb"\\bin(\d{1,9}) ?|\\(?:object|objdata|pngblip|jpegblip)(?![a-z])|\\[\\{}]|[{}]")
_CONTROL = re.compile(rb"\\[a-z]+-?\d* ?|\{[^{}]*\}")
_NOT_HEX = re.compile(rb"[^0-9A-Fa-f]+")
_HEX_ESCAPE = re.compile(rb"\\'([0-9a-fA-F]{2})")
_HTML_TAGS = re.compile(rb"\{\\\*\\htmltag\d* ?([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Embedded:
    """An object or picture found in rich text."""

    kind: str
    """object, png, jpeg."""
    class_name: str
    data: bytes


def decompress(raw: bytes) -> bytes:
    """Compressed RTF to RTF.

    :raises Undecodable: it is of no known form, or cut off.
    """
    if len(raw) < 16:
        raise Undecodable(_("the compressed rich text has no header"))
    packed_size, full_size, kind, checksum = struct.unpack_from("<II4sI", raw)
    if kind not in (_PLAIN, _COMPRESSED):
        raise Undecodable(_("the rich text is compressed in an unknown way"))
    if kind == _COMPRESSED and checksum and checksum != zlib.crc32(raw[16:], 0xFFFFFFFF) ^ 0xFFFFFFFF:
        raise Undecodable(_("the compressed rich text is damaged: its checksum differs"))
    # All of it, even beyond the promised length: what lies there may be an object.
    text = raw[16:] if kind == _PLAIN else bytes(_unpack(raw))
    # Uncompressed text's own length is not asked: some writers count its header in.
    if packed_size + 4 > len(raw) or (kind == _COMPRESSED and len(text) < full_size):
        raise Undecodable(_("the compressed rich text is cut off"))
    return text


def _unpack(raw: bytes) -> bytearray:
    out = bytearray(_PRELOAD)
    start = len(_PRELOAD)
    at, total = 16, len(raw)
    while at < total:
        if len(out) > MAX_RTF:
            raise Undecodable(_("the rich text is longer than {limit} bytes").format(limit=MAX_RTF))
        flags = raw[at]
        at += 1
        if not flags:
            out += raw[at : at + 8]
            at += 8
            continue
        for bit in range(8):
            if not flags >> bit & 1:
                out += raw[at : at + 1]
                at += 1
            elif at + 1 < total:
                code = raw[at] << 8 | raw[at + 1]
                at += 2
                if not _copy(out, code >> 4, (code & 15) + 2):
                    return out[start:]
            if at >= total:
                break
    return out[start:]


def _copy(out: bytearray, place: int, length: int) -> bool:
    """Repeat earlier text; the dictionary is the last 4,096 bytes, addressed from the very first byte on."""
    distance = (len(out) - place) % 4096
    if distance == 0:
        return False
    begin = len(out) - distance
    if begin < 0:
        out += b" " * length
        return True
    if distance >= length:
        out += out[begin : begin + length]
    else:
        for step in range(length):
            out.append(out[begin + step])
    return True


def html_text(rtf: bytes) -> str:
    """The HTML tags of encapsulated HTML ([MS-OXRTFEX]), lower case, to see what they refer to; '' if it is no HTML."""
    if b"\\fromhtml" not in rtf[:4096]:
        return ""
    tags = b"\n".join(match.group(1) for match in _HTML_TAGS.finditer(rtf))
    return _HEX_ESCAPE.sub(lambda match: bytes([int(match.group(1), 16)]), tags).decode("latin-1").lower()


def embedded(rtf: bytes) -> Iterator[Embedded]:
    r"""Everything that rich text carries: `\objdata` of objects, PNG and JPEG pictures outside of objects.

    A picture inside an object is only its appearance. Groups are followed by position, so that depth costs nothing.

    :raises Undecodable: an object is cut off or is a mere link.
    """
    stack: list[tuple[str, int]] = []
    kind, begin, at = "", 0, 0
    for match in _TOKEN.finditer(rtf if b"\\objdata" in rtf or b"blip" in rtf else b""):
        if match.start() < at:
            continue  # within binary data
        token, at = match.group(), match.end()
        if match.group(1) is not None:
            binary, at = rtf[at : at + int(match.group(1))], at + int(match.group(1))
            yield from _carried(kind, binary)
            begin = at
        elif token == b"{":
            stack.append((kind, begin))
            kind = "object" if kind == "object" else ""
        elif token == b"}":
            if kind in _CARRIERS:
                yield from _carried(kind, _from_hex(_CONTROL.sub(b"", rtf[begin : match.start()])))
            kind, begin = stack.pop() if stack else ("", 0)
        elif token in _KINDS and (kind != "object" or token == b"\\objdata"):
            kind, begin = _KINDS[token], at
    if kind in _CARRIERS or any(outer in _CARRIERS for outer, _other in stack):
        raise Undecodable(_("an object or picture in the rich text is cut off"))


_KINDS = {b"\\object": "object", b"\\objdata": "objdata", b"\\pngblip": "png", b"\\jpegblip": "jpeg"}
_PICTURES = ("png", "jpeg")
_CARRIERS = ("objdata", *_PICTURES)


def _carried(kind: str, data: bytes) -> Iterator[Embedded]:
    if data and kind == "objdata":
        yield _ole1(data)
    elif data and kind in _PICTURES:
        yield Embedded(kind, "", data)


def _from_hex(text: bytes) -> bytes:
    digits = _NOT_HEX.sub(b"", text)
    return bytes.fromhex(digits[: len(digits) // 2 * 2].decode("ascii"))


def _ole1(data: bytes) -> Embedded:
    """The native data of an OLE 1.0 embedded object ([MS-OLEDS] 2.2.5).

    :raises Undecodable: it is a link, or its lengths do not fit.
    """
    at, names = 8, []
    if len(data) < 12 or struct.unpack_from("<I", data, 4)[0] != _EMBEDDED:
        raise Undecodable(_("an object in the rich text carries no data of its own"))
    for _other in range(3):
        if at + 4 > len(data):
            raise Undecodable(_("an object in the rich text is cut off"))
        length = struct.unpack_from("<I", data, at)[0]
        names.append(data[at + 4 : at + 4 + min(length, 255)].split(b"\0")[0].decode("cp1252", "replace"))
        at += 4 + length
    size = struct.unpack_from("<I", data, at)[0] if at + 4 <= len(data) else 0
    native = data[at + 4 : at + 4 + size]
    if not native or len(native) < size:
        raise Undecodable(_("an object in the rich text is cut off"))
    return Embedded("object", names[0], native)
