"""A strict EzGED of our own, over TLS, with faults on demand, from what is known of its web service.

    with ezged_server() as server:
        server.fault("lost", times=2)
        ...
        server.files["factures"]    # what its waiting directory got: name to bytes
        server.sessions             # those that nobody closed
        server.violations           # what a client must not do

Faults and their kinds: tests/servers/ezged_state.py.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import trustme

from tests.servers.ezged_state import UPLOAD_FAULTS, Ezged, error, faulty, good

BASE = "/ezged3/data/"
KNOWN = {
    "sec/authenticate": ("GET", {"login", "pwd", "domain"}),
    "secses/keepalive": ("POST", {"sessionid"}),
    "secses/delete": ("GET", {"sessionid", "secsesid", "forcedisconnect"}),
    "jobqueue/load": ("GET", {"sessionid", "jobqueueid"}),
}
UPLOAD = {"sessionid", "token", "name", "mode", "waitdir"}


class EzgedServer(Ezged, ThreadingHTTPServer):
    """What a test sees of the server."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, certificate: Path | None, key: Path | None, ca_file: Path | None) -> None:
        Ezged.__init__(self)
        ThreadingHTTPServer.__init__(self, ("127.0.0.1", 0), Handler)
        self.ca_file = ca_file
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.port = int(self.server_address[1])
        self._connections: set[socket.socket] = set()

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
                self._cookie, answer = server.login(query)
                return 200, answer
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
            refused = faulty(kind, fault.text if fault else "") or server.refusal(query)
            if refused is not None:
                return refused
            waitdir, name = query["waitdir"], query["name"]
            if kind not in {"drop", "500"}:
                server.keep(waitdir, name, data)
        return self._done(kind, waitdir, name)

    def _done(self, kind: str, waitdir: str, name: str) -> tuple[int, Any]:
        server = self.server
        if kind in {"lost", "drop"}:
            raise Cut
        if kind.startswith("500"):
            return 500, b"<html><h1>Internal Server Error</h1></html>"
        if kind == "garbage":
            return 200, b"<br />\n<b>Warning</b>: PHP"
        server.hold()
        answer: dict[str, Any] = {"success": True, "filePath": f"C:\\nchp\\var\\spool\\ocr\\wait\\{waitdir}\\{name}"}
        if server.state.gives_jobs:
            answer["rows"] = [{"JOBQUEUE_ID": "77"}]
        return 200, answer

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
