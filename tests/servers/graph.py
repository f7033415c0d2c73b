"""A strict Microsoft Entra and Graph of our own, over TLS, with faults on demand, from Microsoft's documentation.

    with graph_server() as server:
        box = server.mailbox("factures@exemple.fr")
        box.put(b"From: ...")
        server.fault("429", path="/$value", every=3, retry_after=1)

What a client must not do stands in `server.violations` afterwards: ids without the Prefer header, more than four
requests at once, a request before Retry-After is over, links that were edited.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import trustme
import uvicorn

from tests.servers.graph_api import Api, Call, Result, error, query_of
from tests.servers.graph_entra import CLIENT, TENANT, Entra, Grant
from tests.servers.graph_mail import Mailbox

LIMIT = 4
STATUS = {"429": 429, "500": 500, "502": 502, "503": 503, "504": 504, "401": 401, "403": 403}


@dataclass
class Fault:
    """kind: a status; "cut" (half the body), "lost" (carried out, no answer), "drop" (neither),
    "504-done" (in a batch: carried out, answered as if not)."""

    kind: str
    path: str = ""
    method: str = ""
    every: int = 1
    times: int = 1 << 30
    retry_after: float | None = None
    inside_batch: bool = False
    seen: int = 0
    done: int = 0

    def hits(self, method: str, path: str, inside: bool) -> bool:
        if inside != self.inside_batch or self.path not in path or (self.method and self.method != method):
            return False
        self.seen += 1
        if self.seen % self.every or self.done >= self.times:
            return False
        self.done += 1
        return True


class GraphServer:
    """What a test sees of the server."""

    def __init__(self, certificate: Path, key: Path, ca_file: Path) -> None:
        self.ca_file = ca_file
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.host = f"localhost:{self._socket.getsockname()[1]}"
        self.entra = Entra(self.host)
        self.api = Api(lambda: f"https://{self.link_host or self.host}/v1.0")
        self.boxes: dict[str, Mailbox] = {}
        self.faults: list[Fault] = []
        self.violations: list[str] = []
        self.requests: list[str] = []
        self.latency = 0.0
        self.link_host = ""
        self.in_flight: dict[str, int] = {}
        self.most_in_flight = 0
        self._not_before: dict[str, float] = {}
        self._early: dict[str, int] = {}
        self._certificate, self._key = certificate, key

    def mailbox(self, upn: str) -> Mailbox:
        """The mailbox of this name, made if need be."""
        return self.boxes.setdefault(upn.lower(), Mailbox(upn, seed=len(self.boxes)))

    def fault(self, kind: str, **how: Any) -> Fault:
        """Something goes wrong from now on."""
        self.faults.append(Fault(kind, **how))
        return self.faults[-1]

    def extras(self, **more: Any) -> dict[str, Any]:
        """The Connection's extras that lead here."""
        return {
            "tenant": TENANT,
            "client_id": CLIENT,
            "authority": f"https://{self.host}/{TENANT}",
            "graph_host": self.host,
            "instance_discovery": False,
            "ca_file": str(self.ca_file),
            "timeout": 10,
        } | more

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return
        body = b""
        while True:
            event = await receive()
            body += event.get("body", b"")
            if not event.get("more_body"):
                break
        method, path = scope["method"], unquote(scope["raw_path"].decode())
        query = scope["query_string"].decode()
        headers = {k.decode().lower(): v.decode() for k, v in scope["headers"]}
        self.requests.append(f"{method} {path}" + (f"?{query}" if query else ""))
        fault = next((f for f in self.faults if f.hits(method, path, False)), None)
        raw = scope["raw_path"].decode()
        if "/oauth2/" in path or path.endswith("/openid-configuration"):
            if fault and fault.kind == "drop":
                raise Cut
            result = self._sign_in(method, path, body, headers) if fault is None else self._refuse(fault, "")
            await _answer(send, result, "")
            return
        grant = self.entra.tokens.get(headers.get("authorization", "").removeprefix("Bearer "))
        said = json.loads(body) if body else {}
        mailbox, weight = self._load(raw, said, grant)
        self.in_flight[mailbox] = self.in_flight.get(mailbox, 0) + weight
        self.most_in_flight = max(self.most_in_flight, self.in_flight[mailbox])
        try:
            if self.in_flight[mailbox] > LIMIT:
                self.violations.append(f"{self.in_flight[mailbox]} requests at once: {method} {path}")
            if self.latency:
                await asyncio.sleep(self.latency)
            if fault and fault.kind == "drop":
                raise Cut
            result = self._graph(method, raw, query, headers, said, fault, grant, mailbox)
            await _answer(send, result, fault.kind if fault else "")
        finally:
            self.in_flight[mailbox] -= weight

    def _load(self, raw: str, said: dict[str, Any], grant: Grant | None) -> tuple[str, int]:
        """Whose mailbox, and how many of its four slots."""
        if grant is None:
            return "", 0
        rest = raw.lstrip("/").partition("/")[2]
        parts = said.get("requests") or []
        if rest == "$batch" and parts:
            return self._owner(str(parts[0].get("url", "")), grant), _weight(parts)
        return self._owner(rest, grant), 1

    def _sign_in(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Result:
        tenant = path.split("/")[1]
        form = dict(parse_qsl(body.decode()))
        if path.endswith("/openid-configuration"):
            return Result(*self.entra.metadata(tenant))
        if path.endswith("/devicecode"):
            return Result(*self.entra.device_code(form))
        return Result(*self.entra.token(form, f"https://{self.host}{path}"))

    def _graph(
        self, method: str, path: str, query: str, headers: dict[str, str], said: dict[str, Any], fault: Fault | None,
        grant: Grant | None, mailbox: str,
    ) -> Result:  # fmt: skip
        if grant is None or grant.revoked or grant.ends < time.monotonic() or (fault and fault.kind == "401"):
            return error(401, "InvalidAuthenticationToken")
        if time.monotonic() < self._not_before.get(mailbox, 0.0):
            self._early[mailbox] = self._early.get(mailbox, 0) + 1
            if self._early[mailbox] >= 2 * LIMIT:  # fewer may have been on their way, from each of two runs
                self.violations.append(f"before Retry-After was over: {method} {path}")
        if fault and fault.kind in STATUS:
            return self._refuse(fault, mailbox)
        version, _slash, rest = path.lstrip("/").partition("/")
        if rest == "$batch":
            return self._batch(said, grant, version)
        if '"ImmutableId"' not in headers.get("prefer", ""):
            self.violations.append(f"no immutable id asked for: {method} {path}")
        return self._one(Call(method, rest, query_of(query), headers, said, version), grant)

    def _refuse(self, fault: Fault, mailbox: str) -> Result:
        result = error(STATUS[fault.kind], "ApplicationThrottled" if fault.kind == "429" else "ServiceUnavailable")
        if fault.retry_after is not None:
            result.headers["retry-after"] = f"{fault.retry_after:g}"
            self._not_before[mailbox] = time.monotonic() + fault.retry_after
            self._early[mailbox] = 0
        return result

    def _owner(self, rest: str, grant: Grant) -> str:
        parts = rest.strip("/").split("/")
        return unquote(parts[1]).lower() if parts[0] == "users" and len(parts) > 1 else grant.login.lower()

    def _one(self, call: Call, grant: Grant) -> Result:
        parts = call.path.strip("/").split("/")
        if parts[0] == "me" and not grant.login:
            return error(400, "BadRequest")
        rest = "/".join(["", *parts[2 if parts[0] == "users" else 1 :]])
        box = self.boxes.get(self._owner(call.path, grant))
        if "Mail.ReadWrite" not in grant.permissions:
            return error(403, "ErrorAccessDenied")
        if box is None:
            return error(404, "ErrorInvalidUser")
        return self.api.handle(call, box, rest)

    def _batch(self, said: dict[str, Any], grant: Grant, version: str) -> Result:
        parts = said.get("requests") or []
        if not 1 <= len(parts) <= 20 or len({part["id"] for part in parts}) != len(parts):
            return error(400, "BadRequest")
        answers: list[dict[str, Any]] = []
        for part in parts:
            failed = [one["id"] for one in answers if one["status"] >= 400 and one["id"] in part.get("dependsOn", [])]
            lost = {"id": part["id"], "status": 424, "headers": {}, "body": error(424, "FailedDependency").body}
            answers.append(lost if failed else self._part(part, grant, version))
        return Result(200, {"responses": answers[::-1]})

    def _part(self, part: dict[str, Any], grant: Grant, version: str) -> dict[str, Any]:
        path, _mark, query = part["url"].partition("?")
        headers = {k.lower(): v for k, v in part.get("headers", {}).items()}
        fault = next((f for f in self.faults if f.hits(part["method"], unquote(path), True)), None)
        if "://" in path or not path.startswith("/") or ("body" in part and "content-type" not in headers):
            result = error(400, "BadRequest")
        elif fault is not None and fault.kind in STATUS:
            result = self._refuse(fault, self._owner(path, grant))
        else:
            if '"ImmutableId"' not in headers.get("prefer", ""):
                self.violations.append(f"no immutable id asked for in a batch: {path}")
            call = Call(part["method"], path.lstrip("/"), query_of(query), headers, part.get("body") or {}, version)
            result = self._one(call, grant)
            if fault is not None:  # carried out, and answered as if not
                result = error(504, "UnknownError")
        headers = {name.title(): value for name, value in result.headers.items()}
        return {"id": part["id"], "status": result.status, "headers": headers, "body": result.body}

    @contextmanager
    def running(self) -> Iterator[GraphServer]:
        """Serve until the block ends."""
        config = uvicorn.Config(
            self, log_level="critical", ssl_certfile=str(self._certificate), ssl_keyfile=str(self._key),
            lifespan="off", ws="none", timeout_graceful_shutdown=1,
        )  # fmt: skip
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.005)
        try:
            yield self
        finally:
            server.should_exit = True
            thread.join()


def _weight(parts: list[dict[str, Any]]) -> int:
    """How many of a batch's requests Outlook works on at once: four, but one of a series."""
    return min(LIMIT, 1 + sum(not part.get("dependsOn") for part in parts[1:]))


class Cut(Exception):
    """The connection is closed without another byte."""


async def _answer(send: Callable[[Any], Any], result: Result, fault: str) -> None:
    if fault == "lost":
        raise Cut
    raw = isinstance(result.body, bytes)
    data: bytes = result.body if raw else json.dumps(result.body).encode()
    kind = "text/plain" if raw else "application/json"
    headers = [(b"content-type", kind.encode()), (b"request-id", b"0")]
    headers += [(name.encode(), value.encode()) for name, value in result.headers.items()]
    await send({"type": "http.response.start", "status": result.status, "headers": headers})
    if fault == "cut":
        await send({"type": "http.response.body", "body": data[: len(data) // 2], "more_body": True})
        raise Cut
    for start in range(0, len(data), 1 << 20):  # no length is promised: chunks, as $value comes
        await send({"type": "http.response.body", "body": data[start : start + (1 << 20)], "more_body": True})
    await send({"type": "http.response.body", "body": b""})


@contextmanager
def graph_server(folder: Path) -> Iterator[GraphServer]:
    """A server with a new certificate; `folder` holds its files."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    paths = [folder / name for name in ("graph-ca.pem", "graph-cert.pem", "graph-key.pem")]
    authority.cert_pem.write_to_path(paths[0])
    for number, blob in enumerate(certificate.cert_chain_pems):
        blob.write_to_path(paths[1], append=number > 0)
    certificate.private_key_pem.write_to_path(paths[2])
    ssl.create_default_context(cafile=str(paths[0]))
    with GraphServer(paths[1], paths[2], paths[0]).running() as server:
        yield server
