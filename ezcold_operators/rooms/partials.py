"""message/partial (RFC 2046, 5.2.2): a mail sent in several mails waits for all of them, then is decoded as one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ezcold_operators.decoding.base import Decoded
from ezcold_operators.decoding.partial import Partial, complete, read_partial, reassemble
from ezcold_operators.errors import ItemFailed
from ezcold_operators.rooms.base import River

WAIT_SECONDS = 5 * 24 * 3600.0
"""How long a part waits for the others before it is quarantined (RFC 2046 leaves it to the receiver)."""


@dataclass(frozen=True, slots=True)
class Part:
    """One item of the ledger that is a part of a mail."""

    row: Any
    partial: Partial


def waiting(river: River, row: Any, answer: Decoded, now: float) -> Part | None:
    """The item as a part that may still wait; None if it is no part, or has waited long enough."""
    if "message/partial" not in (answer.quarantined or "") or now - row.staged_at > WAIT_SECONDS:
        return None
    partial = read_partial(river.stage.path(row.sha256))
    return Part(row, partial) if partial is not None else None


def whole_mails(river: River, parts: Sequence[Part], folder: Path) -> Iterator[tuple[Path, list[Part]]]:
    """Mails of which every part is here: the mail put together in a new file, and its parts by number."""
    groups: dict[str, dict[int, Part]] = defaultdict(dict)
    for part in parts:
        groups[part.partial.id].setdefault(part.partial.number, part)
    for n, group in enumerate(groups.values()):
        ordered = [group[number] for number in sorted(group)]
        if not complete(part.partial for part in ordered):
            continue
        out = folder / f"whole-{n}"
        try:
            reassemble([river.stage.path(part.row.sha256) for part in ordered], out)
        except ItemFailed as exc:
            river.failed(exc)
            continue
        yield out, ordered
