"""Fifth room, and the run's colour: acknowledge what is delivered, then tell the truth about the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import TriggerRule
from airflow.sdk.exceptions import AirflowFailException

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

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("trigger_rule", TriggerRule.ALL_DONE)
        super().__init__(**kwargs)

    def execute(self, context: Context) -> dict[str, Any]:
        """Give the summary; it is pushed even when the run is then said to have failed."""
        from ezcold_operators.rooms.settle import settle

        with self.river(context) as river:
            summary: dict[str, Any] = settle(river)
        self.tell(summary)
        reasons = [*summary.get("errors", ()), *self._failed_tasks(context)]
        if reasons:
            context["ti"].xcom_push(key="return_value", value=summary)
            raise AirflowFailException("; ".join(map(str, reasons)))
        return summary

    def _failed_tasks(self, context: Context) -> list[str]:
        run_id = context["run_id"]
        ti: Any = context["ti"]
        states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[run_id]).get(run_id, {})
        failed = sorted(task for task, state in states.items() if state in BAD and task != self.task_id)
        return [f"failed in this run: {', '.join(failed)}"] if failed else []
