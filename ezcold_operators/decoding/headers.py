"""What the index and a person want to know of a mail; any header, however hostile, gives some text."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from .base import Headers
from .fields import Fields
from .names import decode_words

MOST_TEXT = 1000
MOST_ADDRESSES = 4000


def headers_of(fields: Fields) -> Headers:
    """Sender, recipients, subject, date and identity of a mail, decoded and bounded."""
    recipients = ", ".join(
        _text(value, MOST_ADDRESSES) for name in (b"to", b"cc") for value in fields.values.get(name, ())
    )
    return Headers(
        sender=_text(fields.first(b"from") or fields.first(b"sender") or b"", MOST_TEXT),
        recipients=recipients[:MOST_ADDRESSES],
        subject=_text(fields.first(b"subject") or b"", MOST_TEXT),
        date=_date(fields.first(b"date")),
        message_id=_text(fields.first(b"message-id") or b"", MOST_TEXT),
    )


def _text(value: bytes, most: int) -> str:
    """Decoded text in one line: every run of blanks and control characters is one space."""
    text = decode_words(value[: 8 * most])
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(text.split())[:most]


def _date(value: bytes | None) -> datetime | None:
    """The Date field with its zone, UTC where it has none; None if it is no date."""
    if not value:
        return None
    try:
        date = parsedate_to_datetime(value[:100].decode("latin-1"))
        return date if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
