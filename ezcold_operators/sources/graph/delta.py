"""What is in a folder: by delta rounds whose state is a mark, by a plain list now and then, by a window of time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

from ezcold_operators.errors import SourceUnavailable
from ezcold_operators.i18n import _
from ezcold_operators.sources.base import Window
from ezcold_operators.sources.graph.answers import Refused
from ezcold_operators.sources.graph.client import GraphClient
from ezcold_operators.sources.graph.folders import Folder
from ezcold_operators.sources.graph.messages import SELECT, Message, complete, fetch, message

PAGE = 200
RECONCILE_SECONDS = 86400.0
RESTARTS = 3
WINDOW_PASSES = 3


class Round:
    """One delta round of one folder: everything the first time, then what changed. Exhaust it, then ask for `mark`.

    A mail that is moved out and back between two rounds may be told as @removed only, for good (with immutable ids):
    so once a day the round ends with a plain list of the folder.

    :param mark: that of the round before, '' the first time. One that the server no longer knows starts over.
    """

    def __init__(self, client: GraphClient, folder: Folder, mark: str, now: float | None = None) -> None:
        self._client, self._folder = client, folder
        self._now = time.time() if now is None else now
        self._link, self._full = _read(mark)
        self._seen: set[str] = set()
        self._whole = False

    @property
    def mark(self) -> str:
        """The folder's state after this round; '' if the folder went away."""
        if not self._whole:
            return ""
        return json.dumps({"link": self._link, "full": self._full}, separators=(",", ":"))

    def __iter__(self) -> Iterator[Message]:
        due = not self._now - RECONCILE_SECONDS < self._full <= self._now
        fresh = not self._link
        for _restart in range(RESTARTS):
            try:
                yield from self._changes()
                break
            except Refused as refused:
                if not refused.state_expired:
                    raise
                if refused.gone and fresh and not self._seen:
                    return  # the folder went away between the listing of folders and now
                self._link, fresh = "", True
        else:
            raise SourceUnavailable(
                _("the changes of {folder} cannot be followed to their end: try later.").format(
                    folder=self._folder.path
                )
            )
        if fresh:
            self._full = self._now
        elif due:
            yield from self._new(plain(self._client, self._folder, ""))
            self._full = self._now
        self._whole = True

    def _changes(self) -> Iterator[Message]:
        url: str | None = self._link or f"{_messages(self._client, self._folder)}/delta?$select={SELECT}"
        while url:
            page = self._client.get(url, f"odata.maxpagesize={PAGE}")
            entries = [raw for raw in page.get("value") or [] if "@removed" not in raw]
            partial = [str(raw["id"]) for raw in entries if not complete(raw)]
            yield from self._new(message(raw, self._folder.id) for raw in entries if complete(raw))
            wanted = [one for one in partial if one not in self._seen]
            for found in fetch(self._client, self._client.settings.owner, wanted).values():
                if found is not None and found.get("parentFolderId") == self._folder.id:
                    yield from self._new([message(found)])
            url = page.get("@odata.nextLink")
            if not url:
                self._link = self._state(page.get("@odata.deltaLink"))

    def _state(self, link: object) -> str:
        if not isinstance(link, str):
            raise SourceUnavailable(_("Microsoft Graph ended a round without its state: try later."))
        self._client.address(link)  # a foreign one must not be kept
        return link

    def _new(self, found: Iterator[Message] | list[Message]) -> Iterator[Message]:
        for one in found:
            if one.id not in self._seen:  # replays and doubles happen
                self._seen.add(one.id)
                yield one


def plain(client: GraphClient, folder: Folder, condition: str) -> Iterator[Message]:
    """A list of the folder's mails, page by page.

    :param condition: an OData filter on receivedDateTime, '' for all.
    """
    query = {"$select": SELECT, "$top": str(PAGE)}
    if condition:
        query |= {"$filter": condition, "$orderby": "receivedDateTime"}
    for page in client.pages(f"{_messages(client, folder)}?{urlencode(query, safe='$,:', quote_via=quote)}"):
        yield from (message(raw, folder.id) for raw in page.get("value") or [])


def within(client: GraphClient, folder: Folder, window: Window) -> Iterator[Message]:
    """The folder's mails whose date lies in the window.

    Pages are cut by position, so a mail that somebody moves away while they are read hides another: the list is
    repeated until it brings nothing new, three times at most.
    """
    start, end = (moment.astimezone(UTC).replace(microsecond=0) for moment in (window.start, window.end))
    condition = f"receivedDateTime ge {_odata(start)} and receivedDateTime lt {_odata(end + timedelta(seconds=1))}"
    seen: set[str] = set()
    for _pass in range(WINDOW_PASSES):
        before = len(seen)
        for one in plain(client, folder, condition):
            if one.id not in seen and window.start <= one.date < window.end:
                seen.add(one.id)
                yield one
        if len(seen) == before:
            return


def _messages(client: GraphClient, folder: Folder) -> str:
    return f"{client.settings.owner}/mailFolders/{quote(folder.id, safe='')}/messages"


def _odata(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(mark: str) -> tuple[str, float]:
    """Link and time of the last complete listing; an unreadable mark is as good as none."""
    try:
        value = json.loads(mark) if mark else {}
        return str(value.get("link") or ""), float(value.get("full") or 0)
    except (ValueError, AttributeError, TypeError):
        return "", 0.0
