"""Why runs could not work: one event for each cause in a run, so that nobody need read a task's log for it.

The event is `unable:<kind>` with the error's own sentence, and belongs to no item. An item at fault is no trouble of
the run: its own events (quarantined, refused, failed) tell of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, tuple_

from ezcold_operators.errors import (
    AuthenticationFailed,
    ConfigurationError,
    EzcoldError,
    LedgerUnavailable,
    ScenarioUnavailable,
    SourceUnavailable,
    StageUnavailable,
)
from ezcold_operators.i18n import _
from ezcold_operators.ledger.events import Event, clean, record
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.ledger.tables import event

KINDS: Mapping[str, type[Exception]] = {
    "source": SourceUnavailable,
    "login": AuthenticationFailed,
    "configuration": ConfigurationError,
    "scenario": ScenarioUnavailable,
    "stage": StageUnavailable,
    "other": EzcoldError,
    "unforeseen": Exception,
}
"""By which word a cause is told; the first that fits."""
EVENTS = {f"unable:{kind}": kind for kind in KINDS}
OF_ITEMS = ("quarantined", "refused", "failed")


@dataclass(frozen=True, slots=True)
class Trouble:
    """One cause for which a run could not do all its work."""

    kind: str
    sentence: str
    at: float
    """When it was first met in that run."""


def note(ledger: Ledger, launcher: str, run_id: str, error: Exception) -> None:
    """Append the cause, once a run. Never raises: the error itself matters more, and is on its way.

    Of what is none of our errors only the class is told: its text may hold anything. That the ledger is down cannot
    be written into it.
    """
    if isinstance(error, LedgerUnavailable):
        return
    kind = next(kind for kind, one in KINDS.items() if isinstance(error, one))
    foreign = _("an unexpected error ({name}): the task's log says where").format(name=type(error).__name__)
    what, sentence = f"unable:{kind}", clean(str(error) if kind != "unforeseen" else foreign)
    known = select(event.c.id).where(
        event.c.launcher == launcher, event.c.run_id == run_id, event.c.what == what, event.c.detail == sentence
    )
    with suppress(LedgerUnavailable), ledger.transaction("troubles.noted") as conn:
        if conn.execute(known.limit(1)).first() is None:
            record(conn, ledger.now(conn), run_id, launcher, [Event(what, detail=sentence)])


def of_runs(conn: Connection, runs: Collection[tuple[str, str]]) -> dict[str, list[Trouble]]:
    """What kept these runs, (launcher, run id) each, from their work: by launcher, in the order in which it was met."""
    found: dict[str, list[Trouble]] = {}
    query = select(event.c.launcher, event.c.what, event.c.detail, event.c.at).where(
        tuple_(event.c.launcher, event.c.run_id).in_(list(runs)), event.c.what.in_(list(EVENTS))
    )
    for row in conn.execute(query.order_by(event.c.id)):
        found.setdefault(row.launcher, []).append(Trouble(EVENTS[row.what], row.detail, row.at))
    return found


def first_met(conn: Connection, launchers: Collection[str], since: float) -> dict[tuple[str, str], float]:
    """(launcher, kind) -> when such a trouble was first met, from `since` (seconds since the epoch) on."""
    query = select(event.c.launcher, event.c.what, func.min(event.c.at)).where(
        event.c.what.in_(list(EVENTS)), event.c.at >= since, event.c.launcher.in_(list(launchers))
    )
    rows = conn.execute(query.group_by(event.c.launcher, event.c.what))
    return {(launcher, EVENTS[what]): float(at) for launcher, what, at in rows}


def of_items(conn: Connection, launcher: str, run_id: str, limit: int = 10) -> Sequence[str]:
    """What was said of items at fault in a run, each sentence once."""
    query = select(event.c.detail).where(
        event.c.launcher == launcher, event.c.run_id == run_id, event.c.what.in_(OF_ITEMS), event.c.detail != ""
    )
    return list(conn.execute(query.distinct().order_by(event.c.detail).limit(limit)).scalars())
