"""The seam of protocols: what a source gives the fetch and settle rooms. One file a protocol stands behind it.

source = create(launcher.source, launcher)          # no I/O; see sources/__init__.py
with source.open(credentials) as session:
    for listed in session.list(marks, window): ...  # keys and fingerprints, no bodies, no side effect
    for taken in session.read(batch): ...            # bytes; the source is not changed by it
    for outcome in session.acknowledge(batch, after): ...
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import After

UNREADABLE = "unreadable"
"""Fingerprint of what stands there and cannot be read just now: never equal to one that is read."""


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open interval of time, aware datetimes: start <= date < end."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Listed:
    """One item as the source lists it. (key, fingerprint) identify it for ever; the bare native id never does."""

    key: str
    """Account + place + epoch + native id, as one stable text, e.g. `imap:user@host:993/INBOX;1716546;42`."""
    fingerprint: str
    """What proves that the thing under this key is still that thing (header hash and size; size and mtime)."""
    place: str
    """Account + folder: acknowledging it is exclusive, one lease per place."""
    size: int
    """Bytes, as the source announces them; -1 when it does not."""
    name: str = ""
    """A file's path relative to the watched folder, with `/`; '' for mail."""
    date: datetime | None = None
    """Aware; when it was received or modified."""
    handle: Mapping[str, Any] = field(default_factory=dict)
    """JSON-able: what `read` and `acknowledge` of a later session need to find it again; no secret."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One item's bytes. `chunks` is None when it is gone from the source: gone is never the same as empty.

    Iterating `chunks` to its end proves that the bytes are whole; it may raise ItemChanged (left for the next run) or
    SourceUnavailable (the batch is broken off). It must be exhausted or dropped before the next Taken is asked for.
    """

    listed: Listed
    chunks: Iterator[bytes] | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one acknowledgement.

    done: the source now shows what `after` says. gone: it is no longer there under its key, or another thing is
    (nothing was touched). failed: this one could not be acknowledged; tried again in the next run.
    """

    listed: Listed
    state: Literal["done", "gone", "failed"]
    detail: str = ""


class Session(Protocol):
    """An open connection to a source."""

    def list(self, marks: Mapping[str, str], window: Window | None = None) -> Iterator[Listed]:
        """List what is there, known or not; skip a place whose state is still what `marks[place]` says.

        :param marks: what `marks()` of an earlier session gave, by place; empty the first time.
        :param window: only items whose date lies in it (marks are then neither used nor made).
        """
        ...

    def marks(self) -> Mapping[str, str]:
        """After `list` was exhausted: the state of each place, to be kept once all that was listed is in the ledger."""
        ...

    def read(self, batch: Sequence[Listed]) -> Iterator[Taken]:
        """Give the bytes of each, in the order of the batch; must not change the source."""
        ...

    def acknowledge(self, batch: Sequence[Listed], after: After) -> Iterator[Outcome]:
        """Keep, mark, move or delete, each only after its fingerprint was compared again in this session."""
        ...


class Source(Protocol):
    """Configuration and behaviour of one protocol; making one does no I/O."""

    def open(self, credentials: Credentials) -> AbstractContextManager[Session]:
        """Connect and log in.

        :raises SourceUnavailable: within the timeout. :raises AuthenticationFailed: the login was refused.
        """
        ...

    def probe(self, credentials: Credentials) -> Iterable[str]:
        """`ezcold test`: connect, look, change nothing; yield one sentence for each thing worth knowing."""
        ...
