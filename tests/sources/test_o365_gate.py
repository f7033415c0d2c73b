"""Waiting, taking turns at four slots, giving up; and bodies whose end no transport marks."""

from __future__ import annotations

import email.utils
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.errors import SourceUnavailable, Throttled
from ezcold_operators.sources.base import Listed
from ezcold_operators.sources.graph.auth import Tokens
from ezcold_operators.sources.graph.client import GraphClient
from ezcold_operators.sources.graph.downloads import Downloads
from ezcold_operators.sources.graph.gate import Gate, Patience, retry_after
from ezcold_operators.sources.graph.settings import settings
from ezcold_operators.sources.graph.turn import Turn


def test_retry_after_in_both_forms() -> None:
    assert retry_after({"retry-after": "17"}) == 17.0
    later = email.utils.formatdate(time.time() + 90, usegmt=True)
    assert 85 < (retry_after({"retry-after": later}) or 0) <= 91
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None


@given(st.text(max_size=40))
def test_retry_after_never_raises(text: str) -> None:
    found = retry_after({"retry-after": text})
    assert found is None or 0 <= found < float("inf")


def test_patience_ends() -> None:
    patience = Patience("x", 5)
    assert all(patience.refused(503, None) > 0 for _ in range(5))
    with pytest.raises(SourceUnavailable):
        patience.refused(503, None)
    with pytest.raises(Throttled):
        Patience("x", 5).refused(429, 301)
    patient = Patience("x", 5)
    assert [patient.refused(429, 30) for _ in range(30)] == [30] * 30
    with pytest.raises(Throttled):
        patient.refused(429, 30)
    with pytest.raises(SourceUnavailable):
        Patience("x", 0).cut("dead")


@given(st.lists(st.integers(1, 20), min_size=1, max_size=12))
def test_the_gate_lets_four_through_and_starves_nobody(weights: list[int]) -> None:
    gate = Gate()
    inside = most = done = 0
    guard = threading.Lock()

    def work(weight: int) -> None:
        nonlocal inside, most, done
        with gate.enter(weight):
            with guard:
                inside += min(weight, 4)
                most = max(most, inside)
            with guard:
                inside -= min(weight, 4)
                done += 1

    threads = [threading.Thread(target=work, args=(weight,)) for weight in weights]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert done == len(weights)
    assert most <= 4


def test_nobody_passes_while_told_to_wait_and_all_are_turned_away_at_the_end() -> None:
    gate = Gate()
    gate.hold(0.2)
    began = time.monotonic()
    with gate.enter():
        assert time.monotonic() - began >= 0.2
    gate.hold(600)
    turned_away: list[str] = []

    def wait() -> None:
        with pytest.raises(SourceUnavailable), gate.enter():
            pass
        turned_away.append("yes")

    thread = threading.Thread(target=wait)
    thread.start()
    gate.close()
    thread.join(10)
    assert turned_away == ["yes"]


def test_a_turn_is_taken_once_and_given_back() -> None:
    log: list[str] = []

    class Lease:
        def __enter__(self) -> None:
            log.append("take")

        def __exit__(self, *_exc: object) -> None:
            log.append("give")

    turn = Turn(Lease)
    turn.begin()
    turn.begin()
    turn.end()
    turn.end()
    turn.begin()
    turn.end()
    assert log == ["take", "give", "take", "give"]


class Pass(Tokens):
    """A token that needs no server."""

    def _acquire(self, refused: str) -> Mapping[str, Any]:
        return {"access_token": "t", "expires_in": 3600}


@pytest.fixture
def unmarked(tmp_path: Path) -> Iterator[tuple[str, str, list[bytes]]]:
    """A server that ends each body by closing the line, as HTTP/1.0 did: (host, CA file, bodies to send)."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    bodies: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    raw, _address = listener.accept()
                except OSError:
                    return
                with suppress(OSError), context.wrap_socket(raw, server_side=True) as line:
                    while b"\r\n\r\n" not in line.recv(65536):
                        pass
                    line.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + bodies.pop(0))

        threading.Thread(target=serve, daemon=True).start()
        yield f"localhost:{listener.getsockname()[1]}", str(tmp_path / "ca.pem"), bodies


def test_a_body_without_a_marked_end_must_come_twice_alike(unmarked: tuple[str, str, list[bytes]]) -> None:
    host, ca_file, bodies = unmarked
    whole = b"Subject: x\r\n\r\n" + bytes(range(256)) * 50
    bodies += [whole[:5000], whole, whole[:100], whole, whole]
    extra = {"client_id": "c", "authority": "https://login.example/t", "graph_host": host, "ca_file": ca_file}
    wanted = replace(settings(Credentials(extra=extra), None), timeout=5.0)
    client = GraphClient(wanted, Pass(wanted))
    listed = Listed("k", "f", "p", -1, handle={"id": "m", "attachments": False})
    (taken,) = [b"".join(one.chunks or ()) for one in Downloads(client).take([listed])]
    client.close()
    assert taken == whole
    assert bodies == []
