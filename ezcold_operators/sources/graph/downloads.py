"""The MIME of mails, at most four at once, each whole or not at all, in the order in which they were asked for."""

from __future__ import annotations

import hashlib
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Event
from typing import IO, Any

import httpx2

from ezcold_operators.errors import ItemFailed, SourceUnavailable, StageUnavailable, Throttled
from ezcold_operators.i18n import _
from ezcold_operators.sources.base import Listed, Taken
from ezcold_operators.sources.graph.answers import Refused
from ezcold_operators.sources.graph.client import BATCH_LIMIT, GraphClient
from ezcold_operators.sources.graph.gate import IN_FLIGHT
from ezcold_operators.sources.graph.messages import address
from ezcold_operators.sources.graph.references import references

AHEAD = 60
"""Mails downloaded or being downloaded before their turn: enough that asking for their links holds nobody up."""
BUFFERED = 256 * 1024 * 1024
"""Bytes of finished downloads on disk beyond which no further one is begun."""
IN_MEMORY = 256 * 1024
PIECE = 256 * 1024


@dataclass(slots=True)
class Content:
    """One finished download: its bytes in a temporary file, or why there are none (`problem` None: it is gone)."""

    file: IO[bytes] | None = None
    size: int = 0
    problem: ItemFailed | None = None

    def chunks(self) -> Iterator[bytes] | None:
        """The bytes; None if the mail is gone.

        :raises ItemFailed: on iterating, if they could not be had.
        """
        return None if self.file is None and self.problem is None else self._read()

    def _read(self) -> Iterator[bytes]:
        if self.problem is not None:
            raise self.problem
        assert self.file is not None
        self.file.seek(0)
        while piece := self.file.read(PIECE):
            yield piece

    def close(self) -> None:
        """Give the temporary file back."""
        if self.file is not None:
            self.file.close()


class Downloads:
    """Takes a batch; a mail with attachments also gets `handle["references"]`, those that are only links.

    :raises StageUnavailable: the temporary folder is full. Else as GraphClient.exchange.
    """

    def __init__(self, client: GraphClient) -> None:
        self._client = client
        self._stop = Event()

    def take(self, batch: Sequence[Listed]) -> Iterator[Taken]:
        """The mails in the order of the batch. Closing the iterator stops the downloads ahead."""
        ahead: deque[tuple[Listed, Future[Content], Future[dict[str, Any]]]] = deque()
        waiting = self._submissions(batch)
        pool = ThreadPoolExecutor(IN_FLIGHT + 1, thread_name_prefix="graph")
        try:
            while True:
                while len(ahead) < AHEAD and _buffered(ahead) < BUFFERED:
                    following = next(waiting, None)
                    if following is None:
                        break
                    ahead.append(following(pool))
                if not ahead:
                    return
                listed, content, links = ahead.popleft()
                yield from self._taken(listed, content, links)
        finally:
            self._stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            for _listed, content, _links in ahead:
                if content.done() and not content.cancelled() and content.exception() is None:
                    content.result().close()

    def _taken(self, listed: Listed, content: Future[Content], links: Future[dict[str, Any]]) -> Iterator[Taken]:
        found = links.result().get(listed.key)
        if found:
            listed = replace(listed, handle={**listed.handle, "references": found})
        whole = content.result()
        try:
            yield Taken(listed, whole.chunks())
        finally:
            whole.close()

    def _submissions(self, batch: Sequence[Listed]) -> Iterator[Any]:
        """One callable a mail, which hands its download to the pool; the links of 20 mails are asked for together."""
        for start in range(0, len(batch), BATCH_LIMIT):
            group = batch[start : start + BATCH_LIMIT]
            links: list[Future[dict[str, Any]]] = []

            def submit(
                pool: ThreadPoolExecutor,
                listed: Listed,
                group: Sequence[Listed] = group,
                links: list[Future[dict[str, Any]]] = links,
            ) -> tuple[Listed, Future[Content], Future[dict[str, Any]]]:
                if not links:
                    links.append(pool.submit(references, self._client, group))
                return listed, pool.submit(self._content, listed), links[0]

            for listed in group:
                yield lambda pool, listed=listed, submit=submit: submit(pool, listed)

    def _content(self, listed: Listed) -> Content:
        url = address(self._client.settings.owner, str(listed.handle["id"]), "/$value")
        try:
            return self._whole(url)
        except Refused as refused:
            return Content() if refused.gone else Content(problem=_unreadable(refused))
        except Throttled:
            raise
        except SourceUnavailable as failure:
            if self._stop.is_set():
                raise
            # Exchange cannot render some mails at all: these must not block the others behind them.
            try:
                self._client.get(address(self._client.settings.owner, str(listed.handle["id"]), "?$select=id"))
            except Refused as refused:
                return Content() if refused.gone else Content(problem=_unreadable(refused))
            return Content(problem=_unreadable(failure))

    def _whole(self, url: str) -> Content:
        """A complete download. A body whose end the transport does not mark must come twice alike."""
        patience = self._client.patience()
        before = ""
        while True:
            content = Content(tempfile.SpooledTemporaryFile(max_size=IN_MEMORY))  # noqa: SIM115
            try:
                with self._client.exchange("GET", url, slow=True) as answer:
                    digest = self._copy(answer, content)
                    if _marked_end(answer) or digest == before:
                        return content
                before = digest
            except httpx2.RequestError as error:
                content.close()
                self._client.pause(patience.cut(self._client.unreachable(error), connected=True))
                continue
            except OSError as error:
                content.close()
                raise StageUnavailable(
                    _("the temporary folder {folder} cannot be written: make room.").format(
                        folder=tempfile.gettempdir()
                    )
                ) from error
            except BaseException:
                content.close()
                raise
            content.close()

    def _copy(self, answer: httpx2.Response, content: Content) -> str:
        assert content.file is not None
        digest = hashlib.sha256()
        for piece in answer.iter_bytes(PIECE):
            if self._stop.is_set():
                raise SourceUnavailable(_("the session was closed."))
            content.file.write(piece)
            content.size += len(piece)
            digest.update(piece)
        return digest.hexdigest()


def _marked_end(answer: httpx2.Response) -> bool:
    """Whether a cut would have been noticed: RFC 9112, 8 (length or chunks); else the end is only a closed line."""
    headers: Mapping[str, str] = answer.headers
    return "content-length" in headers or "chunked" in headers.get("transfer-encoding", "").lower()


def _buffered(ahead: deque[tuple[Listed, Future[Content], Future[dict[str, Any]]]]) -> int:
    return sum(
        content.result().size
        for _listed, content, _links in ahead
        if content.done() and not content.cancelled() and content.exception() is None
    )


def _unreadable(why: Exception) -> ItemFailed:
    return ItemFailed(_("Microsoft 365 does not give this mail's content for now: {why}").format(why=why))
