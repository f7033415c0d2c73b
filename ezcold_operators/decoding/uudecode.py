"""Files written into text as before MIME: uuencode (POSIX), yEnc (yenc.org draft 1.3), BinHex 4.0 (RFC 1741)."""

from __future__ import annotations

import binascii
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ezcold_operators.i18n import _

from .names import clean, decode_bytes

_BEGIN = re.compile(rb"begin(?:-base64)? ([0-7]{3,4}) ([^\r\n]{1,500})")
_YBEGIN = re.compile(rb"=ybegin .*?\bname=([^\r\n]{1,500})")
_YNUMBER = re.compile(rb"\b(part|total|size|pcrc32|crc32)=([0-9A-Fa-f]{1,16})")
_BINHEX = b"(This file must be converted with BinHex 4.0)"
_BINHEX_ALPHABET = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr"
_BASE64_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_FROM_BINHEX = bytes.maketrans(_BINHEX_ALPHABET, _BASE64_ALPHABET)
MOST_LINE = 1 << 20


@dataclass(slots=True)
class Embedded:
    """A file that begins in a text; `pieces` must be used up before the next one is asked for.

    :param complaint: filled when the pieces are used up: why they cannot be trusted, or "".
    """

    name: str | None
    encoding: str
    pieces: Iterator[bytes] = field(default_factory=lambda: iter(()))
    complaint: str = ""


def lines_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Text pieces as lines with their ends; a line longer than a megabyte is given in parts."""
    kept = b""
    for piece in pieces:
        data = kept + piece if kept else piece
        lines = data.splitlines(keepends=True) if b"\n" not in data else data.split(b"\n")
        if b"\n" in data:
            kept = lines.pop()
            for line in lines:
                yield line + b"\n"
        else:
            kept = lines.pop() if lines else b""
            yield from lines
        if len(kept) > MOST_LINE:
            yield kept
            kept = b""
    if kept:
        yield kept


def embedded_files(pieces: Iterable[bytes]) -> Iterator[Embedded]:
    """Every uuencoded, yEnc or BinHex file in a text, in order."""
    lines = lines_of(pieces)
    for line in lines:
        if (begin := _BEGIN.match(line)) is not None:
            first = next(lines, b"")
            if _uu_line(first.rstrip(b"\r\n")) is None and first.strip() not in (b"`", b"end", b""):
                continue
            found = Embedded(clean(decode_bytes(begin.group(2))) or None, "uuencode")
            found.pieces = _uu_file(first, lines, found)
        elif (begin := _YBEGIN.match(line)) is not None:
            found = Embedded(clean(decode_bytes(begin.group(1).strip())) or None, "yEnc")
            found.pieces = _yenc_file(line, lines, found)
        elif line.startswith(_BINHEX):
            found = Embedded(None, "BinHex")
            found.pieces = _binhex_file(lines, found)
            yield found
            return
        else:
            continue
        yield found


def uu_pieces(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """A leaf whose transfer encoding is uuencode: the first file in it; the text itself if there is none."""
    lines = lines_of(pieces)
    before: list[bytes] = []
    for line in lines:
        if _BEGIN.match(line):
            unused = Embedded(None, "uuencode")
            yield from _uu_file(next(lines, b""), lines, unused)
            return
        before.append(line)
        if len(before) > 100_000:
            break
    yield from before
    yield from lines


def _uu_line(line: bytes) -> bytes | None:
    """One line decoded; None if it is not one. Lines that lost their final blanks, or gained some, are still good."""
    if not line or not 32 <= line[0] <= 96:
        return None
    count = (line[0] - 32) & 63
    needed = (count * 4 + 5) // 3
    if len(line) - 1 > needed + 8 and line.strip() not in (b"`",):
        return None
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:
        try:
            return binascii.a2b_uu(line[:needed])
        except binascii.Error:
            return None


def _uu_file(first: bytes, lines: Iterator[bytes], found: Embedded) -> Iterator[bytes]:
    out: list[bytes] = []
    line: bytes | None = first
    while line is not None:
        text = line.rstrip(b"\r\n")
        if text.strip() == b"end":
            yield b"".join(out)
            return
        data = _uu_line(text)
        if data is None and text.strip():
            break
        out.append(data or b"")
        if len(out) > 10_000:
            yield b"".join(out)
            out = []
        line = next(lines, None)
    yield b"".join(out)
    found.complaint = _("a uuencoded file has no end")


def _yenc_file(begin: bytes, lines: Iterator[bytes], found: Embedded) -> Iterator[bytes]:
    announced = dict(_YNUMBER.findall(begin))
    crc, size = 0, 0
    for line in lines:
        if line.startswith(b"=ypart "):
            continue
        if line.startswith(b"=yend"):
            ended = dict(_YNUMBER.findall(line))
            expected = ended.get(b"pcrc32") or (None if b"part" in announced else ended.get(b"crc32"))
            if expected is not None and int(expected, 16) != crc:
                found.complaint = _("a yEnc file does not have the checksum it announces")
            if int(ended.get(b"size", b"%d" % size)) != size:
                found.complaint = _("a yEnc file does not have the size it announces")
            if int(announced.get(b"total", b"1")) > 1:
                found.complaint = _("yEnc: part {part} of {total}").format(
                    part=int(announced.get(b"part", b"0")), total=int(announced[b"total"])
                )
            return
        data = _yenc_line(line.rstrip(b"\r\n"))
        crc, size = zlib.crc32(data, crc), size + len(data)
        yield data
    found.complaint = _("a yEnc file has no end")


_YENC = bytes((index - 42) & 255 for index in range(256))


def _yenc_line(line: bytes) -> bytes:
    if line.startswith(b".."):
        line = line[1:]
    if b"=" in line:
        line = re.sub(rb"=(.)", lambda escape: bytes([(escape.group(1)[0] - 64) & 255]), line, flags=re.DOTALL)
    return line.translate(_YENC)


def _binhex_file(lines: Iterator[bytes], found: Embedded) -> Iterator[bytes]:
    """The data fork, once everything is there: BinHex dates from floppy disks, it is read whole up to a bound."""
    text, size = [], 0
    for line in lines:
        text.append(line.strip())
        size += len(line)
        if (size > 1 and line.strip().endswith(b":") and len(text) > 1) or size > 64 << 20:
            break
    data = _binhex_unpacked(b"".join(text).strip(b":"))
    length = data[0] if data else 0
    if len(data) < length + 22:
        found.complaint = _("a BinHex file has no end")
        return
    found.name = clean(decode_bytes(data[1 : 1 + length], "mac-roman")) or None
    fork = int.from_bytes(data[length + 12 : length + 16], "big")
    start = length + 22
    crc = int.from_bytes(data[start + fork : start + fork + 2], "big")
    if binascii.crc_hqx(data[start : start + fork], 0) != crc:
        found.complaint = _("a BinHex file does not have the checksum it announces")
    yield data[start : start + fork]


def _binhex_unpacked(text: bytes) -> bytes:
    """Six-bit text to bytes, run lengths undone (0x90 n repeats the byte before; 0x90 0 is 0x90)."""
    symbols = text.translate(_FROM_BINHEX)
    symbols = symbols[: len(symbols) - 1] if len(symbols) % 4 == 1 else symbols
    packed = binascii.a2b_base64(symbols + b"=" * (-len(symbols) % 4))
    out = bytearray()
    parts = packed.split(b"\x90")
    out += parts[0]
    for part in parts[1:]:
        count = part[0] if part else 0
        if count == 0:
            out.append(0x90)
        elif out:
            out += out[-1:] * (count - 1)
        out += part[1:]
    return bytes(out)
