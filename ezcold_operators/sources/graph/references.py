"""Cloud attachments: links to files elsewhere, of which a mail's MIME holds nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ezcold_operators.errors import EzcoldError
from ezcold_operators.sources.base import Listed
from ezcold_operators.sources.graph.answers import Lost
from ezcold_operators.sources.graph.client import BATCH_LIMIT, Answer, GraphClient, Part
from ezcold_operators.sources.graph.messages import address

SELECT = "id,name,contentType,size,isInline"
"""Never contentBytes: the files themselves come with the MIME."""
REFERENCE = "referenceattachment"


def references(client: GraphClient, group: Sequence[Listed]) -> dict[str, list[dict[str, str]]]:
    """By key, for mails that have some: `[{"name": ..., "url": ...}]`; url '' where Graph tells none.

    The mails are asked about one after the other, in one slot, while the others go on downloading.

    :param group: at most 20 mails; those without attachments are not asked about.
    """
    pending = [listed for listed in group if listed.handle.get("attachments", True)][:BATCH_LIMIT]
    found: dict[str, list[dict[str, str]]] = {}
    patience = client.patience()
    owner = client.settings.owner
    while pending:
        parts = [
            Part("GET", "/" + address(owner, str(one.handle["id"]), f"/attachments?$select={SELECT}"))
            for one in pending
        ]
        try:
            answers = client.batch(parts, series=True)
        except Lost as lost:
            client.pause(patience.cut(str(lost), connected=True))
            continue
        again = []
        for one, answer in zip(pending, answers, strict=True):
            if answer.ok:
                links = _links(client, one, answer)
                if links:
                    found[one.key] = links
            elif answer.status in {0, 401, 408, 424, 429} or answer.status >= 500:
                again.append(one)
        if len(again) == len(pending):
            client.pause(patience.cut(f"{answers[0].status}", connected=True))
        pending = again
    return found


def _links(client: GraphClient, listed: Listed, answer: Answer) -> list[dict[str, str]]:
    entries = list(answer.body.get("value") or [])
    following = answer.body.get("@odata.nextLink")
    if following:
        for page in client.pages(str(following)):
            entries.extend(page.get("value") or [])
    return [
        {"name": str(entry.get("name") or ""), "url": _url(client, listed, entry)}
        for entry in entries
        if str(entry.get("@odata.type") or "").lower().endswith(REFERENCE)
    ]


def _url(client: GraphClient, listed: Listed, entry: Mapping[str, Any]) -> str:
    """Where the file is. v1.0 does not document `sourceUrl`, beta does; the mail's own web page serves else."""
    if entry.get("sourceUrl"):
        return str(entry["sourceUrl"])
    mail = address(client.settings.owner, str(listed.handle["id"]))
    attachment = f"{mail}/attachments/{quote(str(entry['id']), safe='')}"
    beta = f"https://{client.settings.graph_host}/beta/{attachment}"
    for url, name in ((attachment, "sourceUrl"), (beta, "sourceUrl"), (f"{mail}?$select=webLink", "webLink")):
        try:
            value = client.get(url).get(name)
        except EzcoldError:  # the mail itself comes all the same, and says that a link is missing
            continue
        if value:
            return str(value)
    return ""
