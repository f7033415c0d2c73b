"""The cross-check: what the raw mail promises against what was found; a true disagreement is a quarantine.

Only bytes that belong to no leaf can hide a document, so that a text which quotes another mail's source raises no
alarm: preambles and epilogues are searched for part headers, leaves for the boundaries of the multiparts around them.
"""

from __future__ import annotations

import re

from ezcold_operators.i18n import _

from .parts import Leaf, Tree
from .raw import PIECE, Raw
from .unfolding import Unfolding

_VALUE = rb"[ \t]*:[^\r\n]{0,500}(?:[\r\n]+[ \t][^\r\n]{0,500}){0,5}?"
_PROMISE = re.compile(
    rb"(?:^|[\r\n])Content-(?:Disposition[ \t]*:[ \t]*attachment"
    rb"|Type" + _VALUE + rb"\bname\*?(?:\d\*?)?=|Disposition" + _VALUE + rb"\bfilename\*?(?:\d\*?)?=)",
    re.IGNORECASE,
)
_CONTENT = re.compile(rb"[ \t]+Content-[A-Za-z-]{2,40}[ \t]*:", re.IGNORECASE)
_ENVELOPE = re.compile(rb"From \S+ .{0,80}\d\d:\d\d.{0,80}\d{4}.{0,40}")
_FIELD = re.compile(rb"[!-9;-~]{1,80}:")
SHORT = 8
"""Length below which a boundary may well occur in a text by chance."""


def check(raw: Raw, tree: Tree, session: Unfolding) -> None:
    """Quarantine what was promised and not found."""
    place = tree.messages[0].prefix or "the mail"
    if _is_mailbox(raw):
        session.quarantine(_("{place} is an mbox of several mails: it was read as one").format(place=place))
    for start, end in tree.gaps:
        if _promised(raw, start, end):
            session.quarantine(
                _("{place} announces a file outside every part, at byte {start}").format(place=place, start=start)
            )
    for leaf in tree.leaves:
        if len(leaf.boundary) >= SHORT and _hidden(raw, leaf):
            session.quarantine(
                _("part {path} has a boundary in its middle: a file may be hidden in it").format(path=leaf.path)
            )


def _is_mailbox(raw: Raw) -> bool:
    """Whether a file that begins with a "From " line has another one before another header (RFC 4155)."""
    if raw.read(0, 5) != b"From ":
        return False
    found = raw.find(b"\nFrom ", 0)
    while found >= 0:
        line, following = raw.line(found + 1)
        if _ENVELOPE.fullmatch(line) and _FIELD.match(raw.line(following)[0]):
            return True
        found = raw.find(b"\nFrom ", found + 1)
    return False


def _promised(raw: Raw, start: int, end: int) -> bool:
    overlap = b""
    for piece in raw.pieces(start, end):
        if _PROMISE.search(overlap + piece):
            return True
        overlap = piece[-4096:] if end - start > PIECE else b""
    return False


def _header_follows(raw: Raw, position: int) -> bool:
    line, following = raw.line(position)
    return not line.strip(b" \t-") and bool(_CONTENT.match(raw.line(following)[0]))


def _hidden(raw: Raw, leaf: Leaf) -> bool:
    """Whether the leaf holds its multipart's boundary after blanks: a part that a gateway has indented."""
    found = raw.find(b"--" + leaf.boundary, leaf.start, leaf.end)
    while found >= 0:
        before = raw.read(max(found - 100, leaf.start), found).replace(b"\r", b"\n").rpartition(b"\n")[2]
        after = found + 2 + len(leaf.boundary)
        if before and not before.strip(b" \t") and _header_follows(raw, after):
            return True
        found = raw.find(b"--" + leaf.boundary, found + 2, leaf.end)
    return False
