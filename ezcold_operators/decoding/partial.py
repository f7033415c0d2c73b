"""message/partial: a mail cut into several, put together again when all its parts are there (RFC 2046 5.2.2).

One item cannot see the others: the decoder quarantines a part with its number, and whoever holds several items asks
`read_partial` of each, waits until `complete` says so, and decodes what `reassemble` writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ezcold_operators.i18n import _

from ..errors import Undecodable
from .fields import Fields, read_fields
from .names import parameter
from .parts import content_type
from .raw import Raw

MOST_PARTS = 10_000
_INNER = (b"content-", b"subject", b"message-id", b"encrypted", b"mime-version")
"""Fields that are taken from the mail inside the first part; all others from the first part's own header."""


@dataclass(frozen=True, slots=True)
class Partial:
    """One part: which mail it is of, its number from 1, how many there are (None: only the last part says so)."""

    id: str
    number: int
    total: int | None


def read_partial(raw: Path) -> Partial | None:
    """What a mail says of itself, if it is a part of another one; None if it is not, or does not say which."""
    with Raw(raw) as mail:
        return _partial(read_fields(mail, 0, mail.size, top=True))


def _partial(fields: Fields) -> Partial | None:
    media_type, parameters = content_type(fields.first(b"content-type"), "text/plain")
    if media_type != "message/partial":
        return None
    identity, number, total = (parameter(parameters.get(key)) for key in ("id", "number", "total"))
    if not identity or not (number or "").isdecimal():
        return None
    return Partial(identity[:998], int((number or "0")[:6]), int(total[:6]) if total and total.isdecimal() else None)


def complete(parts: Iterable[Partial]) -> bool:
    """Whether these parts of one mail are all of them."""
    found = list(parts)
    totals = {part.total for part in found if part.total is not None}
    if len(totals) != 1:
        return False
    total = totals.pop()
    return 0 < total <= MOST_PARTS and {part.number for part in found} == set(range(1, total + 1))


def reassemble(parts: Sequence[Path], out: Path) -> None:
    """Write the whole mail.

    :param parts: the raw mails in the order of their numbers, all of them.
    :raises Undecodable: one of them is no part.
    """
    with out.open("xb") as target:
        for place, part in enumerate(parts):
            with Raw(part) as mail:
                fields = read_fields(mail, 0, mail.size, top=True)
                if _partial(fields) is None:
                    raise Undecodable(_("part {place} of a message/partial is no such part").format(place=place + 1))
                start = fields.body
                if place == 0:
                    start = read_fields(mail, fields.body, mail.size).body
                    target.writelines(_lines(mail, 0, fields.body, inner=False))
                    target.writelines(_lines(mail, fields.body, start, inner=True))
                    target.write(b"\r\n")
                target.writelines(mail.pieces(start, mail.size))


def _lines(mail: Raw, start: int, end: int, inner: bool) -> Iterable[bytes]:
    """Header lines of a block that come from the inner mail, or those that do not."""
    keep = False
    while start < end:
        line, start = mail.line(start, 1 << 16)
        if not line.strip():
            return
        if not line.startswith((b" ", b"\t")):
            keep = line.lower().startswith(_INNER) is inner
        if keep:
            yield line + b"\r\n"
