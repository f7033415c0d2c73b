"""Microsoft Graph at 50 ms a request: are its four requests kept busy?

    python -m benchmarks.graph [MAILS] [MILLISECONDS] [kB] [ATTACHMENTS]

Reads the same mails one request at a time and by the source, from a server in another process. Exits with 1 if the
source is below 90 % of four times the single-request rate. With ATTACHMENTS the source also asks each mail for links to
cloud files (one $batch for 20 mails), which the single rate does not count.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx2

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import Launcher
from ezcold_operators.sources.o365 import create

UPN = "factures@exemple.fr"
LEAST = 0.9


def serve(pipe: Connection, folder: str, mails: int, seconds: float, size: int, files: int) -> None:
    """The server's process: tells its extras, and ends when told anything."""
    from tests.servers.graph import graph_server

    with graph_server(Path(folder)) as server:
        server.entra.secrets["s"] = ""
        box = server.mailbox(UPN)
        for number in range(mails):
            box.put(b"Subject: %d\r\n\r\n" % number + b"x" * size, str(number), files=files)
        server.latency = seconds
        pipe.send(server.extras(client_secret="s"))
        pipe.recv()
        pipe.send((server.most_in_flight, server.violations))


def launcher() -> Launcher:
    return Launcher.model_validate(
        {
            "launcher": "factures",
            "source": {"protocol": "o365", "connection": "m365", "mailbox": UPN},
            "routes": [{"extensions": ["*"], "send_to": ["factures"]}],
        }
    )


def single(extras: dict[str, Any], session: Any, items: list[Any]) -> float:
    """Mails a second, one request after the other on one connection."""
    token = session._client._tokens.bearer()
    headers = {"Authorization": f"Bearer {token}", "Prefer": 'IdType="ImmutableId"'}
    base = f"https://{extras['graph_host']}/v1.0/users/{UPN}/messages"
    with httpx2.Client(verify=session._client.settings.tls(), headers=headers) as http:
        http.get(f"{base}/{items[0].handle['id']}/$value")
        began = time.monotonic()
        for item in items:
            assert http.get(f"{base}/{item.handle['id']}/$value").status_code == 200
        return len(items) / (time.monotonic() - began)


def main(mails: int = 400, milliseconds: int = 50, kilobytes: int = 60, files: int = 0) -> int:
    ours, theirs = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        sizes = (theirs, folder, mails, milliseconds / 1000, kilobytes * 1000, files)
        process = multiprocessing.get_context("spawn").Process(target=serve, args=sizes, daemon=True)
        process.start()
        extras = ours.recv()
        with create(launcher()).open(Credentials(conn_id="m365", extra=extras)) as session:
            items = list(session.list({}))
            assert len(items) == mails
            one = single(extras, session, items[: mails // 4])
            began = time.monotonic()
            size = sum(len(chunk) for taken in session.read(items) for chunk in taken.chunks or ())
            seconds = time.monotonic() - began
        ours.send("end")
        most, violations = ours.recv()
        process.join()
    rate, share = mails / seconds, mails / seconds / one / 4
    print(f"{mails} mails of {kilobytes} kB, {milliseconds} ms a request: {size / 1e6:.0f} MB")
    print(f"one request at a time: {one:.1f} mails/s; source: {rate:.1f} mails/s in {seconds:.1f} s")
    print(f"{share:.0%} of 4 x the single rate (at least {LEAST:.0%}); at most {most} at once; wrong: {violations}")
    return 0 if share >= LEAST and most <= 4 and not violations else 1


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:])))
