"""Settle: acknowledge at the source what has every receipt (R3), keep the backup, tell the truth about the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

from ezcold_operators.config.launcher import After
from ezcold_operators.errors import EzcoldError
from ezcold_operators.ledger import history, items, settling
from ezcold_operators.ledger.leases import Lease
from ezcold_operators.rooms import backup
from ezcold_operators.rooms.base import River
from ezcold_operators.sources.base import Listed, Session

BATCH = 1000
"""Items that are read from the ledger and named to the source in one go."""
Group = tuple[str, bool, bool]
"""What is acknowledged in one way: the place, whether something of it was wanted, whether it was dismissed."""


def settle(river: River) -> dict[str, Any]:
    """Acknowledge, and sum up the run; `errors` has one sentence for each cause.

    :raises SourceUnavailable: :raises AuthenticationFailed: the source could not be told; the ledger still knows.
    """
    trouble: EzcoldError | None = None
    with ExitStack() as stack:
        room = _Settling(river, stack)
        try:
            room.run(settling.ready, lambda row: (row.place, bool(row.wanted), False))
            room.run(settling.ready_duplicates, lambda row: (row.place, bool(row.wanted), bool(row.dismissed)))
        except EzcoldError as exc:
            trouble = exc
    backup.take_over(river)
    backup.prune(river)
    backup.sweep(river)
    if trouble is not None:
        raise trouble
    return summary(river)


def summary(river: River) -> dict[str, Any]:
    """The run in numbers, as `ezcold run --json` prints it."""
    with river.ledger.read() as conn:
        counts = history.run_counts(conn, river.id, river.run_id)
        reasons = history.quarantined_reasons(conn, river.id, river.run_id)
    # A refused delivery quarantines its item with the scenario's id before the same sentence: one cause, said once.
    errors = [*river.errors, *(reason for reason in reasons if not reason.endswith(tuple(river.errors)))]
    return {"launcher": river.id, **counts, "errors": errors}


class _Settling:
    """One run's acknowledgements: the session is opened only if the source must be touched, one lease per place."""

    def __init__(self, river: River, stack: ExitStack) -> None:
        self.river, self._stack = river, stack
        self._session: Session | None = None
        self.done = 0

    def session(self) -> Session:
        if self._session is None:
            opening = self.river.source().open(self.river.source_credentials())
            self._session = self._stack.enter_context(opening)
        return self._session

    def run(self, ready: Any, group_of: Callable[[Any], Group]) -> None:
        """Settle what `ready` lists, in batches of one place and one action."""
        last = 0
        while True:
            with self.river.ledger.read() as conn:
                rows = ready(conn, self.river.id, last, BATCH)
            if not rows:
                return
            last = rows[-1].id
            backup.keep(self.river, rows)
            groups: dict[Group, list[Any]] = {}
            for row in rows:
                groups.setdefault(group_of(row), []).append(row)
            for (place, wanted, dismissed), group in sorted(groups.items()):
                self._settle(place, group, After() if dismissed else self._after(wanted))

    def _after(self, wanted: bool) -> After:
        source = self.river.launcher.source
        return source.after if wanted else source.rejected

    def _settle(self, place: str, rows: Sequence[Any], after: After) -> None:
        if after.action == "keep":
            self._write([(row.id, "keep", "") for row in rows])
            return
        session = self.session()
        with self.river.ledger.lease(f"acknowledge {place}") as lease:
            # Another run may have settled some while we waited for the lease.
            with self.river.ledger.read() as conn:
                left = settling.still_decoded(conn, [row.id for row in rows])
            self._acknowledge(session, lease, [row for row in rows if row.id in left], after)

    def _acknowledge(self, session: Session, lease: Lease, rows: Sequence[Any], after: After) -> None:
        if not rows:
            return
        by_key = {(row.source_key, row.fingerprint): row for row in rows}
        lease.check()
        done: list[tuple[int, str, str]] = []
        failed: list[tuple[int, str]] = []
        try:
            for outcome in session.acknowledge([_listed(row) for row in rows], after):
                row = by_key[outcome.listed.key, outcome.listed.fingerprint]
                if outcome.state == "failed":
                    failed.append((row.id, outcome.detail))
                else:
                    what = after.action if outcome.state == "done" else "gone"
                    done.append((row.id, what, outcome.detail))
                lease.check()
        finally:
            self._write(done)
            if any(what == "gone" for _id, what, _detail in done):
                # Something of ours is not under its key: the place is not as its mark says, list it anew.
                with self.river.ledger.transaction("settle.unmarked") as conn:
                    items.forget_mark(conn, self.river.id, rows[0].place)
            self._write_failed(failed)

    def _write(self, done: Sequence[tuple[int, str, str]]) -> None:
        if not done:
            return
        with self.river.ledger.transaction("settle.settled") as conn:
            self.done += settling.settled(self.river.ledger, conn, self.river.run_id, self.river.id, done)
        self.river.progress("settle", self.done, None)

    def _write_failed(self, failed: Sequence[tuple[int, str]]) -> None:
        if not failed:
            return
        with self.river.ledger.transaction("settle.failed") as conn:
            for item_id, detail in failed:
                self.river.failed(detail)
                args = (self.river.ledger, conn, self.river.run_id, self.river.id, item_id, detail)
                settling.not_acknowledged(*args)


def _listed(row: Any) -> Listed:
    handle = items.handle_of(row.handle)
    size = int(handle.pop("_size", row.size))
    date = datetime.fromtimestamp(row.received_at, tz=UTC) if row.received_at is not None else None
    return Listed(row.source_key, row.fingerprint, row.place, size, row.name, date, handle)
