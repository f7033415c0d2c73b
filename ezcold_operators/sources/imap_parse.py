"""Answers to FETCH, out of their words.

IMAPClient's own parser goes byte by byte, which took most of the time of a fetch; what we ask for has a small grammar.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|\{\d+\}$|[()]|(?:\[[^\]]*+\]?|[^\s()"\[\]{])++')
"""A word of a line. What is not closed goes to the end of the line: to look for its end from each of a million
openings would take hours."""
DATE = re.compile(r"\s?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d:\d\d:\d\d) ([+-]\d{4})", re.ASCII)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
Fetched = dict[bytes, Any]
Token = bytes | tuple[bytes]
"""A word of a line, or a literal."""


class Malformed(ValueError):
    """Not an answer to FETCH."""


def message(tokens: Sequence[Token]) -> Fetched:
    """Item in capitals -> value (int, bytes, datetime, None for NIL; a list is left out).

    :param tokens: of one answer, from behind its first parenthesis: `UID 5 RFC822.SIZE 123 BODY[] literal )`.
    :raises Malformed: it cannot be understood.
    """
    if b"(" in tokens:
        tokens = _without_lists(tokens)
    if len(tokens) % 2 == 0 or tokens[-1] != b")":
        raise Malformed("an answer that does not end")
    values: Fetched = {}
    words = iter(tokens)
    for word, value in zip(words, words, strict=False):
        if isinstance(word, tuple):
            raise Malformed("a literal for a name")
        name = word.upper()
        if isinstance(value, tuple):
            values[name] = value[0]
        elif value.isdigit():
            values[name] = int(value)
        else:
            values[name] = _text(name, value)
    return values


def _without_lists(tokens: Sequence[Token]) -> list[Token]:
    """Lists go, and the names before them."""
    kept: list[Token] = []
    depth = 0
    for token in tokens:
        if token == b"(":
            if not depth and kept:
                kept.pop()
            depth += 1
        elif depth:
            depth -= token == b")"
        else:
            kept.append(token)
    return kept


def _text(name: bytes, token: bytes) -> Any:
    if token[:1] == b'"':
        text = re.sub(rb"\\(.)", rb"\1", token[1:-1]) if b"\\" in token else token[1:-1]
        return date(text) if name == b"INTERNALDATE" else text
    return None if token.upper() == b"NIL" else token


def date(text: bytes) -> datetime | None:
    """`24-Nov-2026 10:00:00 +0100`; None for a date that is none."""
    found = DATE.fullmatch(text.decode("latin-1"))
    if not found:
        return None
    day, month, year, clock, zone = found.groups()
    try:
        number = MONTHS.index(month.lower()) + 1
        return datetime.fromisoformat(f"{year}-{number:02}-{day:0>2}T{clock}{zone}")
    except ValueError:
        return None
