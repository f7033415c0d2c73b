"""Third room, and the branch: documents to scenarios, then only the scenarios that owe something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BranchMixIn, TriggerRule

from ezcold_operators.operators.dispatch import DISPATCH, ColdDispatchOperator
from ezcold_operators.operators.runtime import RoomOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class FilterBranchOperator(RoomOperator, BranchMixIn):
    """Decide where each document goes; of the tasks right below, run those that dispatch to a scenario that owes.

    A task below that is not a `ColdDispatchOperator` always runs. What is owed to a scenario that has no task in this
    DAG (it is no longer affiliated) is settled here, so that it does not stay owed for ever.
    """

    inherits_from_skipmixin = True
    ui_color = "#fbf0cf"

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("trigger_rule", TriggerRule.ALL_DONE)
        super().__init__(**kwargs)

    def execute(self, context: Context) -> None:
        """Push the summary, then branch."""
        from ezcold_operators.rooms.dispatch import dispatch
        from ezcold_operators.rooms.filter import filter_documents

        with self.river(context) as river:
            summary: dict[str, Any] = filter_documents(river)
            owing = set(summary.get("owing", ()))
            served = {scenario_of(task): task.task_id for task in self.downstream_list}
            for scenario in sorted(owing - served.keys()):
                summary[f"{DISPATCH}{scenario}"] = dispatch(river, scenario)
        self.tell(summary)
        context["ti"].xcom_push(key="return_value", value=summary)
        self.skip_all_except(
            context["ti"], [task_id for scenario, task_id in served.items() if scenario is None or scenario in owing]
        )


def scenario_of(task: Any) -> str | None:
    """The scenario that a task dispatches to, None for any other task."""
    return task.scenario if isinstance(task, ColdDispatchOperator) else None
