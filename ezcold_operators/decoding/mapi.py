"""MAPI properties as .msg ([MS-OXMSG]) and TNEF ([MS-OXTNEF]) carry them: names, numbers and code pages.

Property numbers are those of [MS-OXPROPS]; a property may come as Unicode (PtypString, 001F) or in the sender's code
page (PtypString8, 001E), and the same attachment may have both: Unicode wins.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from .base import Headers

STRING8, UNICODE, BINARY, OBJECT, TIME = 0x001E, 0x001F, 0x0102, 0x000D, 0x0040

MESSAGE_CLASS = 0x001A
SUBJECT = 0x0037
SENT = 0x0039
REPRESENTING_NAME = 0x0042
REPRESENTING_ADDRESS = 0x0065
TRANSPORT_HEADERS = 0x007D
SENDER_NAME = 0x0C1A
SENDER_ADDRESS = 0x0C1F
DISPLAY_BCC, DISPLAY_CC, DISPLAY_TO = 0x0E02, 0x0E03, 0x0E04
DELIVERED = 0x0E06
BODY, RTF, HTML = 0x1000, 0x1009, 0x1013
MESSAGE_ID = 0x1035
DISPLAY_NAME = 0x3001
ATTACH_DATA, SHORT_NAME, METHOD, LONG_NAME = 0x3701, 0x3704, 0x3705, 0x3707
PATH_NAME, RENDERING_POSITION, LONG_PATH_NAME, MIME_TAG = 0x3708, 0x370B, 0x370D, 0x370E
TRANSPORT_NAME, CONTENT_ID, CONTENT_LOCATION = 0x370C, 0x3712, 0x3713
INTERNET_CODEPAGE, MESSAGE_LOCALE, MESSAGE_CODEPAGE = 0x3FDE, 0x3FF1, 0x3FFD
SENDER_SMTP = 0x5D01

BY_VALUE, BY_REFERENCE, BY_REFERENCE_RESOLVE, BY_REFERENCE_ONLY, EMBEDDED_MESSAGE, OLE, WEB_REFERENCE = range(1, 8)
REFERENCES = (BY_REFERENCE, BY_REFERENCE_RESOLVE, BY_REFERENCE_ONLY, WEB_REFERENCE)

_NAMED_CODEPAGES = {
    936: "gb18030",
    1200: "utf-16-le",
    1201: "utf-16-be",
    10000: "mac-roman",
    20127: "ascii",
    20866: "koi8-r",
    20932: "euc-jp",
    20936: "gb18030",
    21866: "koi8-u",
    50220: "iso2022-jp",
    50221: "iso2022-jp",
    50222: "iso2022-jp",
    51932: "euc-jp",
    51936: "gb18030",
    51949: "euc-kr",
    52936: "hz",
    54936: "gb18030",
    65000: "utf-7",
    65001: "utf-8",
}
_ISO_8859 = 28590
_LANGUAGES = {
    **dict.fromkeys((0x05, 0x0E, 0x15, 0x18, 0x1A, 0x1B, 0x1C, 0x24), 1250),
    **dict.fromkeys((0x02, 0x19, 0x22, 0x23, 0x2F), 1251),
    **dict.fromkeys((0x01, 0x20, 0x29), 1256),
    **dict.fromkeys((0x25, 0x26, 0x27), 1257),
    **{0x08: 1253, 0x0D: 1255, 0x11: 932, 0x12: 949, 0x1E: 874, 0x1F: 1254, 0x2A: 1258},
}
"""ANSI code page of a primary language ([MS-LCID]); 1252 for the others, Chinese by country."""
_CHINESE, _TRADITIONAL = 0x04, (0x0404, 0x0C04, 0x1404)
_MAX_TEXT = 2_000


class Properties(Protocol):
    """What a message or an attachment says of itself."""

    def text(self, number: int) -> str | None:
        """A string, without its closing NUL; None if it has none of that number."""

    def integer(self, number: int) -> int | None:
        """A number; None if absent."""

    def binary(self, number: int, limit: int) -> bytes | None:
        """Bytes, at most `limit` of them; None if absent. Raises Undecodable if longer, or announced and missing."""


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes that lie somewhere in the container, read when asked for."""

    size: int
    pieces: Callable[[], Iterator[bytes]]


def codec_of(codepage: int | None) -> str | None:
    """Python's codec for a Windows code page; None for one that Python has not."""
    if not codepage:
        return None
    if codepage in _NAMED_CODEPAGES:
        return _NAMED_CODEPAGES[codepage]
    name = f"iso8859-{codepage - _ISO_8859}" if 0 < codepage - _ISO_8859 < 17 else f"cp{codepage}"
    try:
        return codecs.lookup(name).name
    except LookupError:
        return None


def codepage_of(locale: int | None) -> int | None:
    """The ANSI code page of a Windows locale number; None if there is no locale."""
    if not locale:
        return None
    language = locale & 0x3FF
    if language == _CHINESE:
        return 950 if locale in _TRADITIONAL else 936
    return _LANGUAGES.get(language, 1252)


def decode_text(raw: bytes, codec: str | None) -> str:
    """8-bit text in the declared code page, else UTF-8, else Windows-1252, else Latin-1: never an error."""
    raw = raw.split(b"\0")[0]
    for candidate in (codec, "utf-8", "cp1252"):
        if candidate:
            try:
                return raw.decode(candidate)
            except (UnicodeDecodeError, LookupError):
                continue
    return raw.decode("latin-1")


def decode_unicode(raw: bytes) -> str:
    """UTF-16 text up to its NUL."""
    return raw[: len(raw) // 2 * 2].decode("utf-16-le", "replace").split("\0")[0]


def name_of(properties: Properties) -> str | None:
    """The name an attachment was sent under, in NFC: long, else 8.3, else as displayed; no directory."""
    for number in (LONG_NAME, SHORT_NAME, TRANSPORT_NAME, DISPLAY_NAME):
        if text := clean(properties.text(number) or ""):
            return text
    return None


def reference_of(properties: Properties) -> str:
    """Where the file of an attachment by reference lies: a path or a link."""
    for number in (LONG_PATH_NAME, PATH_NAME):
        if text := clean(properties.text(number) or ""):
            return text
    return ""


def clean(text: str) -> str:
    """NFC, without control characters, bounded in length."""
    return unicodedata.normalize("NFC", re.sub(r"[\x00-\x1f\x7f]+", " ", text)).strip()[:_MAX_TEXT]


def headers_of(properties: Properties, times: Callable[[int], datetime | None]) -> Headers:
    """What the index wants to know of a message.

    :param times: reads a PtypTime property.
    """
    address = _first(properties, SENDER_SMTP, SENDER_ADDRESS, REPRESENTING_ADDRESS)
    named = _first(properties, SENDER_NAME, REPRESENTING_NAME)
    sender = f"{named} <{address}>" if named and "@" in address and named != address else named or address
    recipients = [clean(properties.text(number) or "") for number in (DISPLAY_TO, DISPLAY_CC, DISPLAY_BCC)]
    return Headers(
        sender=sender,
        recipients="; ".join(one for one in recipients if one),
        subject=clean(properties.text(SUBJECT) or ""),
        date=times(SENT) or times(DELIVERED),
        message_id=clean(properties.text(MESSAGE_ID) or ""),
    )


def filetime(value: int) -> datetime | None:
    """A Windows FILETIME (100 ns since 1601) as UTC; None for zero and for dates Python has not."""
    try:
        return datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=value // 10) if value else None
    except OverflowError:
        return None


def cited(properties: Properties, html: str) -> bool:
    """Whether an HTML body refers to this attachment by Content-ID or Content-Location."""
    identity = clean(properties.text(CONTENT_ID) or "").strip("<>").lower()
    place = clean(properties.text(CONTENT_LOCATION) or "").lower()
    return bool(html) and ((identity != "" and f"cid:{identity}" in html) or (place != "" and place in html))


def _first(properties: Properties, *numbers: int) -> str:
    for number in numbers:
        if text := clean(properties.text(number) or ""):
            return text
    return ""
