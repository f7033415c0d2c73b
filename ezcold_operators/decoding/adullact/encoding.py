"""Which encoding an XML file is really in: declarations from the field are often wrong, the bytes decide."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

_LATIN = {"iso-8859-1", "iso8859-1", "latin1", "latin-1", "iso-8859-15", "windows-1252", "cp1252", "us-ascii", "ascii"}
_DECLARED = re.compile(rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']([^"'>]{1,60})["']""")
_CP1252_HOLES = bytes((0x81, 0x8D, 0x8F, 0x90, 0x9D))


def override(file: Path, limit: int | None = None) -> str | None:
    """The encoding to read by when the declaration is wrong, else None.

    Latin-1 bytes declared UTF-8 would be an error, cp1252 bytes declared ISO-8859-1 control characters, UTF-8 bytes
    declared ISO-8859-1 two letters for each accent: the bytes decide. UTF-16 and rarer encodings are left alone.
    """
    with file.open("rb") as source:
        head = source.read(1024)
        if head.startswith((b"\xff\xfe", b"\xfe\xff", b"<\x00", b"\x00<")):
            return None
        if head.startswith(b"\xef\xbb\xbf"):
            return "utf-8" if _is_utf8(file, limit)[1] else _single_byte(file, limit)
        declared = _DECLARED.search(head)
        name = declared.group(1).decode("latin-1").strip().lower() if declared else "utf-8"
    known = _known(name)
    if known and name not in _LATIN and name not in ("utf-8", "utf8"):
        return None
    ascii_only, utf8 = _is_utf8(file, limit)
    if ascii_only:
        return None if known else "utf-8"
    if utf8:
        return None if name in ("utf-8", "utf8") else "utf-8"
    if name == "iso-8859-15":
        return None
    found = _single_byte(file, limit)
    return None if known and codecs.lookup(found) == codecs.lookup(name) else found


def corrected(head: bytes, encoding: str) -> bytes:
    """The beginning of a document with its declaration made true: a name that is none would be an error in itself."""
    declared = _DECLARED.search(head[:1024])
    if declared is None:
        return head
    return head[: declared.start(1)] + encoding.encode("ascii") + head[declared.end(1) :]


def _known(name: str) -> bool:
    try:
        codecs.lookup(name)
    except LookupError:
        return False
    return True


def _is_utf8(file: Path, limit: int | None) -> tuple[bool, bool]:
    """(ASCII only, valid UTF-8) of the first `limit` bytes, or all."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    ascii_only = True
    for data in _chunks(file, limit):
        if data.isascii() and not decoder.getstate()[0]:
            continue
        ascii_only = False
        try:
            decoder.decode(data)
        except UnicodeDecodeError:
            return False, False
    return ascii_only, limit is not None or not decoder.getstate()[0]


def _single_byte(file: Path, limit: int | None) -> str:
    """windows-1252 if its extra letters are used and no byte falls into its holes, else ISO-8859-1."""
    extra = False
    for data in _chunks(file, limit):
        if data.isascii():
            continue
        if any(hole in data for hole in _CP1252_HOLES):
            return "iso-8859-1"
        extra = extra or re.search(rb"[\x80-\x9f]", data) is not None
    return "windows-1252" if extra else "iso-8859-1"


def _chunks(file: Path, limit: int | None) -> Iterator[bytes]:
    left = limit
    with file.open("rb") as source:
        while data := source.read(1 << 20 if left is None else min(1 << 20, left)):
            yield data
            if left is not None:
                left -= len(data)
                if left <= 0:
                    return
