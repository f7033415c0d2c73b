"""Answers to FETCH, out of the pieces in which imaplib gives them.

IMAPClient's own parser goes byte by byte, which took most of the time of a fetch; what we ask for has a small grammar.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|\{\d+\}$|[()]|(?:\[[^\]]*\]|[^\s()"\[\]{])+')
DATE = re.compile(rb"\s?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")
MONTHS = {name: n for n, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}
Fetched = dict[bytes, Any]


class Malformed(ValueError):
    """Not an answer to FETCH."""


def parse(pieces: Iterable[Any]) -> dict[int, Fetched]:
    """By UID: item in capitals -> value (int, bytes, datetime, None for NIL; a list is left out).

    :param pieces: lines, or pairs of a line that ends in a literal's length and the literal.
    :raises Malformed: the answer cannot be understood.
    """
    found: dict[int, Fetched] = {}
    tokens: list[bytes | bytearray] = []
    literals: set[int] = set()
    for piece in pieces:
        if isinstance(piece, tuple):
            tokens += TOKEN.findall(piece[0])[:-1]
            literals.add(len(tokens))
            tokens.append(piece[1])
            continue
        tokens += TOKEN.findall(piece or b"")
        if tokens and tokens[-1] == b")" and len(tokens) - 1 not in literals:
            _message(tokens, literals, found)
            tokens, literals = [], set()
    if tokens:
        raise Malformed("an answer that does not end")
    return found


def _message(tokens: list[Any], literals: set[int], found: dict[int, Fetched]) -> None:
    """`12 ( UID 5 RFC822.SIZE 123 BODY[] literal )`; one without a UID, sent unasked, is left out."""
    values: Fetched = {}
    at = 2
    while at < len(tokens) - 1:
        name = bytes(tokens[at]).upper()
        at += 1
        value = tokens[at]
        if at in literals:
            values[name] = value
        elif value == b"(":
            depth = 1
            while depth:
                at += 1
                if at >= len(tokens):
                    raise Malformed("a list that does not end")
                depth += 0 if at in literals else {b"(": 1, b")": -1}.get(bytes(tokens[at]), 0)
        else:
            values[name] = _value(name, value)
        at += 1
    uid = values.get(b"UID")
    if isinstance(uid, int):
        found.setdefault(uid, {}).update(values)


def _value(name: bytes, token: bytes) -> Any:
    if token[:1] == b'"':
        text = re.sub(rb"\\(.)", rb"\1", token[1:-1]) if b"\\" in token else token[1:-1]
        return date(text) if name == b"INTERNALDATE" else text
    if token.upper() == b"NIL":
        return None
    return int(token) if token.isdigit() else token


def date(text: bytes) -> datetime | None:
    """`24-Nov-2026 10:00:00 +0100`; None for a date that is none."""
    found = DATE.fullmatch(text)
    if not found:
        return None
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = found.groups()
    offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
    try:
        zone = timezone(-offset if sign == b"-" else offset)
        number = MONTHS[month.lower()]
        return datetime(int(year), number, int(day), int(hour), int(minute), int(second), tzinfo=zone)
    except (ValueError, KeyError):
        return None
