"""Runs one opener as the decoder does: the container lies in a file, documents appear in a work directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ezcold_operators.decoding.base import Found, Limits, Options
from ezcold_operators.decoding.limits import LimitExceeded
from ezcold_operators.decoding.unfolding import Unfolding

ALL = ("mail", "outlook", "tnef", "smime", "archive")


@dataclass(frozen=True)
class Opened:
    """What came out."""

    documents: tuple[Found, ...]
    quarantined: str | None
    session: Unfolding

    @property
    def files(self) -> list[tuple[str | None, bytes]]:
        """Name and bytes of every document, in their order."""
        return [(found.name, found.file.read_bytes()) for found in self.documents]

    @property
    def paths(self) -> dict[str, bytes]:
        """Place and bytes of every document; places are unique."""
        made = {found.path: found.file.read_bytes() for found in self.documents}
        assert len(made) == len(self.documents)
        return made


def open_bytes(
    folder: Path,
    raw: bytes,
    kind: str,
    name: str = "part",
    unpack: tuple[str, ...] = ALL,
    limits: Limits | None = None,
    **options: object,
) -> Opened:
    """Open `raw` as part 1 of an item."""
    workdir = folder / f"work{len(list(folder.iterdir()))}"
    workdir.mkdir()
    made = Options(unpack=unpack, limits=limits or Limits(), **options)  # type: ignore[arg-type]
    session = Unfolding(workdir, made, len(raw))
    try:
        session.descend(session.scratch(raw), name=name, path="1", kind=kind)
    except LimitExceeded as error:
        session.quarantine(str(error))
    result = session.result()
    return Opened(result.documents, result.quarantined, session)
