"""What one POP3 session shows: names, sizes and fingerprints of its mails."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from email.utils import parsedate_to_datetime
from typing import IO

from ezcold_operators.sources.base import Listed
from ezcold_operators.sources.mail_common import HEADER_LIMIT, fingerprint
from ezcold_operators.sources.pop_client import Pop, Refused

SAMPLES = 8
"""Mails, evenly spread over the mailbox, whose fingerprints go into its mark."""
HEAD_GUESS = 4096
BLOCK = 1024 * 1024


class Snapshot:
    """The numbers mean nothing in another session. `names` are tails of keys: the twin and the UIDL or the hash."""

    def __init__(self, line: Pop) -> None:
        self._line = line
        self.sizes = {n: int(size.split()[0]) for n, size in line.table("LIST").items()}
        self.names: dict[int, str] = {}
        self.proofs: dict[int, str] = {}
        self.dates: dict[int, datetime | None] = {}
        self.bodies: dict[int, IO[bytes]] = {}
        try:
            uidl = line.table("UIDL") if self.sizes else {}
        except Refused:
            uidl = {}
        if uidl.keys() == self.sizes.keys():
            self.names = _numbered(uidl)
        else:  # the content is the name
            self._retrieve(sorted(self.sizes))
            self.names = _numbered({n: _digest(body) for n, body in sorted(self.bodies.items())})

    def numbers(self, items: Sequence[Listed]) -> list[int | None]:
        """The number of each item in this session; None for what is not there."""
        by_name = {name: number for number, name in self.names.items()}
        return [by_name.get(item.handle["name"]) for item in items]

    def _retrieve(self, numbers: Sequence[int]) -> None:
        answers = self._line.fetch([(f"RETR {n}", self.sizes[n]) for n in numbers])
        for number, answer in zip(numbers, answers, strict=True):
            if not isinstance(answer, Refused):
                self.bodies[number] = answer

    def prove(self, numbers: Iterable[int]) -> None:
        """Fill in fingerprints, by content where the server has no TOP; none for a mail that it cannot read."""
        missing = [n for n in numbers if n not in self.proofs]
        headers: dict[int, bytes] = {}
        if not self.bodies:
            answers = self._line.fetch([(f"TOP {n} 0", HEAD_GUESS) for n in missing])
            for number, answer in zip(missing, answers, strict=True):
                if not isinstance(answer, Refused):
                    with answer:
                        headers[number] = answer.read(HEADER_LIMIT)
        if headers or "TOP" in self._line.capabilities:
            self.proofs.update({n: fingerprint(header, self.sizes[n]) for n, header in headers.items()})
        else:
            self._retrieve([n for n in missing if n not in self.bodies])
            for number in missing:
                if (body := self.bodies.get(number)) is not None:
                    self.proofs[number] = f"content:{_digest(body)};{self.sizes[number]}"
                    headers[number] = body.read(HEADER_LIMIT)
                    body.seek(0)
        self.dates.update({n: _date(header) for n, header in headers.items()})

    def mark(self) -> str:
        """The state of the mailbox: every name and size, and a few fingerprints, should names be given anew."""
        numbers = sorted(self.names)
        samples = {numbers[i * (len(numbers) - 1) // (SAMPLES - 1)] for i in range(SAMPLES)} if numbers else set()
        self.prove(sorted(samples))
        state = sorted((self.names[n], self.sizes[n], self.proofs.get(n) if n in samples else None) for n in numbers)
        return hashlib.sha256(repr(state).encode()).hexdigest()


def _numbered(names: Mapping[int, str]) -> dict[int, str]:
    """`1;name` for the first mail with a name, `2;name` for the second."""
    count: Counter[str] = Counter()
    found = {}
    for number in sorted(names):
        count[names[number]] += 1
        found[number] = f"{count[names[number]]};{names[number]}"
    return found


def _digest(body: IO[bytes]) -> str:
    body.seek(0)
    hashed = hashlib.sha256()
    while block := body.read(BLOCK):
        hashed.update(block)
    body.seek(0)
    return hashed.hexdigest()


def blocks(body: IO[bytes]) -> Iterator[bytes]:
    """A mail from its beginning."""
    body.seek(0)
    while block := body.read(BLOCK):
        yield block


def _date(header: bytes) -> datetime | None:
    """When it was received (the last hop's Received line, which stands first), else its Date; POP tells neither."""
    parsed = BytesHeaderParser().parsebytes(header)
    for text in (str(parsed.get("Received", "")).rpartition(";")[2], str(parsed.get("Date", ""))):
        try:
            date = parsedate_to_datetime(text.strip())
        except (ValueError, TypeError, IndexError):
            continue
        return date if date.tzinfo else date.replace(tzinfo=UTC)
    return None
