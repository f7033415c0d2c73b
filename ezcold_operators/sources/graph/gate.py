"""Manners: at most four requests at once per mailbox, the server's own waiting times, and an end to patience."""

from __future__ import annotations

import random
import re
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ezcold_operators.errors import ConfigurationError, SourceUnavailable, Throttled
from ezcold_operators.i18n import _

IN_FLIGHT = 4
"""Microsoft Graph, Throttling limits, Outlook: four concurrent requests per application and mailbox."""
LONGEST_WAIT = 300.0
"""Seconds that a run waits for one Retry-After; a longer one is left to the scheduler's next try."""
LONGEST_SUM = 900.0
"""Seconds that one request waits for throttling in all."""
ATTEMPTS = 6


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header, in both forms of RFC 9110, 10.2.3; None without one."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value):
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def backoff(attempt: int) -> float:
    """Seconds before try `attempt` + 1: exponential, with jitter so that workers do not march in step."""
    return float(min(30.0, 0.25 * 2.0**attempt) * random.uniform(0.5, 1.0))  # noqa: S311


def unreachable(error: Exception, host: str) -> str:
    """One sentence for a connection that failed.

    :raises ConfigurationError: the server's certificate is not trusted: waiting does not mend that.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise ConfigurationError(
                _("the TLS certificate of {host} cannot be verified ({why}): give its authority as `ca_file`.").format(
                    host=host, why=cause.verify_message
                )
            ) from error
        cause = cause.__cause__ or cause.__context__
    return _("{host} does not answer ({kind}): check the network and the proxy.").format(
        host=host, kind=type(error).__name__
    )


class Patience:
    """How long one request may be repeated.

    Cut connections and 5xx: six tries, and those that never connect only within the timeout. 429: as often as asked,
    up to 15 minutes in all.

    :param what: who is asked, for the sentence.
    :param timeout: seconds; the Connection's.
    """

    def __init__(self, what: str, timeout: float) -> None:
        self._what, self._deadline = what, time.monotonic() + timeout
        self._failures = self._throttled = self._denied = 0
        self._waited = 0.0

    def cut(self, sentence: str, *, connected: bool = False) -> float:
        """Seconds to wait after a connection that failed.

        :param connected: the server had begun to answer.
        :raises SourceUnavailable: with this sentence, when it is enough.
        """
        self._failures += 1
        wait = backoff(self._failures)
        if self._failures >= ATTEMPTS or not (connected or time.monotonic() + wait < self._deadline):
            raise SourceUnavailable(sentence)
        return wait

    def refused(self, status: int, after: float | None) -> float:
        """Seconds to wait after a 429 or 5xx.

        :raises Throttled: the wait is too long for one run. :raises SourceUnavailable: six failures.
        """
        self._throttled += status == 429
        self._failures += status != 429
        wait = after if after is not None else backoff(min(self._failures + self._throttled, 7))
        self._waited += wait
        if wait > LONGEST_WAIT or self._waited > LONGEST_SUM:
            raise Throttled(
                _("{what} asks to wait {seconds} s: tried again later.").format(what=self._what, seconds=round(wait)),
                wait,
            )
        if self._failures >= ATTEMPTS:
            raise SourceUnavailable(
                _("{what} answers {status} again and again: try later.").format(what=self._what, status=status)
            )
        return wait

    def unauthorised(self) -> None:
        """Count a token refused to this one request.

        :raises SourceUnavailable: six of them, while other requests passed.
        """
        self._denied += 1
        if self._denied >= ATTEMPTS:
            raise SourceUnavailable(_("{what} refuses token after token: try later.").format(what=self._what))


class Gate:
    """Lets at most four requests of one mailbox through at once, in the order of asking, and none while told to wait.

    A $batch of n counts as min(n, 4): Outlook runs that many of its requests at the same time.
    """

    def __init__(self, slots: int = IN_FLIGHT) -> None:
        self._slots = slots
        self._taken = 0
        self._not_before = 0.0
        self._queue: deque[object] = deque()
        self._change = threading.Condition()
        self._closed = False

    def hold(self, seconds: float) -> None:
        """Let nobody through for this long, whoever asks: an early request would count again."""
        with self._change:
            self._not_before = max(self._not_before, time.monotonic() + seconds)

    def close(self) -> None:
        """Turn away all who wait: the session has ended."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    @contextmanager
    def enter(self, weight: int = 1) -> Iterator[None]:
        """Wait for `weight` free slots.

        :raises SourceUnavailable: the session was closed meanwhile.
        """
        weight = min(weight, self._slots)
        ticket = object()
        with self._change:
            self._queue.append(ticket)
            try:
                self._wait(ticket, weight)
            finally:
                self._queue.remove(ticket)
                self._change.notify_all()
            self._taken += weight
        try:
            yield
        finally:
            with self._change:
                self._taken -= weight
                self._change.notify_all()

    def _wait(self, ticket: object, weight: int) -> None:
        while not self._closed:
            pause = self._not_before - time.monotonic()
            if pause <= 0 and self._queue[0] is ticket and self._taken + weight <= self._slots:
                return
            self._change.wait(pause if pause > 0 else None)
        raise SourceUnavailable(_("the session was closed."))
