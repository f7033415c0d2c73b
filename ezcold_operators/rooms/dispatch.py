"""Dispatch: what one scenario is owed goes in, each document once, with a receipt (architecture: exactly once)."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement

from ezcold_operators import cold
from ezcold_operators.batches import batches
from ezcold_operators.cold.base import Delivered, Entrance, Outgoing, Prepared
from ezcold_operators.config.scenario import Scenario
from ezcold_operators.errors import Ambiguous, ConfigurationError, EzcoldError, InDoubt, ItemFailed
from ezcold_operators.i18n import _
from ezcold_operators.ledger import claims, deliveries, indexes, items
from ezcold_operators.ledger.tables import delivery
from ezcold_operators.rooms import groups, orphans
from ezcold_operators.rooms.base import River
from ezcold_operators.rooms.outgoing import columns, outgoing, prepared

BATCH = 400
BATCH_BYTES = 64_000_000


def dispatch(river: River, scenario_id: str, only: Sequence[int] | None = None) -> dict[str, Any]:
    """Pay what the launcher owes to one scenario.

    :param only: ids of the deliveries to pay; default all.
    :raises ConfigurationError: the scenario is unknown or its entrance is set up wrong.
    :raises ScenarioUnavailable: :raises AuthenticationFailed: after what could be sent was sent.
    """
    scenario = river.scenarios.get(scenario_id)
    if scenario is None:
        raise ConfigurationError(_("there is no scenario {id} in scenarios.yaml").format(id=scenario_id))
    credentials = river.credentials(scenario.connection) if scenario.connection else None
    room = _Dispatch(river, scenario, only)
    if only is None and not groups.work_to_do(river, scenario):
        return {"scenario": scenario_id, "sent": 0, "refused": 0}
    with claims.renewed(river.ledger, delivery):
        with cold.create(scenario).open(credentials) as entrance:
            room.recover(entrance)
            room.pay(entrance)
            room.sweep(entrance)
    if room.trouble is not None:
        raise room.trouble
    return {"scenario": scenario_id, "sent": room.sent, "refused": room.refused}


class _Dispatch:
    """One scenario's dispatch in one run: its counts, and the trouble that it met."""

    def __init__(self, river: River, scenario: Scenario, only: Sequence[int] | None = None) -> None:
        self.river, self.scenario, self.only = river, scenario, only
        self.sent = self.refused = 0
        self.trouble: EzcoldError | None = None

    def _claimed(self, state: str, more: ColumnElement[bool] | None = None) -> Iterator[list[Any]]:
        """Rows in this state, claimed batch by batch, each row once."""
        last = 0
        while self.trouble is None:
            with self.river.ledger.transaction("dispatch.claim") as conn:
                where = deliveries.open_claimable(self.river.id, self.scenario.id, state)
                if self.only is not None:
                    where &= delivery.c.id.in_(self.only)
                if more is not None:
                    where &= more
                ids = claims.claim(self.river.ledger, conn, delivery, where, BATCH, last)
                rows = deliveries.rows(conn, ids) if ids else []
            if not rows:
                return
            last = rows[-1].id
            yield rows

    def recover(self, entrance: Entrance) -> None:
        """Deliveries that a run left in `sending`: their effect may have happened."""
        for rows in self._claimed("sending"):
            for some in _batches(self._recoverable(rows), entrance):
                answers = [(row, self._recovered(entrance, row)) for row in some]
                self._write(entrance, answers, began_earlier=True)
                if self.trouble is not None:
                    return

    def _recoverable(self, rows: Sequence[Any]) -> list[Any]:
        """All but those that are sent again, whose bytes are gone: they come back from their source first."""
        again = self.scenario.driver == "ezged" and self.scenario.on_ambiguous == "retry"
        return self._with_bytes(rows) if again else list(rows)

    def _recovered(self, entrance: Entrance, row: Any) -> Delivered:
        if row.driver != self.scenario.driver:  # which the scenario had when this was begun
            return orphans.by_row(self.river, row)
        try:
            return entrance.recover(prepared(row), outgoing(self.river, row))
        except EzcoldError as exc:
            return Delivered(prepared(row), error=exc)

    def pay(self, entrance: Entrance) -> None:
        """Deliveries that are owed: documents first, then the indexes that tell of them."""
        may_go = groups.may_go(self.scenario) if self.only is None else indexes.not_an_index()
        for rows in self._claimed("owed", may_go):
            self._pay(entrance, self._with_bytes(rows))
        if self.trouble is not None:
            return
        ready = groups.ready(self.river, self.scenario) if self.only is None else list(self.only)
        for start in range(0, len(ready), BATCH):
            is_index = delivery.c.id.in_(ready[start : start + BATCH]) & ~indexes.not_an_index()
            for rows in self._claimed("owed", is_index):
                self._pay(entrance, self._written(rows))

    def _pay(self, entrance: Entrance, rows: Sequence[Any]) -> None:
        for batch in _batches(rows, entrance):
            self._pay_batch(entrance, batch)
            if self.trouble is not None:
                return
            self.river.progress(f"dispatch {self.scenario.id}", self.sent, None)

    def _written(self, rows: Sequence[Any]) -> list[Any]:
        """Indexes with their bytes; none if they cannot be made."""
        try:
            return groups.write(self.river, self.scenario, rows)
        except EzcoldError as exc:
            self._give_up([row.id for row in rows], exc)
            return []

    def sweep(self, entrance: Entrance) -> None:
        """Parts that a crash left before the ledger knew of them."""
        sweep = getattr(entrance, "sweep", None)
        if sweep is None or self.trouble is not None:
            return

        def owed(part: str) -> bool:
            with self.river.ledger.read() as conn:
                return deliveries.names_part(conn, part)

        sweep(owed)

    def _with_bytes(self, rows: Sequence[Any]) -> list[Any]:
        """Rows whose bytes are in the stage; for the others their item is decoded, or fetched, again."""
        here: list[Any] = []
        lost: list[Any] = []
        for row in rows:
            (here if self.river.stage.has(row.sha256) else lost).append(row)
        here += self._written([row for row in lost if row.role == indexes.ROLE])
        lost = [row for row in lost if row.role != indexes.ROLE]
        if lost:
            with self.river.ledger.transaction("dispatch.lost") as conn:
                items.lost(conn, {row.item_id for row in lost}, self.river.stage.has)
                claims.release(conn, delivery, [row.id for row in lost])
            self.river.failed(_("documents vanished from the stage: they are taken from the source again"))
        return here

    def _pay_batch(self, entrance: Entrance, rows: Sequence[Any]) -> None:
        by_id = {row.id: row for row in rows}
        out = {row.id: outgoing(self.river, row) for row in rows}
        ready: list[Prepared] = []
        faults: list[tuple[Any, EzcoldError]] = []
        try:
            for answer in entrance.prepare(list(out.values())):
                if isinstance(answer, Prepared):
                    ready.append(answer)
                else:
                    faults.append((by_id[answer[0].delivery_id], answer[1]))
        except EzcoldError as exc:
            for one in ready:
                entrance.discard(one)
            if len(rows) > 1 and _no_room(exc):  # there may be room for fewer
                middle = len(rows) // 2
                self._pay_batch(entrance, rows[:middle])
                if self.trouble is None:
                    self._pay_batch(entrance, rows[middle:])
                return
            self._give_up([row.id for row in rows], exc)
            return
        with self.river.ledger.transaction("dispatch.sending") as conn:
            args = (self.river.ledger, conn, self.river.run_id, self.river.id, self.scenario.driver)
            won = deliveries.sending(*args, [columns(one) for one in ready])
        for one in ready:
            if one.delivery_id not in won:
                entrance.discard(one)
        self._deliver(entrance, [(one, out[one.delivery_id]) for one in ready if one.delivery_id in won], by_id)
        self._write_faults(faults)

    def _deliver(self, entrance: Entrance, batch: list[tuple[Prepared, Outgoing]], by_id: dict[int, Any]) -> None:
        answers: list[tuple[Any, Delivered]] = []
        try:
            for answer in entrance.deliver(batch):
                answers.append((by_id[answer.prepared.delivery_id], answer))
        except EzcoldError as exc:  # the rest stays `sending`, and is recovered
            self.trouble = exc
        self._write(entrance, answers)

    def _write(
        self, entrance: Entrance, answers: Sequence[tuple[Any, Delivered]], *, began_earlier: bool = False
    ) -> None:
        good = [(row, a.receipt, a.prepared.final) for row, a in answers if a.error is None]
        if good:
            with self.river.ledger.transaction("dispatch.sent") as conn:
                deliveries.sent(self.river.ledger, conn, self.river.run_id, self.river.id, good)
            self.sent += len(good)
        for row, answer in answers:
            if answer.error is not None:
                self._trouble_with(entrance, row, answer, began_earlier)

    def _trouble_with(self, entrance: Entrance, row: Any, answer: Delivered, began_earlier: bool) -> None:
        error = answer.error
        if isinstance(error, Ambiguous):
            if self.scenario.on_ambiguous == "hold" or (began_earlier and row.driver != self.scenario.driver):
                self._refuse(row, error, last=True, token=answer.prepared.token)
            else:
                self.river.failed(error)  # stays `sending` under its token: sent again, with the same name
        elif isinstance(error, InDoubt):  # stays `sending` until its folder is back or a person decides
            self.river.failed(error)
        elif isinstance(error, ItemFailed):
            # What went out once perhaps must not go out again under another name.
            last = began_earlier and not answer.prepared.part
            self._refuse(row, error, last=last, token=answer.prepared.token)
            entrance.discard(answer.prepared)  # last: of a row in `sending`, a part that is gone was renamed
        else:
            assert error is not None
            if not answer.prepared.part and not began_earlier:  # no part lies ready, and nothing ever went out
                with self.river.ledger.transaction("dispatch.unsent") as conn:
                    deliveries.back_to_owed(conn, [row.id], str(error), answer.prepared.token)
            self.trouble = error

    def _write_faults(self, faults: Sequence[tuple[Any, EzcoldError]]) -> None:
        for row, error in faults:
            if isinstance(error, ItemFailed):
                self._refuse(row, error, last=False)
            else:
                self._give_up([row.id], error)

    def _refuse(self, row: Any, error: EzcoldError, *, last: bool, token: str = "") -> None:
        self.refused += 1
        self.river.failed(error)
        with self.river.ledger.transaction("dispatch.refused") as conn:
            args = (self.river.ledger, conn, self.river.run_id, self.river.id, row, str(error))
            deliveries.refused(*args, last=last, token=token)

    def _give_up(self, ids: Sequence[int], error: EzcoldError) -> None:
        self.trouble = error
        with self.river.ledger.transaction("dispatch.unsent") as conn:
            deliveries.back_to_owed(conn, ids, str(error))


def _no_room(exc: EzcoldError) -> bool:
    cause = exc.__cause__
    return isinstance(cause, OSError) and cause.errno in {errno.ENOSPC, errno.EDQUOT}


def _batches(rows: Iterable[Any], entrance: Entrance) -> Iterator[list[Any]]:
    """As many as may be in `sending` together: an entrance that cannot look back wants few in doubt."""
    return batches(rows, int(getattr(entrance, "at_once", BATCH)), BATCH_BYTES, lambda row: row.size)
