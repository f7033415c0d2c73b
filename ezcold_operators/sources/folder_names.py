"""Paths of watched files: which are taken, and how they are written down."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata

from ezcold_operators.filesystems.base import Stat

OURS = ".ezcold-"
"""Names that begin so are ours: claims, copies on their way. Never listed."""
_MAGIC = re.compile(r"[*?\[]")
_NEVER = re.compile(r"(?is)(?:.*\.(?:tmp|part)|~\$.*)")
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MOST = 255
"""Bytes of one name, on every file system that we know."""


def taken_name(name: str) -> bool:
    """Neither a temporary file by its name, nor ours."""
    return not name.startswith(OURS) and _NEVER.fullmatch(name) is None


def split_glob(path: str) -> tuple[str, str]:
    """The folder to watch (absolute; a URL stays one) and the glob below it ("*" where none was written)."""
    parts = path.rstrip("/").split("/")
    first = next((i for i, part in enumerate(parts) if _MAGIC.search(part)), len(parts))
    glob = "/".join(parts[first:])
    return absolute("/".join(parts[:first]) or "/"), glob or "*"


def absolute(path: str) -> str:
    """A folder's path, always written the same way; no link is resolved, so that keys stay what they are."""
    return path.rstrip("/") if "://" in path else os.path.abspath(path)  # noqa: PTH100


class Pattern:
    """A glob over relative paths: `*` stays within one name, `**/` is any depth. Case does not count, as on Windows."""

    def __init__(self, glob: str, subfolders: bool) -> None:
        *folders, last = glob.split("/")
        self._depth = None if subfolders or "**" in folders else len(folders)
        text = "".join("(?:.*/)?" if folder == "**" else f"{_part(folder)}/" for folder in folders)
        self._regex = re.compile(text + ("(?:.*/)?" if subfolders else "") + _part(last), re.IGNORECASE | re.DOTALL)

    def enters(self, folder: str) -> bool:
        """Whether what is wanted may lie below this folder."""
        return self._depth is None or folder.count("/") < self._depth

    def takes(self, path: str) -> bool:
        """Whether a file is wanted."""
        return self._regex.fullmatch(unicodedata.normalize("NFC", path)) is not None


def _part(glob: str) -> str:
    out = []
    position = 0
    glob = unicodedata.normalize("NFC", glob)
    while position < len(glob):
        char = glob[position]
        close = glob.find("]", position + 2) if char == "[" else -1
        if char == "[" and close > 0:
            inside = glob[position + 1 : close].replace("\\", r"\\").replace("[", r"\[")
            out.append(f"[^/{inside[1:]}]" if inside[0] in "!^" else f"[{inside}]")
            position = close
        else:
            out.append({"*": "[^/]*", "?": "[^/]"}.get(char) or re.escape(char))
        position += 1
    return "".join(out)


def fingerprint(stat: Stat) -> str:
    """What proves a file; a rename does not change it."""
    return f"{stat.size}-{stat.mtime_ns}"


def escape(path: str) -> str:
    """A path as text that any ledger takes: bytes that are not UTF-8, controls and `%` as `%XX`."""
    out = []
    for char in path:
        if "\udc80" <= char <= "\udcff":
            out.append(f"%{ord(char) - 0xDC00:02X}")
        elif char == "%" or char < " " or char == "\x7f":
            out.append(f"%{ord(char):02X}")
        else:
            out.append(char)
    return "".join(out)


def unescape(text: str) -> str:
    """The path again."""

    def byte(match: re.Match[str]) -> str:
        value = int(match[1], 16)
        return chr(value) if value < 0x80 else chr(0xDC00 + value)

    return _ESCAPED.sub(byte, text)


def readable(path: str) -> str:
    """A path as a person reads it, on one line: names that are not UTF-8 are most often of an old Windows."""
    return _CONTROL.sub("_", "/".join(_readable(name) for name in path.split("/")))


def _readable(name: str) -> str:
    try:
        name.encode()
        return name
    except UnicodeEncodeError:
        raw = os.fsencode(name)
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def private_name(key: str, proof: str, name: str) -> str:
    """The name under which an item is claimed: the same in every session, so that a claim left by a crash is found."""
    digest = hashlib.sha256(os.fsencode(f"{key}\0{proof}")).hexdigest()[:20]
    return _cut(f"{OURS}{digest}-", name, "")


def free_name(name: str, number: int) -> str:
    """`scan.pdf`, `scan (2).pdf`, `scan (3).pdf`..."""
    if number == 1:
        return name
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension) > 20:
        stem, dot, extension = name, "", ""
    return _cut("", stem, f" ({number}){dot}{extension}")


def _cut(head: str, middle: str, tail: str) -> str:
    room = _MOST - len(os.fsencode(head)) - len(os.fsencode(tail))
    raw = os.fsencode(middle)[:room]
    while raw and os.fsencode(middle) != raw and not _whole(raw, middle):
        raw = raw[:-1]
    return head + os.fsdecode(raw) + tail


def _whole(raw: bytes, text: str) -> bool:
    return text.startswith(os.fsdecode(raw))
