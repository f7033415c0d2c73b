"""First room: bytes from the source into the stage. One operator a protocol, alike but for the protocol they accept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.bases.skipmixin import SkipMixin

from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _
from ezcold_operators.operators.runtime import RoomOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from ezcold_operators.config.launcher import Launcher
    from ezcold_operators.rooms.base import River
    from ezcold_operators.sources.base import Window


class FetchOperator(RoomOperator, SkipMixin):
    """Take what is new at the source; with nothing new and nothing owed, skip the rest of the run.

    A launcher with `reprise` fetches in backfill runs only, and only what lies in the run's data interval.
    """

    protocol: ClassVar[str] = ""
    ui_color = "#d7ecd9"

    def execute(self, context: Context) -> dict[str, Any] | None:
        """Give the summary; it is pushed before the skip, which Airflow carries out as an exception."""
        from ezcold_operators.rooms.fetch import fetch

        def room(river: River) -> dict[str, Any]:
            self._check(river.launcher)
            return fetch(river, *what_to_fetch(river.launcher, context))

        summary = self.work(context, room)
        if summary.get("idle"):
            context["ti"].xcom_push(key="return_value", value=summary)
            self.log.info("nothing new and nothing owed: the rest of this run is skipped")
            self.skip(context["ti"], self.get_flat_relatives(upstream=False))
        return summary

    def _check(self, launcher: Launcher) -> None:
        if self.protocol and launcher.source.protocol != self.protocol:
            raise ConfigurationError(
                _("{operator} takes launchers of protocol {protocol}; {id} says {other}").format(
                    operator=type(self).__name__,
                    protocol=self.protocol,
                    id=launcher.launcher,
                    other=launcher.source.protocol,
                )
            )


class ImapFetchOperator(FetchOperator):
    """Fetch mails by IMAP."""

    protocol = "imap"


class O365FetchOperator(FetchOperator):
    """Fetch mails of Microsoft 365 by Graph."""

    protocol = "o365"


class PopFetchOperator(FetchOperator):
    """Fetch mails by POP3."""

    protocol = "pop"


class FolderFetchOperator(FetchOperator):
    """Fetch files of a folder."""

    protocol = "folder"


class AdullactFetchOperator(FetchOperator):
    """Fetch envelopes of the Adullact platform."""

    protocol = "adullact"


FETCH: dict[str, type[FetchOperator]] = {
    operator.protocol: operator
    for operator in (ImapFetchOperator, O365FetchOperator, PopFetchOperator, FolderFetchOperator, AdullactFetchOperator)
}


def what_to_fetch(launcher: Launcher, context: Context) -> tuple[Window | None, bool]:
    """(window, only debts) of this run: without `reprise` everything, whenever the run is."""
    if launcher.reprise is None:
        return None, False
    if context["dag_run"].run_type != "backfill":
        return None, True
    start, end = context["data_interval_start"], context["data_interval_end"]
    if start is None or end is None:
        raise ConfigurationError(_("this backfill run has no data interval: create it with `ezcold reprise`"))
    from ezcold_operators.sources.base import Window

    return Window(start, end), False
