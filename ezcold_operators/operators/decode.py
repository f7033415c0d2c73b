"""Second room: staged bytes into documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import TriggerRule

from ezcold_operators.operators.runtime import RoomOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class DecodeOperator(RoomOperator):
    """Find the documents in every item staged so far, whether or not this run's fetch worked."""

    rule = TriggerRule.ALL_DONE

    def execute(self, context: Context) -> dict[str, Any]:
        """Give the summary."""
        from ezcold_operators.rooms.decode import decode

        return self.work(context, decode)
