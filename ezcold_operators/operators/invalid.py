"""The only task of a launcher whose file is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

if TYPE_CHECKING:
    from airflow.sdk import Context


class InvalidLauncherOperator(BaseOperator):
    """Fail with what is wrong in the file.

    :param text: one line a problem, each with `file:line`.
    """

    template_fields: Sequence[str] = ("text",)
    ui_color = "#f2b8b5"

    def __init__(self, *, text: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.text = text

    def render_template_fields(self, context: Context, jinja_env: Any = None) -> None:
        """Nothing: the text quotes a stranger's file, and braces in it are not ours to evaluate."""

    def execute(self, context: Context) -> None:
        """:raises AirflowFailException: always"""
        raise AirflowFailException(self.text)
