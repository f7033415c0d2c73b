"""Requests to Microsoft Graph: one mailbox, four at once, waits as told, renews its token, leaves the host never."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2

from ezcold_operators import log
from ezcold_operators.errors import AuthenticationFailed, SourceUnavailable
from ezcold_operators.i18n import _
from ezcold_operators.sources.graph.answers import Lost, Refused, codes, judge, parsed
from ezcold_operators.sources.graph.auth import Tokens
from ezcold_operators.sources.graph.gate import IN_FLIGHT, Gate, Patience, retry_after, unreachable
from ezcold_operators.sources.graph.settings import Settings

IMMUTABLE = 'IdType="ImmutableId"'
"""On every request, or ids change when a mail is moved (Microsoft Graph, Outlook immutable ids)."""
BATCH_LIMIT = 20
SLOW_SECONDS = 120.0
"""A mail's MIME is made when it is asked for: the first byte of a big one takes long."""
RENEWALS = 2
"""New tokens that Graph may refuse one after another before a person is told."""


@dataclass(frozen=True, slots=True)
class Part:
    """One request of a $batch; `url` is relative to the API's root, with a leading slash."""

    method: str
    url: str
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one Part. Status 0: there was none, or it was lost."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """The request was carried out."""
        return 200 <= self.status < 300


class GraphClient:
    """All requests of one session. Safe for threads; every method may raise what `exchange` raises."""

    def __init__(self, settings: Settings, tokens: Tokens) -> None:
        self.settings = settings
        self.gate = Gate()
        self._tokens = tokens
        self._closed = threading.Event()
        self._guard = threading.Lock()
        self._alive = False
        self._renewed = 0
        self._http = httpx2.Client(
            verify=settings.tls(),
            timeout=settings.timeout,
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=IN_FLIGHT + 1, max_keepalive_connections=IN_FLIGHT + 1),
        )

    def close(self) -> None:
        """Close every connection; requests that still wait are turned away."""
        self._closed.set()
        self.gate.close()
        self._http.close()

    def get(self, url: str, prefer: str = "") -> dict[str, Any]:
        """GET a JSON object, again if the connection is cut.

        :param url: relative to the API's root, or a link that Graph gave.
        :raises Refused: with the status and Graph's error codes.
        """
        patience = self.patience()
        while True:
            try:
                with self.exchange("GET", url, prefer=prefer) as answer:
                    return parsed(answer.read())
            except httpx2.RequestError as error:
                self.pause(patience.cut(self.unreachable(error), connected=True))

    def pages(self, url: str, prefer: str = "") -> Iterator[dict[str, Any]]:
        """Every page of a collection, by the links in them; a page may be empty and not be the last."""
        following: str | None = url
        while following:
            page = self.get(following, prefer)
            yield page
            following = page.get("@odata.nextLink")

    def post(self, url: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST once; it may have been carried out although it failed.

        :raises Lost: no answer. :raises Refused: with the status and Graph's error codes.
        """
        try:
            with self.exchange("POST", url, body=body, once=True) as answer:
                return parsed(answer.read())
        except httpx2.RequestError as error:
            raise Lost(self.unreachable(error)) from error

    def batch(self, parts: Sequence[Part], *, series: bool = False) -> list[Answer]:
        """At most 20 requests in one; the answers in the order of the parts.

        :param series: one after the other (so it takes one of the mailbox's four slots, else all); one that fails
            makes those behind it 424.

        A part that was throttled, or met a refused token, is answered as it was; the waiting and the new token are
        seen to before the next request.

        :raises Lost: whether the parts were carried out is unknown.
        """
        assert len(parts) <= BATCH_LIMIT
        requests = [_request(number, part, series) for number, part in enumerate(parts)]
        weight = 1 if series else len(parts)
        token = self._tokens.bearer()
        try:
            with self.exchange("POST", "$batch", {"requests": requests}, weight=weight, once=True) as answer:
                raw = parsed(answer.read())
        except httpx2.RequestError as error:
            raise Lost(self.unreachable(error)) from error
        found = {str(one.get("id")): one for one in raw.get("responses") or []}
        answers = [self._answer(found.get(str(number))) for number in range(len(parts))]
        if any(answer.status == 401 for answer in answers):
            self._unauthorised(token)
        return answers

    def _answer(self, raw: Mapping[str, Any] | None) -> Answer:
        if raw is None:
            return Answer(0)
        status, body = int(raw.get("status") or 0), raw.get("body")
        body = body if isinstance(body, Mapping) else {}
        headers = {str(name).lower(): str(value) for name, value in (raw.get("headers") or {}).items()}
        wait = retry_after(headers)
        if status == 429 or wait is not None:
            self.gate.hold(wait if wait is not None else 1.0)
        if status != 401:
            judge(status, codes(body), self.settings)
        return Answer(status, body)

    @contextmanager
    def exchange(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | None = None,
        *,
        prefer: str = "",
        weight: int = 1,
        once: bool = False,
        slow: bool = False,
    ) -> Iterator[httpx2.Response]:
        """A successful response, its body still to be read inside the block; the slot is held until then.

        :param once: what may have been carried out is not repeated here: Lost instead.
        :param slow: the first byte may take two minutes.
        :raises Throttled: :raises SourceUnavailable: Graph does not answer, or fails again and again.
        :raises AuthenticationFailed: no token, or 403. :raises ConfigurationError: no such mailbox.
        :raises Refused: any other refusal.
        """
        address, patience = self.address(url), self.patience()
        while True:
            with self.gate.enter(weight):
                token = self._tokens.bearer()
                try:
                    answer = self._http.send(self._build(method, address, body, prefer, token, slow), stream=True)
                except httpx2.RequestError as error:
                    if once:
                        raise Lost(self.unreachable(error)) from error
                    wait = patience.cut(self.unreachable(error), connected=self._alive)
                else:
                    try:
                        if answer.is_success:
                            self._alive, self._renewed = True, 0
                            yield answer
                            return
                        wait = self._refused(answer, token, patience, once)
                    finally:
                        answer.close()
            self.pause(wait)

    def _build(
        self, method: str, address: str, body: Mapping[str, Any] | None, prefer: str, token: str, slow: bool
    ) -> httpx2.Request:
        headers = {
            "Authorization": f"Bearer {token}",
            "Prefer": f"{IMMUTABLE}, {prefer}" if prefer else IMMUTABLE,
            "Accept": "*/*" if slow else "application/json",
        }
        seconds = self.settings.timeout
        timeout = httpx2.Timeout(seconds, read=max(seconds, SLOW_SECONDS) if slow else seconds)
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            headers["Content-Type"] = "application/json"
        return self._http.build_request(method, address, content=content, headers=headers, timeout=timeout)

    def _refused(self, answer: httpx2.Response, token: str, patience: Patience, once: bool) -> float:
        """Seconds until the next try, or the right error."""
        status, after, body = answer.status_code, retry_after(answer.headers), _refusal(answer)
        request_id = answer.headers.get("request-id", "")
        log.info("graph refused", status=status, codes=sorted(codes(body)), after=after, request_id=request_id)
        if status == 401:
            self._unauthorised(token)
            patience.unauthorised()
            return 0.0
        if status == 429 or status >= 500:
            if once and status != 429:
                raise Lost(_("Microsoft Graph answered {status}.").format(status=status))
            wait = patience.refused(status, after)
            if status == 429 or after is not None:
                self.gate.hold(wait)
            return wait
        judge(status, codes(body), self.settings)
        raise Refused(status, codes(body), self.settings.graph_host)

    def _unauthorised(self, token: str) -> None:
        """Renew the token that was refused, unless fresh ones were refused in a row."""
        with self._guard:
            if self._tokens.bearer() == token:
                self._renewed += 1
                if self._renewed > RENEWALS:
                    raise AuthenticationFailed(
                        _("Microsoft Graph refuses every new token of Connection {conn}: check its tenant.").format(
                            conn=self.settings.conn_id
                        )
                    )
                self._tokens.renew(token)

    def address(self, url: str) -> str:
        """The full address; a link must stay on the configured host, which alone may see the token.

        :raises SourceUnavailable: it does not.
        """
        if "://" not in url:
            return f"{self.settings.base}/{url.lstrip('/')}"
        given, ours = urlsplit(url), urlsplit(self.settings.base)
        if given.scheme != "https" or (given.hostname, given.port or 443) != (ours.hostname, ours.port or 443):
            raise SourceUnavailable(
                _("Microsoft Graph gave a link to another host ({host}), which is not followed.").format(
                    host=given.hostname or "?"
                )
            )
        return url

    def patience(self) -> Patience:
        """A new one, for one request."""
        return Patience("Microsoft Graph", self.settings.timeout)

    def pause(self, seconds: float) -> None:
        """Wait, unless the session ends meanwhile.

        :raises SourceUnavailable: it does.
        """
        if seconds > 0 and self._closed.wait(seconds):
            raise SourceUnavailable(_("the session was closed."))

    def unreachable(self, error: Exception) -> str:
        """One sentence for a connection that failed."""
        return unreachable(error, self.settings.graph_host)


def _refusal(answer: httpx2.Response) -> dict[str, Any]:
    """The body of a refusal, which may be a proxy's page or cut; reading it leaves the connection usable."""
    try:
        return parsed(answer.read())
    except (httpx2.RequestError, SourceUnavailable):
        return {}


def _request(number: int, part: Part, series: bool) -> dict[str, Any]:
    headers = {"Prefer": IMMUTABLE}
    request: dict[str, Any] = {"id": str(number), "method": part.method, "url": part.url, "headers": headers}
    if part.body is not None:
        headers["Content-Type"] = "application/json"
        request["body"] = dict(part.body)
    if series and number:
        request["dependsOn"] = [str(number - 1)]
    return request
