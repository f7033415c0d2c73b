"""What a person does with single items: out of quarantine, given up, or sent again. The next run does the work."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ezcold_operators.config import credentials as connections
from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import Launcher, Route, SourceConfig
from ezcold_operators.config.scenario import Scenario
from ezcold_operators.config.settings import Settings
from ezcold_operators.errors import ConfigurationError, ItemFailed, StageUnavailable
from ezcold_operators.i18n import _
from ezcold_operators.ledger import history, indexes, people
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.ledger.people import Decision
from ezcold_operators.rooms.base import River
from ezcold_operators.rooms.dispatch import dispatch
from ezcold_operators.stage import Stage

PIECE = 1 << 20


def replay(ledger: Ledger, stage: Stage, by: Decision, item_ids: Iterable[int]) -> list[int]:
    """Take items out of quarantine; those that were there. Each is a decision of its own: one that fails stops none.

    :raises LedgerUnavailable:
    """
    done = []
    for item_id in item_ids:
        with ledger.transaction("people.replayed") as conn:
            if people.replay(ledger, conn, by, item_id, stage.has):
                done.append(item_id)
    return done


def dismiss(ledger: Ledger, by: Decision, item_ids: Iterable[int], owed: bool = False) -> list[int]:
    """Give items up, their source left as it is; those that were in quarantine (`owed`: or owed something).

    :raises ConfigurationError: no reason was given.
    """
    if not by.reason.strip():
        raise ConfigurationError(_("say why it is dismissed: --reason '...'"))
    done = []
    for item_id in item_ids:
        with ledger.transaction("people.dismissed") as conn:
            if people.dismiss(ledger, conn, by, item_id, owed):
                done.append(item_id)
    return done


def kept_bytes(stage: Stage, home: Path, row: Any) -> Path | None:
    """Where a document's bytes still are: the stage, else its launcher's backup, proved by their sha256; else None."""
    if stage.has(row.sha256):
        return stage.path(row.sha256)
    days: Path = home / "backup" / row.launcher
    for folder in sorted(days.glob(f"*/{row.item_id} *"), reverse=True) if days.is_dir() else ():
        file: Path
        for file in sorted(folder.iterdir()):
            if file.is_file() and file.stat().st_size == row.size and digest(file) == row.sha256:
                return file
    return None


def digest(file: Path) -> str:
    """The sha256 of a file."""
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def restore(stage: Stage, home: Path, row: Any) -> None:
    """Have a document's bytes in the stage, young enough not to be swept away.

    :raises ItemFailed: neither stage nor backup has them any more. :raises StageUnavailable:
    """
    found = kept_bytes(stage, home, row)
    if found is None:
        text = _("{name}: its bytes are neither in the stage nor in a backup any more: take it from its source again")
        raise ItemFailed(text.format(name=row.name or row.path))
    try:
        with stage.batch() as batch, found.open("rb") as source:
            batch.put(iter(lambda: source.read(PIECE), b""))
            batch.commit()
    except FileNotFoundError as exc:  # swept or pruned this very moment
        raise StageUnavailable(_("{name} vanished while it was read: try again").format(name=found)) from exc


def resend(
    ledger: Ledger,
    stage: Stage,
    settings: Settings,
    by: Decision,
    rows: Sequence[Any],
    scenario: Scenario,
    credentials: Callable[[str], Credentials] = connections.resolve,
) -> dict[str, Any]:
    """Owe documents to a scenario, and pay at once; what cannot be paid now stays owed.

    :param rows: of `people.documents`.
    :raises ItemFailed: the bytes of one are gone: nothing is owed then. :raises ScenarioUnavailable: it stays owed.
    """
    came = [row for row in rows if row.role != indexes.ROLE]  # of a whole item, its indexes are made anew
    for row in came:
        restore(stage, settings.home, row)
    by_launcher: dict[str, list[Any]] = {}
    for row in came or rows:
        by_launcher.setdefault(row.launcher, []).append(row)
    index = None if scenario.index == "none" else scenario.group
    sent = owed = 0
    errors: list[str] = []
    for launcher, some in by_launcher.items():
        with ledger.transaction("people.resent") as conn:
            deliveries = people.resend(ledger, conn, by, some, scenario.id, index)
        owed += len(deliveries)
        river = River(
            ledger, stage, stand_in(launcher, scenario.id), {scenario.id: scenario}, by.run_id, settings, credentials
        )
        sent += int(dispatch(river, scenario.id, only=deliveries)["sent"])
        errors += river.errors
    return {"scenario": scenario.id, "resent": owed, "sent": sent, "errors": errors}


def stand_in(launcher: str, scenario: str) -> Launcher:
    """A launcher that only pays: for one whose file is gone, or that is not affiliated to this scenario."""
    source = SourceConfig(protocol="folder", path="/nonexistent")
    return Launcher(launcher=launcher, source=source, routes=(Route(extensions=("*",), send_to=(scenario,)),))


def gone(ledger: Ledger, living: Iterable[str]) -> dict[str, Mapping[str, int]]:
    """Launchers that the ledger knows and no file defines any more, with what they leave behind (if anything)."""
    known = set(living)
    with ledger.read() as conn:
        counts = people.launchers(conn)
    return {name: count for name, count in sorted(counts.items()) if name not in known and any(count.values())}


def find(ledger: Ledger, text: str) -> list[int]:
    """Items by id, or by what `ezcold why` finds."""
    with ledger.read() as conn:
        if text.isdigit() and (found := people.existing(conn, [int(text)])):
            return found
        return history.find_items(conn, text)
