"""What is owed to a scenario that the launcher is no longer affiliated to, or that is no longer defined."""

from __future__ import annotations

from typing import Any

from ezcold_operators import cold
from ezcold_operators.cold.base import Delivered
from ezcold_operators.config.scenario import Scenario
from ezcold_operators.errors import Ambiguous, EzcoldError, InDoubt
from ezcold_operators.i18n import _
from ezcold_operators.ledger import deliveries
from ezcold_operators.rooms.base import River
from ezcold_operators.rooms.outgoing import outgoing, prepared


def resolve(river: River) -> None:
    """Finish what was begun (recovery goes by the row), and quarantine the rest with that reason."""
    affiliated = [s for s in river.launcher.scenarios if s in river.scenarios]
    with river.ledger.read() as conn:
        ids = deliveries.orphans(conn, river.id, affiliated)
        rows = deliveries.rows(conn, ids) if ids else []
    for row in rows:
        if row.state == "sending" and _finished(river, row):
            continue
        reason = _("the launcher no longer sends to the scenario {scenario}: affiliate it again, or dismiss this")
        with river.ledger.transaction("filter.orphaned") as conn:
            args = (river.ledger, conn, river.run_id, river.id, row, reason.format(scenario=row.scenario))
            deliveries.refused(*args, last=True, token=row.token)


def _finished(river: River, row: Any) -> bool:
    scenario = river.scenarios.get(row.scenario) or _from_row(row)
    if scenario is None:
        return False
    try:
        credentials = river.credentials(scenario.connection) if scenario.connection else None
        with cold.create(scenario).open(credentials) as entrance:
            answer = entrance.recover(prepared(row), outgoing(river, row))
    except EzcoldError as exc:
        river.failed(exc)
        return False
    if answer.error is not None:
        return False
    with river.ledger.transaction("filter.recovered") as conn:
        receipts = [(row, answer.receipt, row.final)]
        deliveries.sent(river.ledger, conn, river.run_id, river.id, receipts)
    return True


def by_row(river: River, row: Any) -> Delivered:
    """Finish what was begun by another driver than its scenario has now, by what its row remembers."""
    scenario = _from_row(row)
    if scenario is None:
        text = _("{final} was perhaps sent by the driver {driver}, which {scenario} no longer has: look for it there, "
                 "then dismiss it here if it is there, or replay it if it is not")  # fmt: skip
        error = Ambiguous(text.format(final=row.final, driver=row.driver, scenario=row.scenario))
        return Delivered(prepared(row), error=error)
    try:
        with cold.create(scenario).open(None) as entrance:
            answer = entrance.recover(prepared(row), outgoing(river, row))
    except EzcoldError as exc:
        answer = Delivered(prepared(row), error=exc)
    # Its old entrance says nothing of the new one, which others wait for.
    return answer if answer.error is None else Delivered(prepared(row), error=InDoubt(str(answer.error)))


def _from_row(row: Any) -> Scenario | None:
    """A scenario that is gone from scenarios.yaml, as far as its row remembers it."""
    if row.driver != "folder" or not row.part:
        return None
    # Cut as text: a path may be a URL, whose two slashes a path library would make one.
    waiting, parts = (path.rpartition("/")[0] or "/" for path in (row.final, row.part))
    return Scenario(id=row.scenario, driver="folder", path=waiting, parts=parts)
