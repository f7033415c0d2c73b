"""Content-Transfer-Encoding undone in pieces: a leaf of any size passes through in bounded memory.

Sources: RFC 2045 6; base64 read as RFC 4648 3.3 allows a mail reader to: what is not of the alphabet is skipped.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator

_BLANKS = b"\r\n\t \x0b\x0c\x00"
_SYMBOLS = bytes(range(48, 58)) + bytes(range(65, 91)) + bytes(range(97, 123)) + b"+/"
_JUNK = bytes(set(range(256)) - set(_SYMBOLS) - {ord("=")})
MOST_PADDINGS = 2_000_000
_COMMENT = re.compile(rb"\([^()]{0,200}\)")
_WORDS = re.compile(rb"[A-Za-z0-9+/=][ \t]+[A-Za-z0-9+/=]")
_PADDING = re.compile(rb"=+")
_SOFT_BREAK = re.compile(rb"=[ \t]*(?:\r*\n|\r)")


_ENCODINGS = {
    **dict.fromkeys((b"", b"7bit", b"8bit", b"binary", b"none", b"7bits", b"8bits", b"identity"), "identity"),
    **dict.fromkeys((b"plain", b"ascii", b"text"), "identity"),
    **dict.fromkeys((b"base64", b"b64"), "base64"),
    **dict.fromkeys((b"quoted-printable", b"qp"), "quoted-printable"),
    **dict.fromkeys((b"xuuencode", b"uuencode", b"uue", b"xuue"), "uuencode"),
}


class Base64Result:
    """What is known after the last piece.

    `leftover`: symbols that make no whole byte were dropped (1), or the last group had no padding (2, 3).
    """

    leftover: int = 0


def encoding_of(value: bytes | None) -> str:
    """The encoding that a Content-Transfer-Encoding field means: base64, quoted-printable, uuencode, or identity.

    Blanks, comments, quotes, `base-64`, `x-uue` and the like are understood; an unknown word is "?" + the word.
    """
    written = (value or b"").lower()
    if written in _ENCODINGS:
        return _ENCODINGS[written]
    plain = _COMMENT.sub(b"", written[:1000]).split(b";")[0]
    word = re.sub(rb"[^a-z0-9]", b"", plain.partition(b"(")[0][:100])
    if word in _ENCODINGS:
        return _ENCODINGS[word]
    if b"base64" in word:
        return "base64"
    if b"quoted" in word:
        return "quoted-printable"
    return "?" + word.decode("ascii")


def base64_pieces(pieces: Iterable[bytes], result: Base64Result | None = None) -> Iterator[bytes]:
    """Decode base64 of any shape: junk, padding missing or in the middle, one endless line, a stray last symbol.

    After padding, decoding goes on if what follows is base64 again (files encoded in chunks) and stops at anything else
    (a mailing list's footer).
    """
    kept, padded, budget = b"", False, [MOST_PADDINGS]
    for piece in pieces:
        data = piece.translate(None, _BLANKS)
        if padded and (_WORDS.search(piece) or not _is_base64(data, 0)):
            break
        if kept:
            data = kept + data
        whole = len(data) & ~3
        try:
            yield binascii.a2b_base64(data[:whole] if whole != len(data) else data, strict_mode=True)
            kept, padded = data[whole:], data.endswith(b"=")
        except binascii.Error:
            words = _WORDS.search(piece, max(piece.find(b"="), 0)) is not None
            decoded, kept, padded, ended = _lenient(data, budget, words)
            yield decoded
            if ended:
                break
    kept = kept.translate(None, _JUNK).partition(b"=")[0]
    if result is not None:
        result.leftover = len(kept)
    if len(kept) > 1:
        yield binascii.a2b_base64(kept + b"=" * (-len(kept) % 4))


def _is_base64(data: bytes, start: int) -> bool:
    return not data[start : start + 256].translate(None, _SYMBOLS + b"=")


def _lenient(data: bytes, budget: list[int], words: bool) -> tuple[bytes, bytes, bool, bool]:
    """Decode blank-free bytes with junk or padding in them.

    :param budget: "=" signs that are still looked at one by one; beyond it they are junk.
    :param words: what follows the padding has blanks in its lines: a text, not base64.
    :return: the bytes, the symbols left over, whether the last thing was padding, whether the base64 has ended.
    """
    if budget[0] <= 0:
        data = data.translate(None, b"=")
    out: list[bytes] = []
    carry = b""
    position = 0
    while position < len(data):
        pad = data.find(b"=", position)
        run = carry + data[position : len(data) if pad < 0 else pad].translate(None, _JUNK)
        whole = len(run) & ~3
        if whole:
            out.append(binascii.a2b_base64(run[:whole]))
        carry = run[whole:]
        if pad < 0:
            return b"".join(out), carry, False, False
        budget[0] -= 1
        padding = _PADDING.match(data, pad)
        position = padding.end() if padding else pad + 1
        if len(carry) < 2 or (len(carry) + position - pad < 4 and position < len(data)):
            # "=" where no padding can stand, or too little of it: junk
            continue
        out.append(binascii.a2b_base64(carry + b"=" * (4 - len(carry))))
        carry = b""
        if position < len(data) and (words or not _is_base64(data, position)):
            return b"".join(out), b"", True, True
    return b"".join(out), carry, not carry, False


def quoted_printable_pieces(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Decode quoted-printable; soft breaks with blanks after them are soft breaks, a wrong escape stays as it is."""
    kept = b""
    for piece in pieces:
        data = kept + piece if kept else piece
        cut = data.rfind(b"\n") + 1
        if cut < len(data) - 65536 or not cut:
            # no line end near: an escape or a soft break may be cut, so the last "=" waits for the next piece
            escape = data.rfind(b"=", max(len(data) - 200, 0))
            cut = len(data) if escape < 0 else escape
        data, kept = data[:cut], data[cut:]
        yield _quoted_printable(data)
    if kept:
        yield _quoted_printable(kept)


def _quoted_printable(data: bytes) -> bytes:
    if b"= " in data or b"=\t" in data or b"=\r" in data:
        data = _SOFT_BREAK.sub(b"", data)
    return binascii.a2b_qp(data)
