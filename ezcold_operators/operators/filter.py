"""Third room, and the branch: documents to scenarios, then only the scenarios that owe something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BranchMixIn, TriggerRule

from ezcold_operators.operators.dispatch import DISPATCH, ColdDispatchOperator
from ezcold_operators.operators.runtime import RoomOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from ezcold_operators.rooms.base import River


class FilterBranchOperator(RoomOperator, BranchMixIn):
    """Decide where each document goes; of the tasks right below, run those that dispatch to a scenario that owes.

    A task below that is not a `ColdDispatchOperator` always runs. What is owed to a scenario that has no task here (it
    was added since the DAG was read) is dispatched at once, so that it does not wait for the next run.
    """

    inherits_from_skipmixin = True
    ui_color = "#fbf0cf"
    rule = TriggerRule.ALL_DONE

    def execute(self, context: Context) -> None:
        """Push the summary, then branch."""
        from ezcold_operators.rooms.dispatch import dispatch
        from ezcold_operators.rooms.filter import filter_documents

        below = {task.task_id: scenario_of(task) for task in self.downstream_list}

        def room(river: River) -> dict[str, Any]:
            summary = filter_documents(river)
            for scenario in sorted(set(summary["owing"]) - set(below.values())):
                summary[f"{DISPATCH}{scenario}"] = dispatch(river, scenario)
            return summary

        summary = self.work(context, room)
        context["ti"].xcom_push(key="return_value", value=summary)
        wanted = {None, *summary["owing"]}
        self.skip_all_except(context["ti"], [task_id for task_id, scenario in below.items() if scenario in wanted])


def scenario_of(task: Any) -> str | None:
    """The scenario that a task dispatches to, None for any other task."""
    return task.scenario if isinstance(task, ColdDispatchOperator) else None
