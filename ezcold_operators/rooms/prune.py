"""Retention: old events leave the ledger, old blobs the stage, and what lies on the disk is measured."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ezcold_operators.ledger import retention
from ezcold_operators.ledger.ledger import Ledger

BATCH = 5000
KEEP_DAYS = 400
"""So long the maintenance keeps events: a year's closing of accounts, and a month to ask about it."""


def prune(ledger: Ledger, keep_seconds: float, now: float | None = None) -> int:
    """Forget the events of items settled so long ago; the number of events. What identity needs stays.

    :raises LedgerUnavailable: what was removed until then is removed.
    """
    before = (time.time() if now is None else now) - keep_seconds
    removed = 0
    while True:
        with ledger.transaction("prune.events") as conn:
            count = retention.forget(conn, before, BATCH)
        removed += count
        if count < BATCH:
            return removed


@dataclass(frozen=True, slots=True)
class Disk:
    """What lies in EZCOLD_HOME, in bytes."""

    stage: int
    backups: dict[str, int]
    """By launcher. A backup on the stage's disk shares its bytes with the stage while both have them."""
    free: int
    total: int

    @property
    def is_tight(self) -> bool:
        """Less than a tenth, and less than 10 GB, is free."""
        return self.free < self.total / 10 and self.free < 10_000_000_000


def disk(home: Path) -> Disk:
    """Measure; folders that are not there hold nothing."""
    backups = home / "backup"
    folders = sorted(entry for entry in backups.iterdir() if entry.is_dir()) if backups.is_dir() else []
    there = next(folder for folder in (home, *home.absolute().parents) if folder.exists())
    usage = shutil.disk_usage(there)
    return Disk(_size(home / "stage"), {folder.name: _size(folder) for folder in folders}, usage.free, usage.total)


def _size(folder: Path) -> int:
    return sum(_sizes(str(folder)))


def _sizes(folder: str) -> Iterator[int]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    if entry.is_dir(follow_symlinks=False):
                        yield from _sizes(entry.path)
                    else:
                        yield entry.stat(follow_symlinks=False).st_size
                except FileNotFoundError:
                    continue  # swept meanwhile
    except (FileNotFoundError, NotADirectoryError):
        return
