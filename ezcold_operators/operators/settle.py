"""Fifth room, and the run's colour: acknowledge what is delivered, then tell the truth about the run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow.sdk import TriggerRule
from airflow.sdk.exceptions import AirflowFailException

from ezcold_operators.i18n import _
from ezcold_operators.operators.runtime import RoomOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from ezcold_operators.rooms.base import River

BAD = frozenset({"failed", "upstream_failed"})


class SettleOperator(RoomOperator):
    """Acknowledge at the source what has every receipt; then fail if an item or another task of the run failed.

    It is the run's only leaf and runs whatever happened, so the run is as red or green as it is: a leaf that
    succeeded would paint a failed run green.
    """

    ui_color = "#e4dbf0"
    rule = TriggerRule.ALL_DONE

    def execute(self, context: Context) -> dict[str, Any]:
        """Give the summary; it is pushed even when the run is then said to have failed."""
        from ezcold_operators.operators import metrics
        from ezcold_operators.rooms import watch
        from ezcold_operators.rooms.settle import settle

        def room(river: River) -> dict[str, Any]:
            summary = settle(river)
            metrics.gauge(watch.debts(river.ledger, river.id, time.time()))
            return summary

        summary = self.work(context, room)
        ti: Any = context["ti"]
        above = self._above(ti)
        metrics.count(summary["launcher"], {**summary, "refused": sum(one.get("refused", 0) for one in above)})
        told_above = [error for one in above for error in one.get("errors", ())]
        summary["errors"] = reasons = list(dict.fromkeys([*told_above, *summary["errors"]]))
        failed = failed_tasks(ti, context["run_id"], self.task_id)
        if failed:
            reasons = [*reasons, _("failed in this run: {tasks}").format(tasks=", ".join(failed))]
        if reasons:
            ti.xcom_push(key="return_value", value=summary)
            raise AirflowFailException("; ".join(reasons))
        return summary

    def _above(self, ti: Any) -> list[dict[str, Any]]:
        """The summaries of this run's rooms; their errors: a refused file leaves its task green, not the run."""
        rooms = sorted(self.get_flat_relative_ids(upstream=True))
        summaries = ti.xcom_pull(task_ids=rooms) if rooms else []
        return [summary for summary in summaries if isinstance(summary, dict)]


def failed_tasks(ti: Any, run_id: str, own: str) -> list[str]:
    """The other tasks of this run that failed, by name."""
    states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[run_id]).get(run_id, {})
    return sorted(task for task, state in states.items() if state in BAD and task != own)
