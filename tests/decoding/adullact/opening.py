"""Runs the decoder on bytes and gives what tests compare."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ezcold_operators.decoding.adullact import decode_envelope
from ezcold_operators.decoding.base import Limits, Options


@dataclass(frozen=True)
class Opened:
    type: str | None
    metadata: dict[str, Any]
    pieces: list[tuple[str | None, bytes]]
    envelopes: list[tuple[str | None, bytes]]
    paths: list[str]
    facts: dict[str, dict[str, Any]]
    """Metadata of each document by its path."""
    quarantined: str | None


def opened(raw: bytes, name: str = "fichier", limits: Limits | None = None) -> Opened | None:
    """Decode in a directory of its own; whatever appears outside the work directory fails the test."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        source, work = root / "raw", root / "a" / "b" / "work"
        source.write_bytes(raw)
        work.mkdir(parents=True)
        decoded = decode_envelope(source, work, Options(kind="adullact", name=name, limits=limits or Limits()))
        outside = [p for p in root.rglob("*") if not p.is_dir() and p != source and work not in p.parents]
        assert outside == []
        assert all(p.is_file() and not p.is_symlink() for p in work.iterdir())
        if decoded is None:
            return None
        read = {found.path: (found.name, found.file.read_bytes()) for found in decoded.documents}
        assert len(read) == len(decoded.documents), "document paths must be unique"
        assert all(len(read[found.path][1]) == found.size for found in decoded.documents)
        return Opened(
            decoded.envelope.type if decoded.envelope else None,
            dict(decoded.envelope.metadata) if decoded.envelope else {},
            [read[f.path] for f in decoded.documents if f.role == "piece"],
            [read[f.path] for f in decoded.documents if f.role == "envelope"],
            [found.path for found in decoded.documents],
            {found.path: dict(found.metadata) for found in decoded.documents},
            decoded.quarantined,
        )


def must_open(raw: bytes, name: str = "fichier", limits: Limits | None = None) -> Opened:
    """An envelope that is in order."""
    found = opened(raw, name, limits)
    assert found is not None, "taken for no envelope"
    assert found.quarantined is None
    return found
