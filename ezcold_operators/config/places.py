"""Places that launchers watch, comparable: mail folders, directories with a pattern. No disk is asked."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

GLOB = frozenset("*?[")
_CLASS = re.compile(r"\[(?P<not>[!^]?)(?P<set>\]?[^\]]*)\]")
Token = str | tuple[bool, frozenset[str]]
"""`*`, or a set of characters (True: all but these)."""


def mail_place(path: str) -> tuple[str, ...]:
    """A mail folder as its levels: NFC, INBOX in capitals (RFC 9051, 5.1), no empty level."""
    levels = [level for level in unicodedata.normalize("NFC", path).split("/") if level.strip()]
    if levels and levels[0].upper() == "INBOX":
        levels[0] = "INBOX"
    return tuple(levels)


@dataclass(frozen=True, slots=True)
class FilePlace:
    """A directory (its levels may hold patterns) and the pattern of the names in it, or `deep`: at any depth below."""

    directory: tuple[str, ...]
    name: str
    deep: bool = False


def file_place(path: str) -> FilePlace:
    """A path with a pattern, taken apart; a path without one is a directory and everything in it.

    What stands after `**` (any depth) is not told apart: rather one overlap too many than a document missed.
    """
    scheme, sep, rest = path.partition("://")
    root, path = (scheme + sep, rest) if sep else ("", path)
    path = unicodedata.normalize("NFC", path)
    head, tail = posixpath.split(path) if GLOB.intersection(path) else (path, "*")
    levels = [level for level in posixpath.normpath(head).split("/") if level not in ("", ".")]
    deep = "**" in levels
    if deep:
        levels = levels[: levels.index("**")]
    return FilePlace((root, *levels), tail or "*", deep)


def below(place: tuple[str, ...], root: tuple[str, ...]) -> bool:
    """Whether a place is the root or lies below it (plain levels)."""
    return place[: len(root)] == root


def directories_meet(a: tuple[str, ...], deep_a: bool, b: tuple[str, ...], deep_b: bool) -> bool:
    """Whether two directory patterns, each with or without what lies below, can name one directory."""
    if (len(a) < len(b) and not deep_a) or (len(b) < len(a) and not deep_b):
        return False
    return all(_levels_meet(x, y) for x, y in zip(a, b, strict=False))


def _levels_meet(x: str, y: str) -> bool:
    return patterns_meet(x, y) if GLOB.intersection(x) or GLOB.intersection(y) else x == y


@lru_cache(maxsize=4096)
def patterns_meet(a: str, b: str) -> bool:
    """Whether one name can fit both shell patterns. Letter case is ignored: better one warning too many."""
    first, second = _tokens(a), _tokens(b)
    states = {(0, 0)}
    seen: set[tuple[int, int]] = set()
    while states:
        i, k = state = states.pop()
        if state in seen:
            continue
        seen.add(state)
        if i == len(first) and k == len(second):
            return True
        states |= _next(first, second, i, k)
    return False


def _next(first: list[Token], second: list[Token], i: int, k: int) -> set[tuple[int, int]]:
    found: set[tuple[int, int]] = set()
    x = first[i] if i < len(first) else None
    y = second[k] if k < len(second) else None
    if x == "*":
        found.add((i + 1, k))
        if y is not None:
            found.add((i, k + 1))
    if y == "*":
        found.add((i, k + 1))
        if x is not None:
            found.add((i + 1, k))
    if isinstance(x, tuple) and isinstance(y, tuple) and _share(x, y):
        found.add((i + 1, k + 1))
    return found


def _share(x: tuple[bool, frozenset[str]], y: tuple[bool, frozenset[str]]) -> bool:
    if x[0] and y[0]:
        return True
    if x[0]:
        return bool(y[1] - x[1])
    return bool(x[1] - y[1]) if y[0] else bool(x[1] & y[1])


def _tokens(pattern: str) -> list[Token]:
    text = pattern.casefold()
    found: list[Token] = []
    i = 0
    while i < len(text):
        match = _CLASS.match(text, i) if text[i] == "[" else None
        if match:
            found.append((bool(match["not"]), _members(match["set"])))
            i = match.end()
            continue
        found.append("*" if text[i] == "*" else (True, frozenset()) if text[i] == "?" else (False, frozenset(text[i])))
        i += 1
    return found


def _members(text: str) -> frozenset[str]:
    found: set[str] = set()
    i = 0
    while i < len(text):
        if i + 2 < len(text) and text[i + 1] == "-":
            low, high = ord(text[i]), ord(text[i + 2])
            found.update(map(chr, range(low, min(high, low + 4096) + 1)))
            i += 3
        else:
            found.add(text[i])
            i += 1
    return frozenset(found)
