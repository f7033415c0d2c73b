"""A session at EzGED: logged in, kept alive, always logged out.

EzGED allows few sessions at once and forgets one after 60 s without a call (vendor's page dev:api:webservices:json).
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from ezcold_operators import log
from ezcold_operators.cold.ezged_settings import Settings
from ezcold_operators.cold.ezged_wire import Answer, Wire
from ezcold_operators.errors import AuthenticationFailed, ConfigurationError, EzcoldError, ScenarioUnavailable
from ezcold_operators.i18n import _
from ezcold_operators.steps import step

BEAT_SECONDS = 20.0
"""A call at least this often keeps the session."""
WAITS = (1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 20.0)
"""Seconds between logins while every session is taken: longer in all than a forgotten session lives."""
NO_SESSION = 401
TOO_MANY = -18


class Session:
    """One session over one Wire; `with` it, so that it is closed whatever happens."""

    def __init__(self, settings: Settings, *, waits: Sequence[float] = WAITS, beat: float = BEAT_SECONDS) -> None:
        self.settings = settings
        self.wire = Wire(settings)
        self._waits, self._beat = waits, beat
        self._id = ""
        self._called = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_alive, name="ezged keepalive", daemon=True)

    def __repr__(self) -> str:
        return f"Session({self.settings.host!r})"

    def __enter__(self) -> Self:
        """:raises AuthenticationFailed: :raises ScenarioUnavailable: :raises ConfigurationError:"""
        try:
            self._login()
        except BaseException:
            self.wire.close()
            raise
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(5.0)
        try:
            self._logout()
        finally:
            self.wire.close()

    def call(self, request: Callable[[str], Answer]) -> Answer:
        """Make a request with the session's id; once more with a new session if EzGED no longer knows this one.

        :raises AuthenticationFailed: EzGED does not know the new one either.
        """
        answer = self._once(request)
        if answer.code != NO_SESSION:
            return answer
        log.info("ezged session gone, logging in again", host=self.settings.host)
        self._logout()
        self._login()
        answer = self._once(request)
        if answer.code == NO_SESSION:
            raise AuthenticationFailed(
                _("EzGED at {host} does not accept the session that it has just given to {login}").format(
                    host=self.settings.host, login=self.settings.login
                )
            )
        return answer

    def _once(self, request: Callable[[str], Answer]) -> Answer:
        answer = request(self._id)
        self._called = time.monotonic()
        return answer

    def _login(self) -> None:
        for wait in (*self._waits, None):
            answer = self._authenticate()
            if answer.code != TOO_MANY:
                break
            if wait is None or self._stop.wait(wait):
                raise ScenarioUnavailable(
                    _("every session of EzGED at {host} is taken: nothing is lost, it is tried again later").format(
                        host=self.settings.host
                    )
                )
            log.info("ezged sessions all taken, waiting", host=self.settings.host, seconds=wait)
        self._accept(answer)

    def _authenticate(self) -> Answer:
        settings = self.settings
        password = settings.password
        if not settings.domain:
            password = hashlib.md5(password.encode(), usedforsecurity=False).hexdigest()  # EzGED's own protocol
        self.wire.secret(password)
        params = {"service": "sec/authenticate", "login": settings.login, "pwd": password}
        if settings.domain:
            params["domain"] = settings.domain
        self.wire.forget_cookies()
        with step("ezged.login"):
            return self.wire.call("GET", "service.php", params)

    def _accept(self, answer: Answer) -> None:
        """Take the session that a login gave.

        :raises AuthenticationFailed: :raises ScenarioUnavailable: :raises ConfigurationError: it gave none.
        """
        where = {"host": self.settings.host, "login": self.settings.login}
        said = self.wire.clean(answer.text)
        if answer.data is None and answer.status not in (401, 403):
            raise _no_ezged(answer, self.settings)
        if answer.status >= 500 and answer.code in (None, 0):
            raise ScenarioUnavailable(_("EzGED at {host} is in trouble: {said}").format(host=where["host"], said=said))
        session = answer.row().get("sessionid") or (answer.data or {}).get("sessionid")
        if answer.code != 0 or not session:
            raise AuthenticationFailed(
                _("EzGED at {host} refuses the login of {login} ({said}): check login, password and `domain`").format(
                    said=said or (f"errorcode {answer.code}" if answer.data else f"HTTP {answer.status}"), **where
                )
            )
        self._id = str(session)
        self.wire.secret(self._id)
        self._called = time.monotonic()

    def _logout(self) -> None:
        """Give the session back; what goes wrong here harms nobody for longer than 60 s."""
        if not self._id:
            return
        gone, self._id = self._id, ""
        params = {"service": "secses/delete", "sessionid": gone, "secsesid": gone, "forcedisconnect": "1"}
        try:
            with step("ezged.logout"):
                answer = self.wire.call("GET", "service.php", params)
        except EzcoldError as exc:
            log.warning("ezged logout failed", host=self.settings.host, why=str(exc))
            return
        if answer.code not in (0, NO_SESSION):
            log.warning("ezged logout refused", host=self.settings.host, code=answer.code)

    def _keep_alive(self) -> None:
        while not self._stop.wait(self._beat / 2):
            session = self._id
            if not session or time.monotonic() - self._called < self._beat / 2:
                continue
            params = {"service": "secses/keepalive", "sessionid": session}
            try:
                self.wire.call("POST", "service.php", params, data={"sessionid": session})
            except (EzcoldError, RuntimeError) as exc:  # the upload that it was for meets the same, and says so
                log.info("ezged keepalive failed", host=self.settings.host, why=str(exc))
            self._called = time.monotonic()


def _no_ezged(answer: Answer, settings: Settings) -> EzcoldError:
    if answer.status >= 500 or answer.status == 429:
        return ScenarioUnavailable(
            _("EzGED at {host} is in trouble (HTTP {status})").format(host=settings.host, status=answer.status)
        )
    return ConfigurationError(
        _("{base} is no EzGED (HTTP {status}): check host, port and the extra `base_path` of the Connection").format(
            base=settings.base, status=answer.status
        )
    )
