"""Uploads into EzGED beside the limit of one keep-alive connection: documents per second at 20 ms a round trip.

    python -m benchmarks.ezged [--documents 1000] [--bytes 100000] [--rounds 3] [--latency 0.02]

The limit is a bare loop of one TLS connection that writes the same requests and reads the answers. Beside it:
the driver alone, and the whole dispatch room with its ledger on disk. The server runs in a process of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import secrets
import socket
import ssl
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ezcold_operators.cold import create
from ezcold_operators.cold.base import Outgoing, Prepared
from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import Launcher
from ezcold_operators.config.scenario import Scenario
from ezcold_operators.config.settings import Settings
from ezcold_operators.rooms.base import River
from ezcold_operators.rooms.dispatch import dispatch
from ezcold_operators.rooms.river import Run
from tests.servers.ezged import BASE, ezged_server
from tests.servers.ezged_state import TOKEN

BOUNDARY = secrets.token_hex(16)


def serve(latency: float, pipe: Any) -> None:
    """A server; its port and the file of its authority go into the pipe, and it ends with it."""
    with ezged_server() as server:
        server.state.latency = latency
        pipe.send((server.port, str(server.ca_file)))
        while pipe.recv() != "end":
            with server.lock:
                pipe.send(len(server.uploads))
                server.uploads.clear()
                server.files["factures"].clear()


class Far:
    """That server, from here."""

    def __init__(self, latency: float) -> None:
        self._pipe, theirs = multiprocessing.get_context("spawn").Pipe()
        self._process = multiprocessing.get_context("spawn").Process(target=serve, args=(latency, theirs), daemon=True)
        self._process.start()
        self.port, self.ca_file = self._pipe.recv()

    def received(self) -> int:
        self._pipe.send("count")
        return int(self._pipe.recv())

    def credentials(self) -> Credentials:
        return Credentials(
            "ezged", "localhost", self.port, "ezcold", "s3cret-Pa$$word", extra={"ca_file": self.ca_file}
        )

    def close(self) -> None:
        self._pipe.send("end")
        self._process.join(10)


class Bare:
    """One keep-alive connection, no library."""

    def __init__(self, far: Far) -> None:
        context = ssl.create_default_context(cafile=far.ca_file)
        plain = socket.create_connection(("localhost", far.port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = context.wrap_socket(plain, server_hostname="localhost")
        self._reader = self._socket.makefile("rb")

    def ask(self, method: str, target: str, head: str = "", body: bytes = b"") -> dict[str, Any]:
        request = f"{method} {BASE}{target} HTTP/1.1\r\nHost: localhost\r\n{head}Content-Length: {len(body)}\r\n\r\n"
        self._socket.sendall(request.encode() + body)
        length = 0
        while (line := self._reader.readline()) not in (b"\r\n", b""):
            name, _colon, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        answer: dict[str, Any] = json.loads(self._reader.read(length))
        return answer


def bare(far: Far, batch: Sequence[Outgoing]) -> None:
    """The limit."""
    wire = Bare(far)
    password = hashlib.md5(b"s3cret-Pa$$word").hexdigest()  # EzGED's own protocol
    query = urlencode({"service": "sec/authenticate", "login": "ezcold", "pwd": password})
    session = wire.ask("GET", f"service.php?{query}")["rows"]["sessionid"]
    for outgoing in batch:
        name = f"{outgoing.delivery_id}.pdf"
        query = urlencode({"sessionid": session, "token": TOKEN, "name": name, "mode": "cold", "waitdir": "factures"})
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
        body = head + outgoing.file.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()
        kind = f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
        answer = wire.ask("POST", f"pupload.php?{query}", kind, body)
        if not answer["success"]:
            raise SystemExit(answer)
    query = urlencode({"service": "secses/delete", "sessionid": session, "secsesid": session, "forcedisconnect": "1"})
    wire.ask("GET", f"service.php?{query}")


def scenario() -> Scenario:
    return Scenario(id="s1", driver="ezged", connection="ezged", waitdir="factures")


def driver(far: Far, batch: Sequence[Outgoing]) -> None:
    """The driver alone, one document at a time as the dispatch room gives them."""
    with create(scenario()).open(far.credentials()) as entrance:
        for outgoing in batch:
            (one,) = entrance.prepare([outgoing])
            if not isinstance(one, Prepared):
                raise SystemExit(one)
            (answer,) = entrance.deliver([(one, outgoing)])
            if answer.error is not None:
                raise SystemExit(answer.error)


def owing(folder: Path, batch: Sequence[Outgoing], far: Far) -> River:
    """A river that owes all of it, up to the filter room."""
    incoming = folder / "incoming"
    incoming.mkdir()
    for outgoing in batch:
        (incoming / f"{outgoing.delivery_id}.pdf").write_bytes(outgoing.file.read_bytes())
    launcher = Launcher.model_validate(
        {"launcher": "l1", "source": {"protocol": "folder", "path": f"{incoming}/*", "settle_seconds": 0},
         "routes": [{"extensions": ["pdf"], "send_to": ["s1"]}]}
    )  # fmt: skip
    unreachable = Credentials("ezged", "localhost", 1, "x", "x")
    ledger = f"sqlite:///{folder}/home/ledger.db"
    settings = Settings(home=folder / "home", launchers_dir=folder, ledger_url=ledger)
    with River.open(launcher, {"s1": scenario()}, settings, "r1", credentials=lambda _id: unreachable) as river:
        Run(river).rooms()
        river.credentials = lambda _id: far.credentials()
        return river


def timed(far: Far, work: Callable[[], object], wanted: int) -> float:
    """Seconds; also that everything arrived."""
    began = time.perf_counter()
    work()
    took = time.perf_counter() - began
    if far.received() != wanted:
        raise SystemExit("not everything arrived")
    return took


def main() -> None:
    """Print the medians and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--bytes", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency", type=float, default=0.02)
    options = parser.parse_args()
    times: dict[str, list[float]] = {"one bare connection": [], "ezged driver": [], "dispatch room": []}
    far = Far(options.latency)
    with tempfile.TemporaryDirectory() as name:
        stage = Path(name) / "stage"
        stage.mkdir()
        batch = []
        for number in range(options.documents):
            data = b"%PDF-1.4\n" + os.urandom(options.bytes)
            (stage / f"{number}").write_bytes(data)
            digest = hashlib.sha256(data).hexdigest()
            batch.append(Outgoing(number, stage / f"{number}", len(data), digest, f"facture {number}.pdf"))
        for turn in range(options.rounds):
            times["one bare connection"].append(timed(far, lambda: bare(far, batch), len(batch)))
            times["ezged driver"].append(timed(far, lambda: driver(far, batch), len(batch)))
            folder = Path(name) / f"r{turn}"
            folder.mkdir()
            river = owing(folder, batch, far)
            times["dispatch room"].append(timed(far, lambda river=river: dispatch(river, "s1"), len(batch)))  # type: ignore[misc]
    far.close()
    limit = statistics.median(times["one bare connection"])
    for what, took in times.items():
        median = statistics.median(took)
        print(f"{what:22} {median:7.2f} s  {options.documents / median:8.1f} documents/s  {limit / median:5.0%}")
    print("wanted: the driver at 80 % of the bare connection or more")


if __name__ == "__main__":
    main()
