"""The local backup that a person can browse: <home>/backup/<launcher>/<day taken>/<item> <label>/. And the sweep.

Files are hard links into the stage where possible: no second copy of the bytes, and they outlive the blob.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pathvalidate import sanitize_filename

from ezcold_operators.durable import fsync, fsync_all
from ezcold_operators.filtering import Candidate, effective_name
from ezcold_operators.ledger import settling
from ezcold_operators.rooms.base import River
from ezcold_operators.stage import mapped
from ezcold_operators.steps import step

SWEEP_EVERY = timedelta(hours=6)


def keep(river: River, rows: Sequence[Any]) -> None:
    """Lay a backup of items that are about to be acknowledged, if the launcher wants one."""
    if not river.launcher.backup:
        return
    by_item: dict[int, list[Any]] = {}
    with river.ledger.read() as conn:
        documents = settling.documents_of(conn, [row.id for row in rows])
    for document in documents:
        by_item.setdefault(document.item_id, []).append(document)
    with mapped(river.backups()):
        folders: set[Path] = set()
        for row in rows:
            folder = _keep_one(river, row, by_item.get(row.id, []))
            if folder is not None:
                folders.update((folder, folder.parent, river.backups(), river.backups().parent))
        # The source is about to let go of them: the names must be as durable as the bytes already are.
        with step("backup.sync"):
            fsync_all(folders)


def _keep_one(river: River, row: Any, documents: Sequence[Any]) -> Path | None:
    if row.sha256 is None or row.duplicate_of is not None or not river.stage.has(row.sha256):
        return None
    # The day it was taken: an old archive dated by its own files would be past its keep_days at once.
    day = datetime.fromtimestamp(row.staged_at, tz=ZoneInfo(river.launcher.timezone)).date().isoformat()
    label = row.subject or row.name.rsplit("/", 1)[-1]
    folder = river.backups() / day / safe_name(f"{row.id} {label}"[:80])
    folder.mkdir(parents=True, exist_ok=True)
    raw = "mail.eml" if river.launcher.is_mail else safe_name(row.name.rsplit("/", 1)[-1])
    _link(river.stage.path(row.sha256), folder / raw)
    for document in documents:
        if document.sha256 != row.sha256 and river.stage.has(document.sha256):
            named = Candidate(document.name, document.media_type, document.sniffed, document.role, False, 0)
            name = f"{document.id} {safe_name(effective_name(named))}"
            _link(river.stage.path(document.sha256), folder / name)
    return folder


def safe_name(text: str) -> str:
    """A name that a person can read and every disk takes; never empty; not unique by itself."""
    flat = text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")
    cut = flat.encode("utf-8")[:200].decode("utf-8", "ignore").strip(" .")
    return str(sanitize_filename(cut, replacement_text="_", platform="universal")).strip(" .") or "document"


def _link(blob: Path, target: Path) -> None:
    with step("backup.link"):
        try:
            os.link(blob, target)
        except FileExistsError:
            return  # an earlier run was here
        except OSError:  # another file system, or one without links
            temporary = target.with_name(f".{target.name[:100]}.tmp")
            shutil.copyfile(blob, temporary)
            fsync(temporary)
            temporary.replace(target)


def take_over(river: River) -> None:
    """What a renamed launcher laid down stands under its new name, where people look for it and where it grows old."""
    for old in river.launcher.formerly:
        former = river.backups().with_name(old)
        with mapped(former):
            for day in former.iterdir() if former.is_dir() else ():
                _move_day(day, river.backups() / day.name)
            with suppress(OSError):  # not ours alone, or not there
                former.rmdir()


def _move_day(day: Path, target: Path) -> None:
    if not day.is_dir():
        return
    target.mkdir(parents=True, exist_ok=True)
    for folder in day.iterdir():
        with step("backup.take_over"), suppress(FileNotFoundError):  # another run moves, too
            try:
                folder.rename(target / folder.name)
            except OSError as exc:
                if exc.errno not in {errno.ENOTEMPTY, errno.EEXIST}:  # cannot be: an item's number is in the name
                    raise
    with suppress(OSError):
        day.rmdir()


def prune(river: River, now: datetime | None = None) -> None:
    """Remove backup days older than `keep_days`."""
    backup = river.launcher.backup
    if not backup or not river.backups().is_dir():
        return
    oldest = ((now or datetime.now(tz=UTC)).date() - timedelta(days=backup.keep_days)).isoformat()
    for day in river.backups().iterdir():
        if len(day.name) == 10 and day.name < oldest and day.is_dir():
            with step("backup.prune"):
                shutil.rmtree(day, ignore_errors=True)


def sweep(river: River) -> int:
    """Now and then, remove what the stage holds and no row needs; the number of blobs removed."""
    stamp = river.stage.root / "swept"
    now = datetime.now(tz=UTC).timestamp()
    try:
        if now - stamp.stat().st_mtime < SWEEP_EVERY.total_seconds():
            return 0
    except FileNotFoundError:
        pass
    with mapped(river.stage.root):
        stamp.touch()

    def needed(path: Path, sha256: str) -> bool:
        # Asked again inside the deleting transaction: nobody can begin to need it between the question and the deed.
        with river.ledger.transaction("stage.swept") as conn:
            river.ledger.serialise(conn, f"blob {sha256}")
            try:
                young = now - path.stat().st_mtime < 24 * 3600
            except FileNotFoundError:  # another run sweeps too
                return True
            if young or settling.blob_needed(conn, sha256):
                return True
            with step("stage.sweep_blob"):
                path.unlink(missing_ok=True)
            return False

    with mapped(river.stage.root):
        return river.stage.sweep(needed)
