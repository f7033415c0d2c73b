"""What EzGED remembers (sessions, uploads, faults to come) and whom it refuses; no network.

Kinds of faults of an upload: "lost" (stored, no answer), "drop" (read, not stored, no answer), "cut" (not even read),
"500" (not stored, an HTML page), "500-stored", "garbage" (stored, the answer is no JSON), "401" (not stored), "busy"
(-18), "refuse" (success false, with `text`), "413", "expire" (all sessions are forgotten first).
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any

TOKEN = "c3e335143464469a1ca542c21147f913"
UPLOAD_FAULTS = (
    "lost", "drop", "cut", "500", "500-stored", "garbage", "401", "busy", "refuse", "413", "expire",
)  # fmt: skip


@dataclass
class Fault:
    """Something that goes wrong `times` times, from the `after`-th upload on."""

    kind: str
    times: int = 1
    after: int = 0
    text: str = ""
    name: str = ""
    """Only for uploads under a name with this in it."""


@dataclass
class State:
    """What EzGED remembers."""

    login: str = "ezcold"
    password: str = "s3cret-Pa$$word"
    domain: str = ""
    token: str = TOKEN
    waitdirs: set[str] = field(default_factory=lambda: {"factures"})
    life: float = 60.0
    most_sessions: int = 5
    refuses_existing: bool = False
    gives_jobs: bool = False
    latency: float = 0.0
    """Seconds before each answer."""


class Ezged:
    """EzGED itself, as a test sees it."""

    def __init__(self) -> None:
        self.state = State()
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.sessions: dict[str, float] = {}
        self.logins = self.logouts = self.keepalives = 0
        self.files: dict[str, dict[str, bytes]] = {"factures": {}}
        self.uploads: list[tuple[str, str, str]] = []
        """(waiting directory, name, sha256) of everything stored, in order."""
        self.attempts = 0
        self.requests: list[str] = []
        self.violations: list[str] = []
        self.faults: list[Fault] = []
        self.hold_until_keepalives = 0
        """An upload's answer waits for so many keepalives."""

    def fault(self, kind: str, times: int = 1, after: int = 0, text: str = "", name: str = "") -> Fault:
        self.faults.append(Fault(kind, times, after, text, name))
        return self.faults[-1]

    def take_fault(self, *kinds: str, name: str = "") -> Fault | None:
        """The fault that is due now, if it is one of these."""
        for fault in self.faults:
            if fault.kind in kinds and fault.times > 0 and self.attempts > fault.after and fault.name in name:
                fault.times -= 1
                return fault
        return None

    def alive(self, session: str) -> bool:
        now = time.monotonic()
        for one, called in list(self.sessions.items()):
            if now - called > self.state.life:
                del self.sessions[one]
        if session in self.sessions:
            self.sessions[session] = now
            return True
        return False

    def login(self, query: dict[str, str]) -> tuple[str, dict[str, Any]]:
        """A cookie, "" when it is refused, and the answer."""
        state = self.state
        wanted = state.password if state.domain else hashlib.md5(state.password.encode()).hexdigest()
        if query.get("domain", "") != state.domain or query.get("login") != state.login or query.get("pwd") != wanted:
            return "", error(-3, f"Mot de passe incorrect: {query.get('pwd')}")
        self.alive("")
        if len(self.sessions) >= state.most_sessions:
            return "", error(-18, "Nombre maximum de sessions atteint")
        session = secrets.token_hex(16)
        self.sessions[session] = time.monotonic()
        self.logins += 1
        return secrets.token_hex(13), {"errorcode": 0, "errormsg": "", "rows": {"sessionid": session}, "count": 1}

    def refusal(self, query: dict[str, str]) -> tuple[int, Any] | None:
        """Why an upload is not taken; None when it is."""
        state = self.state
        if not self.alive(query.get("sessionid", "")):
            return 200, {"success": False, **error(401, "session inconnue")}
        if query.get("token") != state.token:
            return 200, {"success": False, "errormsg": f"invalid token {query.get('token')}"}
        name, waitdir = query.get("name", ""), query.get("waitdir", "")
        for value in (name, waitdir):
            if not value or re.search(r'[\x00-\x1f/\\:*?"<>|]', value) or value in {".", ".."}:
                self.violations.append(f"unsafe {value!r}")
        if waitdir not in state.waitdirs:
            return 200, {"success": False, "errormsg": f"unknown waitdir {waitdir}"}
        if state.refuses_existing and name in self.files[waitdir]:
            return 200, {"success": False, "errormsg": f"{name} existe déjà"}
        return None

    def keep(self, waitdir: str, name: str, data: bytes) -> None:
        """An upload arrives in its waiting directory."""
        self.files[waitdir][name] = data
        self.uploads.append((waitdir, name, hashlib.sha256(data).hexdigest()))

    def hold(self) -> None:
        """Wait for the keepalives that an upload is to see."""
        with self.changed:
            while self.keepalives < self.hold_until_keepalives:
                if not self.changed.wait(30):
                    self.violations.append("no keepalive during a slow upload")
                    break


def error(code: int, text: str) -> dict[str, Any]:
    return {"errorcode": code, "errormsg": text, "rows": [], "count": 0}


def good(rows: list[Any] | None = None) -> dict[str, Any]:
    return {"errorcode": 0, "errormsg": "", "rows": rows or [], "count": len(rows or [])}


def faulty(kind: str, text: str) -> tuple[int, Any] | None:
    """What an upload is answered when a fault of this kind refuses it; None for the other kinds."""
    answers: dict[str, tuple[int, Any]] = {
        "413": (413, b"<html>Request Entity Too Large</html>"),
        "401": (200, {"success": False, **error(401, "session inconnue")}),
        "busy": (200, {"success": False, **error(-18, "Nombre maximum de sessions atteint")}),
        "refuse": (200, {"success": False, "errormsg": text}),
    }
    return answers.get(kind)
