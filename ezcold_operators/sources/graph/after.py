"""Acknowledging: mark, move, delete by $batch; a lost answer is settled by looking at the mail again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ezcold_operators.i18n import _
from ezcold_operators.sources.base import Listed, Outcome
from ezcold_operators.sources.graph.answers import Lost
from ezcold_operators.sources.graph.client import BATCH_LIMIT, Answer, GraphClient, Part
from ezcold_operators.sources.graph.gate import backoff
from ezcold_operators.sources.graph.messages import Message, address, fetch, message
from ezcold_operators.steps import step

STRIKES = 6
"""Rounds that brought nothing before the rest of a group is given up for this run."""
ROUNDS = 100


class Acknowledger:
    """One `after` applied to mails of one mailbox.

    :param target: id of the folder to move to; '' to mark as read.
    :param watched: ids of the folders that the launcher watches, asked for only when a mail is not where it was.
    """

    def __init__(self, client: GraphClient, target: str, watched: Callable[[], frozenset[str]]) -> None:
        self._client, self._target, self._watched = client, target, watched

    def apply(self, batch: Sequence[Listed]) -> Iterator[Outcome]:
        """One outcome for each, in no order."""
        for start in range(0, len(batch), BATCH_LIMIT):
            yield from self._group(batch[start : start + BATCH_LIMIT])

    def _group(self, group: Sequence[Listed]) -> Iterator[Outcome]:
        pending, why = list(group), ""
        strikes = 0
        for _round in range(ROUNDS):
            todo: list[Listed] = []
            for listed, outcome in self._look(pending):
                if outcome is None:
                    todo.append(listed)
                else:
                    yield outcome
            if strikes and todo:
                self._client.pause(backoff(strikes))
            done, pending, why = self._act(todo)
            yield from done
            strikes = 0 if done else strikes + 1
            if not pending or strikes >= STRIKES:
                break
        for listed, outcome in self._look(pending) if pending else ():
            yield outcome or Outcome(listed, "failed", why)

    def _act(self, todo: list[Listed]) -> tuple[list[Outcome], list[Listed], str]:
        """Outcomes, and what must be looked at again and why."""
        if not todo:
            return [], [], ""
        try:
            answers = self._send([self._part(listed) for listed in todo])
        except Lost as lost:
            return [], todo, str(lost)
        both = list(zip(todo, answers, strict=True))
        failed = [answer.status for _listed, answer in both if not answer.ok]
        why = _("Microsoft Graph answered {status}").format(status=failed[0]) if failed else ""
        done = [Outcome(listed, "done") for listed, answer in both if answer.ok]
        return done, [listed for listed, answer in both if not answer.ok], why

    def _look(self, pending: Sequence[Listed]) -> Iterator[tuple[Listed, Outcome | None]]:
        """What is already settled; None where the action is still due. The identity is compared here, each time."""
        seen = fetch(self._client, self._client.settings.owner, [str(one.handle["id"]) for one in pending])
        for listed in pending:
            raw = seen[str(listed.handle["id"])]
            yield listed, self._settled(listed, None if raw is None else message(raw))

    def _settled(self, listed: Listed, now: Message | None) -> Outcome | None:
        if now is None:
            return Outcome(listed, "gone")
        if now.fingerprint != listed.fingerprint:
            return Outcome(listed, "gone", _("another mail stands under its id"))
        if self._target and now.folder == self._target:
            return Outcome(listed, "done")
        if now.folder != listed.handle.get("folder") and now.folder not in self._watched():
            return Outcome(listed, "gone", _("somebody moved it to another folder"))
        if not self._target and now.read:
            return Outcome(listed, "done")
        return None

    def _part(self, listed: Listed) -> Part:
        url = "/" + address(self._client.settings.owner, str(listed.handle["id"]))
        if self._target:
            return Part("POST", f"{url}/move", {"destinationId": self._target})
        return Part("PATCH", url, {"isRead": True})

    def _send(self, parts: Sequence[Part]) -> list[Answer]:
        if self._target:
            with step("o365.move"):
                return self._client.batch(parts)
        with step("o365.patch"):
            return self._client.batch(parts)
