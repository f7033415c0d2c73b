"""Fourth room: what is owed to one scenario into its waiting directory, or its upload."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import TriggerRule

from ezcold_operators.operators.runtime import RoomOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

DISPATCH = "dispatch__"


class ColdDispatchOperator(RoomOperator):
    """Send every document owed to one COLD scenario, of this run and of earlier ones.

    :param scenario: id of the scenario.
    """

    template_fields: Sequence[str] = ("launcher", "scenario", "configuration")
    ui_color = "#f6dcd2"
    rule = TriggerRule.ALL_DONE

    def __init__(self, *, scenario: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scenario = scenario

    def execute(self, context: Context) -> dict[str, Any]:
        """Give the summary."""
        from ezcold_operators.rooms.dispatch import dispatch

        return self.work(context, lambda river: dispatch(river, self.scenario))
