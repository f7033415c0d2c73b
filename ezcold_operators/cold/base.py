"""The seam of COLD scenarios: how a document reaches one. One file a driver stands behind it.

The dispatch room drives every driver alike:

    prepare  the part is made ready where EzGED does not look, durably; nothing has happened yet
    (the ledger takes each delivery from `owed` to `sending` with the Prepared: token, part, final name, identity)
    deliver  the one visible effect; gives the receipt
    (the ledger takes it to `sent`)
    recover  after a crash in between: did `deliver` happen? Goes by the Prepared in the row, not by today's scenario
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.errors import EzcoldError


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One document on its way to one scenario."""

    delivery_id: int
    file: Path
    """The blob in the stage; read-only."""
    size: int
    sha256: str
    name: str
    """The name as sent; '' if it had none. Made safe, and unique by the token, by the driver."""
    media_type: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)
    """For name templates: launcher, item, sender, subject, message_id; `beside` of an index: whose stem it takes."""
    date: datetime | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A delivery made ready. Plain text fields: they are a ledger row."""

    delivery_id: int
    token: str
    """Unguessable, part of the final name: two deliveries never share one."""
    part: str
    """Where the part lies; '' where the driver has none."""
    final: str
    """The name, or path, under which EzGED will see it."""
    identity: str = ""
    """What proves that the parts folder is still the same folder; '' where the driver has none."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The answer for one Prepared: a receipt, or the error that it met."""

    prepared: Prepared
    receipt: str = ""
    error: EzcoldError | None = None
    """Rejected (this file), Unavailable (the scenario), Ambiguous (perhaps sent)."""


class Entrance(Protocol):
    """An open way into one scenario."""

    def prepare(self, batch: Sequence[Outgoing]) -> Iterator[Prepared | tuple[Outgoing, EzcoldError]]:
        """Make parts ready, durable when the iterator ends; a file that is itself at fault comes with its Rejected.

        :raises ScenarioUnavailable: nothing can be prepared now.
        """
        ...

    def deliver(self, batch: Sequence[tuple[Prepared, Outgoing]]) -> Iterator[Delivered]:
        """Do the visible effect for each, durable when the iterator ends."""
        ...

    def recover(self, prepared: Prepared, outgoing: Outgoing) -> Delivered:
        """Finish, or find finished, a delivery left in `sending`; Ambiguous where the driver cannot know."""
        ...

    def discard(self, prepared: Prepared) -> None:
        """Drop a part that lost its race or will not be sent."""
        ...


class Driver(Protocol):
    """Configuration and behaviour of one driver; making one does no I/O."""

    def open(self, credentials: Credentials | None) -> AbstractContextManager[Entrance]:
        """:raises ScenarioUnavailable: :raises AuthenticationFailed: :raises ConfigurationError:"""
        ...

    def probe(self, credentials: Credentials | None) -> Iterable[str]:
        """`ezcold test`: is the entrance usable? Leaves nothing behind."""
        ...
