"""Header blocks: found by offset, read leniently, kept only as far as decoding needs them.

RFC 5322 2.2 and what mailers make of it: blanks before the colon, folds whose blank is missing, a separator line with
blanks, no separator at all, a "From " line of an mbox, lines of junk among the fields.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .raw import Raw

MOST_FIELD = 256_000
"""Bytes of one field that are read; a file name that does not fit is none."""

_FIELD = re.compile(rb"([!-9;-~]{1,200}?)[ \t]*:")
_CONTENT_LINE = re.compile(rb"[Cc][Oo][Nn][Tt][Ee][Nn][Tt]-[A-Za-z-]{1,40}[ \t]*:")
_LOST_FOLD = re.compile(rb"[A-Za-z-]{1,40}\*?(?:\d+\*?)?[ \t]*=")
_KEPT = {
    *(b"content-type", b"content-disposition", b"content-transfer-encoding", b"content-id", b"content-location"),
    *(b"content-description", b"from", b"sender", b"to", b"cc", b"subject", b"date", b"message-id", b"content-base"),
}

MOST_PLAIN = 65_536
"""Bytes of a header block that is taken apart at once; a longer one is read line by line."""
_PLAIN = re.compile(
    rb"(?:[!-9;-~]{1,200}+[ \t]{0,99}+:[^\r\n]{0,3000}+\r?\n(?:[ \t]{1,99}+[^\s][^\r\n]{0,3000}+\r?\n)*+)++\r?\n"
)
"""A header block as it should be: fields with their folds, none too long, an empty line."""
_FIELD_END = re.compile(rb"\n(?![ \t])")


@dataclass(slots=True)
class Fields:
    """A header block: the fields that matter, unfolded by removal of line ends only; where its body begins."""

    values: dict[bytes, list[bytes]] = field(default_factory=dict)
    body: int = 0
    count: int = 0
    """Fields seen, kept or not; 0: there was no header."""
    too_long: bool = False

    def first(self, name: bytes) -> bytes | None:
        """The first field of this name (lower case)."""
        found = self.values.get(name)
        return found[0] if found else None


@dataclass(slots=True)
class _Reading:
    """The field being read: its lines so far."""

    name: bytes | None = None
    lines: list[bytes] = field(default_factory=list)
    size: int = 0
    open_quote: bool = False


def read_fields(raw: Raw, start: int, end: int, top: bool = False) -> Fields:
    """Read the header block that begins at `start`.

    :param top: the beginning of a mail: empty lines, a byte order mark and an mbox "From " line before it are skipped.
    """
    return _read_plain(raw, start, end) or _read_lines(raw, start, end, top)


def _read_plain(raw: Raw, start: int, end: int) -> Fields | None:
    """A header block that is as it should be; None if it is not."""
    block = _PLAIN.match(raw.read(start, min(end, start + MOST_PLAIN)))
    if not block:
        return None
    text = block.group().replace(b"\r\n", b"\n").rstrip(b"\n")
    lines = _FIELD_END.split(text)
    fields = Fields(body=start + block.end(), count=len(lines))
    for line in lines:
        name, _colon, value = line.partition(b":")
        name = name.rstrip().lower()
        if name in _KEPT:
            fields.values.setdefault(name, []).append(value.strip())
    return fields


def _read_lines(raw: Raw, start: int, end: int, top: bool) -> Fields:
    """A header block line by line, whatever it is like."""
    fields = Fields()
    current = _Reading()
    position = _skip_prelude(raw, start, end) if top else start
    last_content = -1
    while position < end:
        line, following = raw.line(position)
        if not line:
            position = following
            break
        if line[0] in b" \t":
            if not line.strip() and not _goes_on(raw, following, end):
                position = following
                break
            _append(current, line, fields)
        elif match := _FIELD.match(line):
            _store(current, fields)
            current = _Reading(match.group(1).lower())
            fields.count += 1
            _append(current, _whole(raw, line, position, following)[match.end() :], fields)
        elif _is_lost_fold(current, line):
            _append(current, b" " + line if current.lines[-1].rstrip().endswith(b";") else line, fields)
        elif not (top and line.startswith((b"From ", b">From "))):
            if last_content < 0:
                last_content = _last_content_line(raw, position, end)
            if line.startswith(b"--") or position > last_content:
                break
        position = following
    _store(current, fields)
    fields.body = min(position, end)
    return fields


def _whole(raw: Raw, line: bytes, start: int, following: int) -> bytes:
    if len(line) < 4096:
        return line
    return raw.read(start, min(following, start + MOST_FIELD)).rstrip(b"\r\n")


def _append(current: _Reading, line: bytes, fields: Fields) -> None:
    if current.name not in _KEPT:
        return
    if current.size + len(line) > MOST_FIELD:
        fields.too_long = fields.too_long or (current.name or b"").startswith(b"content-")
        line = line[: MOST_FIELD - current.size]
    current.size += len(line)
    current.open_quote ^= bool(line.count(b'"') % 2)
    if line:
        current.lines.append(line)


def _store(current: _Reading, fields: Fields) -> None:
    if current.name in _KEPT and current.name is not None:
        fields.values.setdefault(current.name, []).append(b"\n".join(current.lines).strip())


def _skip_prelude(raw: Raw, start: int, end: int) -> int:
    position = start
    if raw.read(start, start + 3) == b"\xef\xbb\xbf":
        position += 3
    while position < end:
        line, following = raw.line(position)
        if line.strip():
            return position
        position = following
    return start


def _goes_on(raw: Raw, position: int, end: int) -> bool:
    """Whether header lines follow a line of blanks, which then was a fold and not the separator."""
    line = raw.line(position)[0] if position < end else b""
    return bool(line) and (bool(_FIELD.match(line)) or (line[:1] in b" \t" and bool(line.strip())))


def _is_lost_fold(current: _Reading, line: bytes) -> bool:
    """Whether a line without a colon continues the field before it, its leading blank lost."""
    if not current.lines or not (current.name or b"").startswith(b"content-"):
        return False
    if current.open_quote and b'"' in line:
        return True
    return current.lines[-1].rstrip().endswith(b";") and bool(_LOST_FOLD.match(line))


def _last_content_line(raw: Raw, position: int, end: int) -> int:
    """Offset of the last Content-* line before the next empty line: what stands before it is junk inside a header."""
    last = position - 1
    for _ in range(200):
        line, following = raw.line(position)
        if not line or position >= end or line.startswith(b"--"):
            break
        if _CONTENT_LINE.match(line):
            last = position
        position = following
    return last
