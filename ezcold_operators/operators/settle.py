"""Fifth room, and the run's colour: acknowledge what is delivered, then tell the truth about the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import TriggerRule
from airflow.sdk.exceptions import AirflowFailException

from ezcold_operators.i18n import _
from ezcold_operators.operators.runtime import RoomOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

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
        from ezcold_operators.rooms.settle import settle

        summary = self.work(context, settle)
        ti: Any = context["ti"]
        summary["errors"] = reasons = list(dict.fromkeys([*self._told_above(ti), *summary["errors"]]))
        failed = failed_tasks(ti, context["run_id"], self.task_id)
        if failed:
            reasons = [*reasons, _("failed in this run: {tasks}").format(tasks=", ".join(failed))]
        if reasons:
            ti.xcom_push(key="return_value", value=summary)
            raise AirflowFailException("; ".join(reasons))
        return summary

    def _told_above(self, ti: Any) -> list[str]:
        """What the rooms of this run met and worked around: a refused file leaves its task green, not the run."""
        rooms = sorted(self.get_flat_relative_ids(upstream=True))
        summaries = ti.xcom_pull(task_ids=rooms) if rooms else []
        return [error for summary in summaries if isinstance(summary, dict) for error in summary.get("errors", ())]


def failed_tasks(ti: Any, run_id: str, own: str) -> list[str]:
    """The other tasks of this run that failed, by name."""
    states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[run_id]).get(run_id, {})
    return sorted(task for task, state in states.items() if state in BAD and task != own)
