"""A mail as Graph describes it, without its content: identity, date, folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from ezcold_operators.i18n import _
from ezcold_operators.sources.graph.answers import Lost
from ezcold_operators.sources.graph.client import BATCH_LIMIT, GraphClient, Part

SELECT = "id,internetMessageId,receivedDateTime,parentFolderId,isRead,hasAttachments"


@dataclass(frozen=True, slots=True)
class Message:
    """`fingerprint` stands still when the mail is read or moved; its MIME, which Exchange rebuilds, does not."""

    id: str
    fingerprint: str
    date: datetime
    folder: str
    read: bool
    attachments: bool


def address(owner: str, message_id: str, tail: str = "") -> str:
    """The relative address of a mail."""
    return f"{owner}/messages/{quote(message_id, safe='')}{tail}"


def complete(raw: Mapping[str, Any]) -> bool:
    """An entry of a delta may carry only what changed."""
    return "internetMessageId" in raw and bool(raw.get("receivedDateTime"))


def message(raw: Mapping[str, Any], folder: str = "") -> Message:
    """Read one entry of an answer.

    :param folder: where it was listed, if the entry does not say.
    """
    date = moment(raw.get("receivedDateTime"))
    identity = f"{raw.get('internetMessageId') or ''}\n{date.replace(microsecond=0).isoformat()}"
    return Message(
        id=str(raw["id"]),
        fingerprint=hashlib.sha256(identity.encode()).hexdigest()[:32],
        date=date,
        folder=str(raw.get("parentFolderId") or folder),
        read=bool(raw.get("isRead")),
        attachments=bool(raw.get("hasAttachments")),
    )


def moment(value: object) -> datetime:
    """An OData DateTimeOffset; the epoch where there is none (a draft that was never sent)."""
    try:
        date = datetime.fromisoformat(str(value))
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def fetch(client: GraphClient, owner: str, ids: Sequence[str]) -> dict[str, Mapping[str, Any] | None]:
    """What Graph says of each mail now, by $batch; None for a mail that is gone.

    :raises SourceUnavailable: some are not answered, however often they are asked for.
    """
    found: dict[str, Mapping[str, Any] | None] = {}
    pending = list(dict.fromkeys(ids))
    patience = client.patience()
    while pending:
        group, pending = pending[:BATCH_LIMIT], pending[BATCH_LIMIT:]
        parts = [Part("GET", "/" + address(owner, one, f"?$select={SELECT}")) for one in group]
        try:
            answers = client.batch(parts)
        except Lost as lost:
            client.pause(patience.cut(str(lost), connected=True))
            pending = group + pending
            continue
        again: list[str] = []
        for one, answer in zip(group, answers, strict=True):
            if answer.ok:
                found[one] = answer.body
            elif 400 <= answer.status < 500 and answer.status not in {401, 408, 409, 423, 424, 429}:
                found[one] = None
            else:
                again.append(one)
        if len(again) == len(group):  # the mailbox's own waiting time is the gate's business
            sentence = _("Microsoft Graph answers {status} again and again: try later.")
            client.pause(patience.cut(sentence.format(status=answers[0].status), connected=True))
        pending = again + pending
    return found
