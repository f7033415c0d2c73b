"""Text in header fields: parameters (RFC 2045, 2231), encoded words (RFC 2047), raw 8-bit; lenient, never raising.

Both forms of a parameter present: the extended one wins (RFC 5987 4.1 says so for HTTP; mail software agrees). Encoded
words inside parameters are forbidden by RFC 2047 5 and common.
"""

from __future__ import annotations

import binascii
import codecs
import re
import unicodedata
from functools import lru_cache

_WORD = re.compile(rb"=\?([^?\s]{1,75})\?([bBqQ])\?")
_SEPARATORS = re.compile(rb"[\s;]*+")
_PARAMETER = re.compile(rb"[\s;]*+([^\s=;\"]{1,200}+)\s*+=\s*+")
_COMMENT = re.compile(rb"\s*\([^()]{0,200}\)")
_QUOTED = re.compile(
    rb'(?:[^"\\]++|\\.|"(?!\s*(?:;|$|\([^()]{0,200}\)\s*(?:;|$)|[A-Za-z-]+\*?(?:\d+\*?)?=)))*+"', re.DOTALL
)
"""A quoted value up to its closing quote: one that a separator, the end or the next parameter follows."""
_NEXT_PARAMETER = re.compile(rb";\s*[A-Za-z-]+\*?(?:\d+\*?)?\s*=")
_SECTION = re.compile(r"^([^*]+)(?:\*(\d{1,4}))?(\*)?$")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_Q_ESCAPE = re.compile(rb"=([0-9A-Fa-f]{2})")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "iso-8859-1": "cp1252", "latin1": "cp1252", "latin-1": "cp1252"}
_WIDER |= {"us-ascii": "utf-8", "ascii": "utf-8", "iso-8859-8-i": "iso-8859-8", "iso-8859-6-i": "iso-8859-6"}
_WIDER |= {"x-sjis": "cp932", "shift_jis": "cp932", "ks_c_5601-1987": "cp949", "euc-kr": "cp949", "x-unknown": "utf-8"}
_WIDER |= {"unknown-8bit": "utf-8", "iso-8859-9": "cp1254", "tis-620": "cp874", "windows-31j": "cp932"}
MOST_PARAMETERS = 300


def decode_bytes(data: bytes, charset: str = "") -> str:
    """Bytes as text: the charset declared, else UTF-8, else Windows-1252, else Latin-1 (which reads anything)."""
    # raw ISO-2022-JP is seven-bit: only its escapes show it
    undeclared = "iso2022_jp" if not charset and b"\x1b$" in data else None
    for candidate in (_codec(charset), undeclared, "utf-8"):
        if candidate:
            try:
                return data.decode(candidate)
            except (UnicodeDecodeError, ValueError):
                continue
    # UTF-8 that was cut or damaged in places is still UTF-8
    text = data.decode("utf-8", "replace")
    wide = sum(char > "\x7f" for char in text)
    if text.count("\ufffd") * 4 <= wide:
        return text
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


@lru_cache(maxsize=256)
def _codec(charset: str) -> str | None:
    """A text codec for a charset as mails name it; None when there is none."""
    charset = charset.strip(" \"'").lower()
    charset = _WIDER.get(charset, charset)
    try:
        info = codecs.lookup(charset)
    except (LookupError, ValueError):
        return None
    return info.name if getattr(info, "_is_text_encoding", False) and info.name not in ("idna", "punycode") else None


def decode_words(data: bytes) -> str:
    """A field's or parameter's text with its encoded words decoded.

    Neighbouring words in one charset are joined as bytes first, so that a character split between them is whole again;
    blanks between two words are theirs, not the text's (RFC 2047 6.2).
    """
    match = _WORD.search(data)
    if not match:
        return decode_bytes(data)
    out: list[str] = []
    run: list[bytes] = []
    charset, position = "", 0
    while match:
        end = data.find(b"?=", match.end())
        if end < 0:
            break
        between = data[position : match.start()]
        mine = match.group(1).partition(b"*")[0].decode("latin-1").lower()
        if run and (between.strip() or mine != charset):
            out.append(decode_bytes(b"".join(run), charset))
            run = []
        if between.strip() or (between and position == 0):
            out.append(decode_bytes(between))
        charset = mine
        run.append(_word_bytes(data[match.end() : end], match.group(2)))
        position = end + 2
        match = _WORD.search(data, position)
    if run:
        out.append(decode_bytes(b"".join(run), charset))
    out.append(decode_bytes(data[position:]))
    return "".join(out)


def _word_bytes(text: bytes, encoding: bytes) -> bytes:
    if encoding in b"qQ":
        return _Q_ESCAPE.sub(lambda found: bytes([int(found.group(1), 16)]), text.replace(b"_", b" "))
    symbols = _NOT_BASE64.sub(b"", text)
    if len(symbols) % 4 == 1:
        symbols = symbols[:-1]
    try:
        return binascii.a2b_base64(symbols + b"=" * (-len(symbols) % 4))
    except binascii.Error:
        return text


def parse_parameters(value: bytes) -> tuple[str, dict[str, list[tuple[int | None, bool, bytes]]]]:
    """A structured field such as Content-Type taken apart.

    :return: the main value in lower case, and per parameter name its sections (number, extended, raw value) as sent.
    """
    main, position = _main_value(value)
    found: dict[str, list[tuple[int | None, bool, bytes]]] = {}
    closable = True
    for _ in range(MOST_PARAMETERS):
        if position == len(value):
            break
        match = _PARAMETER.match(value, position)
        if not match:
            separators = _SEPARATORS.match(value, position)
            position = value.find(b";", separators.end() if separators else position)
            if position < 0:
                break
            continue
        text, position, closable = _value(value, match.end(), closable)
        section = _SECTION.match(match.group(1).decode("latin-1").lower().strip())
        if section:
            name, number, extended = section.groups()
            found.setdefault(name, []).append((int(number) if number else None, bool(extended), text))
    return main, found


def _main_value(value: bytes) -> tuple[str, int]:
    """The part before the parameters, and where they begin; a semicolon, or the whole main value, may be missing."""
    comment = _COMMENT.match(value)
    if comment:
        value = b" " * comment.end() + value[comment.end() :]
    semicolon = value.find(b";")
    first = value if semicolon < 0 else value[:semicolon]
    equals = first.find(b"=")
    if equals < 0:
        return first.partition(b"(")[0].strip().strip(b'"').lower().decode("latin-1"), len(first)
    words = first[:equals].split()
    if len(words) > 1:
        start = first.find(words[0]) + len(words[0])
        return words[0].lower().decode("latin-1"), start
    return "", 0


def _value(value: bytes, start: int, closable: bool) -> tuple[bytes, int, bool]:
    """One parameter's value, where the next one may begin, and whether a closing quote may still come."""
    if value[start : start + 1] != b'"':
        end = value.find(b";", start)
        end = len(value) if end < 0 else end
        return value[start:end].strip(), end, closable
    quoted = _QUOTED.match(value, start + 1) if closable else None
    if quoted:
        return _unescape(value[start + 1 : quoted.end() - 1]), quoted.end(), True
    following = _NEXT_PARAMETER.search(value, start + 1)
    end = following.start() if following else len(value)
    return _unescape(value[start + 1 : end].strip().removesuffix(b'"')), end, False


def _unescape(text: bytes) -> bytes:
    """Only a quote and a backslash are escaped: a Windows path keeps its single ones."""
    if b"\\" not in text:
        return text
    return b"\\".join(piece.replace(b'\\"', b'"') for piece in text.split(b"\\\\"))


def parameter(sections: list[tuple[int | None, bool, bytes]] | None) -> str | None:
    """One parameter as text: the extended form if it says anything, else the plain one; None if both are empty."""
    if not sections:
        return None
    whole = [_extended([(True, raw)]) for number, extended, raw in sections if number is None and extended]
    continued: dict[int, tuple[bool, bytes]] = {}
    for number, extended, raw in sections:
        if number is not None:
            continued.setdefault(number, (extended, raw))
    joined = [_extended([continued[number] for number in sorted(continued)])] if continued else []
    plain = [clean(decode_words(raw)) for number, extended, raw in sections if number is None and not extended]
    return next((text for text in (*whole, *joined, *plain) if text), None)


def _extended(parts: list[tuple[bool, bytes]]) -> str:
    """RFC 2231 sections in order; the charset stands in the first one."""
    charset, data, first = "", [], True
    encoded = any(extended for extended, _ in parts)
    for extended, raw in parts:
        if first and encoded:
            pieces = raw.split(b"'", 2)
            if len(pieces) == 3 and len(pieces[0]) <= 40:
                charset, raw = pieces[0].decode("latin-1"), pieces[2]
            first = False
        if extended:
            raw = _ESCAPE.sub(lambda found: bytes([int(found.group(1), 16)]), raw)
        data.append(raw)
    whole = b"".join(data)
    return clean(decode_bytes(whole, charset) if encoded else decode_words(whole))


def clean(text: str) -> str:
    """Text as sent, in NFC: line breaks of folding and NUL removed, the blank after a fold kept as one space."""
    if not text.isprintable():
        text = text.replace("\r", "").replace("\n\t", " ").replace("\n", "").replace("\0", "").replace("\t", " ")
    text = text.strip()
    return text if text.isascii() else unicodedata.normalize("NFC", text)
