"""The tree of a mail: which bytes of the raw file belong to which part (RFC 2046 5), in one forward pass.

Boundaries are looked for as lines, innermost first. A boundary of an outer multipart ends the inner ones; a multipart
that uses its parent's boundary gives it back when it closes; a part after a closing boundary is still a part.
"""

from __future__ import annotations

import re

from ezcold_operators.i18n import _

from ..errors import Undecodable
from .fields import Fields, read_fields
from .limits import LimitExceeded
from .parts import MAIL_TYPES, Leaf, Message, Multipart, Parameters, Tree, boundary_of, content_type
from .raw import Raw
from .transfer import encoding_of
from .unfolding import Unfolding, join

MOST_GUESSES = 50
MOST_OPEN = 300
"""Multiparts inside each other that are read in one pass."""
_GUESS = re.compile(rb"--(?=[^\s-])[^\r\n]{1,200}|-{4,}[^\r\n]{1,200}")
_CONTENT = re.compile(rb"content-[a-z-]{2,40}[ \t]*:", re.IGNORECASE)


def walk(raw: Raw, path: str, session: Unfolding) -> Tree:
    """Find every part of the mail in `raw`.

    :param path: the mail's own place in the item.
    :raises Undecodable: no header field at all.
    :raises LimitExceeded: more parts than `max_documents` allows for.
    """
    return _Walker(raw, session).run(Message(path, session.depth))


class _Walker:
    def __init__(self, raw: Raw, session: Unfolding) -> None:
        self.raw = raw
        self.session = session
        self.tree = Tree()
        self.stack: list[Multipart] = []
        self.known: dict[bytes, int] = {}
        self.leaf: Leaf | None = None
        self.gap = 0
        self.guesses = 0
        self.next_dashes = -2
        first = raw.find(b"\n", 0, 4096)
        self.doubled = first > 1 and raw.read(first - 2, first) == b"\r\r"

    def run(self, message: Message) -> Tree:
        body = self.entity(0, self.raw.size, message, None, "text/plain")
        if not message.fields.count:
            self.headerless(message)
        self.region(0, body, self.raw.size)
        return self.tree

    def headerless(self, message: Message) -> None:
        """A mail without any header: its parts are taken if it has some, and it is never taken for a whole mail.

        :raises Undecodable: nothing in it looks like a part.
        """
        boundary = self.guess(0, self.raw.size)
        if boundary is None:
            raise Undecodable(_("this is not a mail: it has no header"))
        self.session.quarantine(_("the mail has no header: its parts were found by their boundaries"))
        self.tree.leaves.clear()
        self.leaf = None
        self.push(Multipart("", message, "multipart/mixed", boundary, 0, message.fields))

    def region(self, floor: int, position: int, end: int) -> None:
        """Take parts from position to end; multiparts below `floor` on the stack are none of ours."""
        while (hit := self.boundary(position, end)) is not None:
            line, position, level, closing = hit
            self.finish(line, level)
            multipart = self.stack[level]
            if closing:
                multipart.closed = True
                self.gap = position
            else:
                multipart.closed = False
                multipart.count += 1
                default = "message/rfc822" if multipart.media_type == "multipart/digest" else "text/plain"
                position = self.entity(position, end, multipart.message, multipart, default)
        self.finish(end, floor - 1)

    def boundary(self, position: int, end: int) -> tuple[int, int, int, bool] | None:
        """The next line that is an open boundary: its offset, the next line's, its level, whether it closes."""
        while self.stack:
            start = self.dashes(position, end)
            if start < 0:
                return None
            line, following = self.raw.line(start)
            line = line[2:].rstrip()
            if line in self.known:
                return start, following, self.level(line), False
            if line.endswith(b"--") and line[:-2].rstrip() in self.known:
                return start, following, self.level(line[:-2].rstrip()), True
            # RFC 2046 5.1.1: a boundary is recognised by how the line begins; we demand a blank after it
            word = line.split(None, 1)[0] if line else line
            if word in self.known or (word.endswith(b"--") and word[:-2] in self.known):
                return start, following, self.level(word if word in self.known else word[:-2]), word not in self.known
            position = following
        return None

    def level(self, boundary: bytes) -> int:
        """The innermost multipart with this boundary, an unclosed one if there is any."""
        innermost = -1
        for index in range(len(self.stack) - 1, -1, -1):
            if self.stack[index].boundary == boundary:
                if not self.stack[index].closed:
                    return index
                innermost = max(innermost, index)
        return innermost

    def dashes(self, position: int, end: int) -> int:
        """Offset of the next line, from position on, that begins with two dashes; -1 if there is none before end."""
        if position == 0 and self.raw.read(0, 2) == b"--":
            return 0
        since = max(position - 1, 0)
        if self.next_dashes != -1 and self.next_dashes <= since:
            self.next_dashes = self.raw.dashes(since)
        return self.next_dashes if self.next_dashes < end else -1

    def finish(self, line: int, level: int) -> None:
        """End what is open before the boundary line at `line`, down to the multipart at `level`."""
        if self.leaf is not None:
            self.leaf.end = max(self.before(line, self.leaf.start), self.leaf.start) if self.stack else line
            self.leaf.whole = line < self.raw.size or not self.stack
            self.leaf = None
        elif self.gap < line:
            self.tree.gaps.append((self.gap, line))
        while len(self.stack) > level + 1:
            self.pop(line)
        self.gap = line

    def pop(self, end: int) -> None:
        multipart = self.stack.pop()
        self.known[multipart.boundary] -= 1
        if not self.known[multipart.boundary]:
            del self.known[multipart.boundary]
        if not multipart.count:
            self.recover(multipart, end)

    def recover(self, multipart: Multipart, end: int) -> None:
        """A multipart whose boundary never came: take the boundary that is really used there."""
        boundary = self.guess(multipart.start, end)
        if boundary is None:
            self.partless(multipart.fields, join(multipart.message.prefix, multipart.path or "1"))
            return
        floor = len(self.stack)
        multipart.boundary = boundary
        self.tree.gaps = [gap for gap in self.tree.gaps if not multipart.start <= gap[0] < end]
        kept, self.next_dashes = self.next_dashes, -2
        self.push(multipart)
        self.gap = multipart.start
        self.region(floor, multipart.start, end)
        self.next_dashes = kept

    def partless(self, fields: Fields, place: str) -> None:
        """A multipart without parts: harmless if it is empty, but a name or a disposition in its header promises."""
        announced = b"".join(fields.values.get(b"content-disposition", []) + fields.values.get(b"content-type", []))
        if b"name" in announced.lower() or b"attachment" in announced.lower():
            self.session.quarantine(_("part {place} announces a file, and no part is found in it").format(place=place))

    def guess(self, start: int, end: int) -> bytes | None:
        """The first line in a region that looks like a boundary: two dashes, and a part's header after it."""
        self.guesses += 1
        if self.guesses > MOST_GUESSES:
            return None
        position = start
        for _other in range(2000):
            found = 0 if position == 0 else self.raw.find(b"\n--", max(position - 1, 0), end) + 1
            if not found and position:
                return None
            line, following = self.raw.line(found)
            if following >= end:
                return None
            if _GUESS.match(line) and _CONTENT.match(self.raw.line(following)[0]):
                return line[2:].rstrip()
            position = following
        return None

    def push(self, multipart: Multipart) -> None:
        self.stack.append(multipart)
        self.known[multipart.boundary] = self.known.get(multipart.boundary, 0) + 1

    def before(self, line: int, start: int) -> int:
        """The offset before the line end that precedes `line`: it belongs to the boundary (RFC 2046 5.1.1)."""
        tail = self.raw.read(max(line - 3, start, 0), line)
        for end in (b"\r\r\n", b"\r\n") if self.doubled else (b"\r\n",):
            if tail.endswith(end):
                return line - len(end)
        return line - 1 if tail.endswith((b"\n", b"\r")) else line

    def entity(self, start: int, end: int, message: Message, parent: Multipart | None, default: str) -> int:
        """Read a part's header at `start`, and those of mails inside it; returns where its body begins."""
        path = ""
        if parent is not None:
            path = f"{parent.path}.{parent.count}" if parent.path else str(parent.count)
        top = parent is None
        while True:
            fields = read_fields(self.raw, start, end, top)
            if not top and not fields.count and fields.body < end:
                fields = self.late_header(fields, end)
            if top:
                message.fields = fields
                self.tree.messages.append(message)
            media_type, parameters = self.content_type(fields, default, end)
            self.gap = fields.body
            if media_type.startswith("multipart/") and self.open_multipart(
                path, message, media_type, parameters, fields, end
            ):
                return fields.body
            place = join(message.prefix, path or "1")
            if media_type in MAIL_TYPES and self.opens(fields, place, message, end):
                message, path, top = Message(place, message.depth + 1), "", True
                start, parent, default = fields.body, None, "text/plain"
                continue
            self.add_leaf(Leaf(place, message, fields, media_type, parameters, fields.body, end), parent)
            return fields.body

    def late_header(self, fields: Fields, end: int) -> Fields:
        """A part whose header comes after an empty line that should not be there."""
        if _CONTENT.match(self.raw.line(fields.body)[0]):
            return read_fields(self.raw, fields.body, end)
        return fields

    def open_multipart(
        self, path: str, message: Message, media_type: str, parameters: Parameters, fields: Fields, end: int
    ) -> bool:
        if len(self.stack) >= MOST_OPEN:
            # not lost: it is decoded as a mail of its own, one container deeper
            return False
        boundary = boundary_of(parameters) or self.guess(fields.body, end)
        if not boundary:
            # nothing like a part in it: a gap, checked like every gap; if it is encoded, its parts show after decoding
            if self.encoded(fields):
                return False
            self.partless(fields, join(message.prefix, path or "1"))
            return True
        if self.encoded(fields) and self.guesses < MOST_GUESSES:
            self.guesses += 1
            if self.raw.find(b"--" + boundary, fields.body, end) < 0:
                return False
        self.push(Multipart(path, message, media_type, boundary, fields.body, fields))
        if media_type == "multipart/encrypted":
            self.tree.encrypted.append(join(message.prefix, path or "1"))
        return True

    @staticmethod
    def encoded(fields: Fields) -> bool:
        """Whether a part says that it is encoded as a whole."""
        return encoding_of(fields.first(b"content-transfer-encoding")) in ("base64", "quoted-printable", "uuencode")

    def content_type(self, fields: Fields, default: str, end: int) -> tuple[str, Parameters]:
        """The declared type; of several Content-Type fields the one whose boundary is really there."""
        media_type, parameters = content_type(fields.first(b"content-type"), default)
        if not media_type.startswith(("text/", "multipart/")) or "name" in parameters:
            return media_type, parameters
        for value in fields.values.get(b"content-type", ())[1:10]:
            other = content_type(value, default)
            boundary = boundary_of(other[1]) if other[0].startswith("multipart/") else None
            self.guesses += 1
            if boundary and self.guesses <= MOST_GUESSES and self.raw.find(b"--" + boundary, fields.body, end) >= 0:
                mine = boundary_of(parameters) if media_type.startswith("multipart/") else None
                if not mine or self.raw.find(b"--" + mine, fields.body, end) < 0:
                    return other
        return media_type, parameters

    def opens(self, fields: Fields, place: str, message: Message, end: int) -> bool:
        """Whether the mail in this part is opened in this pass: allowed, not encoded, not too deep, a mail indeed."""
        if not self.session.allows("mail"):
            return False
        if self.encoded(fields):
            return False
        if message.depth >= self.session.limits.max_depth:
            self.session.quarantine(
                _("max_depth: {place} lies deeper than {max_depth} containers").format(
                    place=place, max_depth=self.session.limits.max_depth
                )
            )
            return False
        return read_fields(self.raw, fields.body, end, top=True).count > 0

    def add_leaf(self, leaf: Leaf, parent: Multipart | None) -> None:
        if len(self.tree.leaves) > 2 * self.session.limits.max_documents + 100:
            raise LimitExceeded(
                _("max_documents: more than {leaves} parts in one mail").format(leaves=len(self.tree.leaves)), True
            )
        if parent is not None:
            leaf.parent, leaf.boundary = parent.media_type, parent.boundary
        self.leaf = leaf
        self.tree.leaves.append(leaf)
