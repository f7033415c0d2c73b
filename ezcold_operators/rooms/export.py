"""Documents out of the stage (or a backup) into a folder of a person's choice, under names that they can read."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from ezcold_operators.errors import ConfigurationError
from ezcold_operators.filtering import Candidate, effective_name
from ezcold_operators.i18n import _
from ezcold_operators.ledger.tables import document, item
from ezcold_operators.rooms.backup import safe_name
from ezcold_operators.rooms.replay import digest, kept_bytes
from ezcold_operators.stage import Stage
from ezcold_operators.steps import step


@dataclass(frozen=True, slots=True)
class Exported:
    """One document: where it lies now, or None: its bytes are gone from stage and backup."""

    document_id: int
    name: str
    file: Path | None


def of_items(conn: Connection, item_ids: Sequence[int]) -> Iterator[Any]:
    """Documents of items, with what names their folder."""
    for start in range(0, len(item_ids), 500):
        yield from conn.execute(_query().where(item.c.id.in_(item_ids[start : start + 500])).order_by(document.c.id))


def of_day(conn: Connection, day: date, zone: ZoneInfo, launcher: str | None) -> Iterator[Any]:
    """Documents of what was taken on a day of that time zone."""
    first, after = (datetime(d.year, d.month, d.day, tzinfo=zone).timestamp() for d in (day, day + timedelta(days=1)))
    query = _query().where(item.c.staged_at >= first, item.c.staged_at < after)
    if launcher is not None:
        query = query.where(item.c.launcher == launcher)
    yield from conn.execute(query.order_by(document.c.id))


def _query() -> Any:
    return select(
        document, item.c.subject, item.c.name.label("item_name"), item.c.source_key
    ).join(item, item.c.id == document.c.item_id)  # fmt: skip


def export(stage: Stage, home: Path, rows: Iterable[Any], target: Path) -> Iterator[Exported]:
    """Copy each to <target>/<launcher>/<item> <label>/<document> <name>; a file that is there already is kept.

    :raises ConfigurationError: the folder cannot be written.
    """
    try:
        for row in rows:
            named = Candidate(row.name, row.media_type, row.sniffed, row.role, False, row.size)
            name = effective_name(named)
            found = kept_bytes(stage, home, row)
            if found is None:
                yield Exported(row.id, name, None)
                continue
            label = row.subject or row.item_name.rsplit("/", 1)[-1]
            folder = target / row.launcher / safe_name(f"{row.item_id} {label}"[:80])
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / f"{row.id} {safe_name(name)}"
            _copy(found, file, row.sha256)
            yield Exported(row.id, name, file)
    except OSError as exc:
        text = _("{folder} cannot be written: {error}")
        raise ConfigurationError(text.format(folder=target, error=exc.strerror or type(exc).__name__)) from None


def _copy(source: Path, file: Path, sha256: str) -> None:
    if file.is_file() and digest(file) == sha256:
        return
    temporary = file.with_name(f".{file.name[:100]}.tmp")
    with step("export.copy"):
        shutil.copyfile(source, temporary)
        temporary.replace(file)
