"""A strict EzGED of our own, over TLS, with faults on demand, from what is known of its web service.

    with ezged_server() as server:
        server.fault("lost", times=2)
        ...
        server.files["factures"]    # what its waiting directory got: name to bytes
        server.sessions             # those that nobody closed
        server.violations           # what a client must not do

Kinds of faults of an upload: "lost" (stored, no answer), "drop" (read, not stored, no answer), "cut" (not even read),
"500" (not stored, an HTML page), "500-stored", "garbage" (stored, the answer is no JSON), "401" (not stored), "busy"
(-18), "refuse" (success false, with `text`), "413", "expire" (all sessions are forgotten first).
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import trustme

TOKEN = "c3e335143464469a1ca542c21147f913"
BASE = "/ezged3/data/"
KNOWN = {
    "sec/authenticate": ("GET", {"login", "pwd", "domain"}),
    "secses/keepalive": ("POST", {"sessionid"}),
    "secses/delete": ("GET", {"sessionid", "secsesid", "forcedisconnect"}),
    "jobqueue/load": ("GET", {"sessionid", "jobqueueid"}),
}
UPLOAD_FAULTS = (
    "lost", "drop", "cut", "500", "500-stored", "garbage", "401", "busy", "refuse", "413", "expire",
)  # fmt: skip
UPLOAD = {"sessionid", "token", "name", "mode", "waitdir"}


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


class EzgedServer(ThreadingHTTPServer):
    """What a test sees of the server."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, certificate: Path | None, key: Path | None, ca_file: Path | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ca_file = ca_file
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.port = int(self.server_address[1])
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
        self._connections: set[socket.socket] = set()

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

    def extras(self, **more: Any) -> dict[str, Any]:
        """The Connection's extras that lead here."""
        if self.ca_file is None:
            return {"security": "none", "timeout": 10} | more
        return {"ca_file": str(self.ca_file), "timeout": 10} | more

    def connection(self, **extra: Any) -> str:
        """AIRFLOW_CONN_... as JSON."""
        return json.dumps(
            {"conn_type": "http", "host": "localhost", "port": self.port, "login": self.state.login,
             "password": self.state.password, "extra": self.extras(**extra)}
        )  # fmt: skip

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Broken connections are what these tests are about."""

    def stop(self) -> None:
        """As a server that is switched off: no port, no connection."""
        self.shutdown()
        self.server_close()
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Cut(Exception):
    """Close the connection without an answer."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: EzgedServer
    _cookie = ""

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        try:
            status, answer = self._answer()
        except Cut:
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            return
        if self.server.state.latency:
            time.sleep(self.server.state.latency)
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if isinstance(answer, bytes) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        if self._cookie:
            self.send_header("Set-Cookie", f"PHPSESSID={self._cookie}; path=/; HttpOnly")
            self._cookie = ""
        self.end_headers()
        self.wfile.write(data)

    def _answer(self) -> tuple[int, Any]:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        with self.server.lock:
            self.server.requests.append(f"{self.command} {parts.path} {query.get('service', '')}".strip())
        if not parts.path.startswith(BASE):
            self._body()
            return 404, b"<html>Not Found</html>"
        endpoint = parts.path.removeprefix(BASE)
        if endpoint == "pupload.php":
            return self._upload(query)
        if endpoint != "service.php":
            self._body()
            return 404, b"<html>Not Found</html>"
        return self._service(query)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _violation(self, text: str) -> None:
        self.server.violations.append(text)

    def _service(self, query: dict[str, str]) -> tuple[int, Any]:
        form = parse_qs(self._body().decode())
        service = query.pop("service", "")
        if service not in KNOWN:
            self._violation(f"unknown service {service}")
            return 200, error(-1, "unknown service")
        method, known = KNOWN[service]
        if self.command != method or set(query) - known:
            self._violation(f"{self.command} {service} with {sorted(query)}")
        server = self.server
        with server.lock:
            if service == "sec/authenticate":
                return self._authenticate(query)
            session = query.get("sessionid") or form.get("sessionid", [""])[0]
            if not server.alive(session):
                return 200, error(401, "session inconnue " + session)
            if service == "secses/keepalive":
                server.keepalives += 1
                server.changed.notify_all()
                return 200, good()
            if service == "secses/delete":
                if query.get("secsesid") != session or query.get("forcedisconnect") != "1":
                    self._violation("logout without secsesid or forcedisconnect")
                del server.sessions[session]
                server.logouts += 1
                return 200, good()
            return 200, good([{"JOBQUEUE_ID": query.get("jobqueueid"), "JOBQUEUE_STATUS": "2"}])

    def _authenticate(self, query: dict[str, str]) -> tuple[int, Any]:
        server, state = self.server, self.server.state
        wanted = state.password if state.domain else hashlib.md5(state.password.encode()).hexdigest()
        if query.get("domain", "") != state.domain or query.get("login") != state.login or query.get("pwd") != wanted:
            return 200, error(-3, f"Mot de passe incorrect: {query.get('pwd')}")
        server.alive("")
        if len(server.sessions) >= state.most_sessions:
            return 200, error(-18, "Nombre maximum de sessions atteint")
        session = secrets.token_hex(16)
        server.sessions[session] = time.monotonic()
        server.logins += 1
        self._cookie = secrets.token_hex(13)
        return 200, {"errorcode": 0, "errormsg": "", "rows": {"sessionid": session}, "count": 1}

    def _upload(self, query: dict[str, str]) -> tuple[int, Any]:
        server = self.server
        with server.lock:
            server.attempts += 1
            fault = server.take_fault(*UPLOAD_FAULTS, name=query.get("name", ""))
        kind = fault.kind if fault else ""
        if kind == "cut":
            raise Cut
        data = self._file(query)
        if self.command != "POST" or set(query) != UPLOAD or query["mode"] != "cold":
            self._violation(f"{self.command} upload with {sorted(query)}")
        with server.lock:
            if kind == "expire":
                server.sessions.clear()
            refused = self._fault(kind, fault.text if fault else "") or self._refusal(query)
            if refused is not None:
                return refused
            waitdir, name = query["waitdir"], query["name"]
            if kind not in {"drop", "500"}:
                server.files[waitdir][name] = data
                server.uploads.append((waitdir, name, hashlib.sha256(data).hexdigest()))
        return self._done(kind, waitdir, name)

    def _done(self, kind: str, waitdir: str, name: str) -> tuple[int, Any]:
        server = self.server
        if kind in {"lost", "drop"}:
            raise Cut
        if kind.startswith("500"):
            return 500, b"<html><h1>Internal Server Error</h1></html>"
        if kind == "garbage":
            return 200, b"<br />\n<b>Warning</b>: PHP"
        with server.changed:
            while server.keepalives < server.hold_until_keepalives:
                if not server.changed.wait(30):
                    self._violation("no keepalive during a slow upload")
                    break
        answer: dict[str, Any] = {"success": True, "filePath": f"C:\\nchp\\var\\spool\\ocr\\wait\\{waitdir}\\{name}"}
        if server.state.gives_jobs:
            answer["rows"] = [{"JOBQUEUE_ID": "77"}]
        return 200, answer

    def _fault(self, kind: str, text: str) -> tuple[int, Any] | None:
        answers: dict[str, tuple[int, Any]] = {
            "413": (413, b"<html>Request Entity Too Large</html>"),
            "401": (200, {"success": False, **error(401, "session inconnue")}),
            "busy": (200, {"success": False, **error(-18, "Nombre maximum de sessions atteint")}),
            "refuse": (200, {"success": False, "errormsg": text}),
        }
        return answers.get(kind)

    def _refusal(self, query: dict[str, str]) -> tuple[int, Any] | None:
        server, state = self.server, self.server.state
        if not server.alive(query.get("sessionid", "")):
            return 200, {"success": False, **error(401, "session inconnue")}
        if query.get("token") != state.token:
            return 200, {"success": False, "errormsg": f"invalid token {query.get('token')}"}
        name, waitdir = query.get("name", ""), query.get("waitdir", "")
        for value in (name, waitdir):
            if not value or re.search(r'[\x00-\x1f/\\:*?"<>|]', value) or value in {".", ".."}:
                self._violation(f"unsafe {value!r}")
        if waitdir not in state.waitdirs:
            return 200, {"success": False, "errormsg": f"unknown waitdir {waitdir}"}
        if state.refuses_existing and name in server.files[waitdir]:
            return 200, {"success": False, "errormsg": f"{name} existe déjà"}
        return None

    def _file(self, query: dict[str, str]) -> bytes:
        """The bytes of the multipart field `file`; exactly as RFC 7578 frames it."""
        length = self.headers.get("Content-Length")
        kind = re.fullmatch(r"multipart/form-data; boundary=([0-9A-Za-z'()+_,\-./:=? ]{1,70})",
                            self.headers.get("Content-Type", ""))  # fmt: skip
        if length is None or kind is None:
            self._violation("no multipart body of known length")
            raise Cut
        body = self.rfile.read(int(length))
        if len(body) != int(length):
            raise Cut
        boundary = kind[1].encode()
        start, end = b"--" + boundary + b"\r\n", b"\r\n--" + boundary + b"--\r\n"
        head, found, rest = body.partition(b"\r\n\r\n")
        if not (head.startswith(start) and found and rest.endswith(end) and body.count(b"--" + boundary) == 2):
            self._violation("malformed multipart")
            raise Cut
        lines = head[len(start) :].decode().split("\r\n")
        if f'Content-Disposition: form-data; name="file"; filename="{query.get("name")}"' not in lines:
            self._violation(f"no field `file` in {lines}")
        return rest[: -len(end)]


def error(code: int, text: str) -> dict[str, Any]:
    return {"errorcode": code, "errormsg": text, "rows": [], "count": 0}


def good(rows: list[Any] | None = None) -> dict[str, Any]:
    return {"errorcode": 0, "errormsg": "", "rows": rows or [], "count": len(rows or [])}


@contextmanager
def ezged_server(*, tls: bool = True) -> Iterator[EzgedServer]:
    """An EzGED on a free port; over plain http without `tls`."""
    with tempfile.TemporaryDirectory(prefix="ezged-") as folder:
        root = Path(folder)
        if tls:
            authority = trustme.CA()
            authority.cert_pem.write_to_path(root / "ca.pem")
            certificate = authority.issue_cert("localhost")
            certificate.private_key_and_cert_chain_pem.write_to_path(root / "server.pem")
            server = EzgedServer(root / "server.pem", root / "server.pem", root / "ca.pem")
        else:
            server = EzgedServer(None, None, None)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.stop()
            thread.join(10)
