"""A TCP proxy that is as bad as a network can be: latency, cuts in mid-literal, cuts around a command, a BYE.

    with Proxy("127.0.0.1", server.imap, latency=0.02) as proxy:
        connect("127.0.0.1", proxy.port)

As a program (a process of its own, for benchmarks): python tests/servers/proxy.py HOST PORT SECONDS; prints its port.
"""

from __future__ import annotations

import queue
import re
import socket
import struct
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Self


@dataclass(slots=True)
class Faults:
    """What goes wrong; each happens `times` times (then the line is good again). Patterns see plain text only."""

    cut_after_bytes: int | None = None
    """Bytes from the server to pass on before the line is cut, from where `cut_armed_by` was seen."""
    cut_armed_by: bytes | None = None
    """A pattern in what the client sends; None: from the start of the connection."""
    last_words: bytes = b""
    """What the client still gets, as if from the server, where `cut_after_bytes` cuts."""
    reset: bool = False
    """The line is cut by a reset (RST), not by an end (FIN)."""
    cut_before_command: bytes | None = None
    """The client's data with this pattern is not passed on; the line is cut."""
    cut_after_command: bytes | None = None
    """It is passed on; the server's answer is lost and the line is cut."""
    bye_on_command: bytes | None = None
    """It is answered with `bye` instead."""
    bye: bytes = b"* BYE Server shutting down\r\n"
    answer: tuple[bytes, bytes] | None = None
    """(pattern, template): a command with the pattern is answered by the template, expanded, and not passed on."""
    times: int = 1
    grace: float = 0.3
    """Seconds that the server gets to do what it was told before the line is cut."""


class Proxy:
    """Listens on a free port of the loopback; `received` holds all that clients sent."""

    def __init__(self, host: str, port: int, latency: float = 0.0, faults: Faults | None = None) -> None:
        self._target = (host, port)
        self._delay = latency / 2
        self.faults = faults or Faults(times=0)
        self.received = bytearray()
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: set[socket.socket] = set()
        self._lines: list[_Line] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in list(self._open):
            self._close(one)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open.add(one)
            self._lines.append(_Line(self, client, server))
            self._lines[-1].start()

    def _close(self, one: socket.socket) -> None:
        self._open.discard(one)
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            one.close()

    def hang_up(self) -> None:
        """Now, unasked: the last words to every client, and the cut."""
        for line in self._lines:
            with suppress(OSError):
                line.client.sendall(self.faults.last_words)
            line.cut()

    def take_fault(self) -> bool:
        """Use up one of the faults' times."""
        with self._lock:
            if self.faults.times <= 0:
                return False
            self.faults.times -= 1
            return True


class _Line:
    """One client's connection."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy, self.client, self.server = proxy, client, server
        self.budget: int | None = None
        self.muted = False
        if proxy.faults.cut_after_bytes is not None and proxy.faults.cut_armed_by is None and proxy.take_fault():
            self.budget = proxy.faults.cut_after_bytes

    def start(self) -> None:
        for source, sink, look in ((self.client, self.server, self._up), (self.server, self.client, self._down)):
            pipe: queue.SimpleQueue[tuple[float, bytes] | None] = queue.SimpleQueue()
            threading.Thread(target=self._read, args=(source, pipe), daemon=True).start()
            threading.Thread(target=self._write, args=(pipe, sink, look), daemon=True).start()

    def cut(self) -> None:
        if self.proxy.faults.reset:
            with suppress(OSError):
                self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.client.shutdown(socket.SHUT_RD)  # the thread that reads it lets go; the last to do so resets
                self.client.close()
        for one in (self.client, self.server):
            self.proxy._close(one)

    def _read(self, source: socket.socket, pipe: queue.SimpleQueue[tuple[float, bytes] | None]) -> None:
        with suppress(OSError):
            while data := source.recv(262144):
                pipe.put((time.monotonic() + self.proxy._delay, data))
        pipe.put(None)

    def _write(self, pipe: queue.SimpleQueue[tuple[float, bytes] | None], sink: socket.socket, look: object) -> None:
        while (entry := pipe.get()) is not None:
            due, data = entry
            if (wait := due - time.monotonic()) > 0:
                time.sleep(wait)
            try:
                passed = look(data)  # type: ignore[operator]
                if passed:
                    sink.sendall(passed)
                if passed is None or self.budget == 0:
                    break
            except OSError:
                break
        self.cut()

    def _up(self, data: bytes) -> bytes | None:
        """What of the client's data goes on; None cuts."""
        faults = self.proxy.faults
        self.proxy.received += data

        def hit(pattern: bytes | None) -> bool:
            return bool(pattern and re.search(pattern, data) and self.proxy.take_fault())

        if hit(faults.cut_before_command):
            return None
        if hit(faults.cut_after_command):
            self.muted = True
            self.server.sendall(data)
            time.sleep(faults.grace)
            return None
        if hit(faults.bye_on_command):
            self.client.sendall(faults.bye)
            return None
        if faults.answer and (found := re.search(faults.answer[0], data)) and self.proxy.take_fault():
            self.client.sendall(found.expand(faults.answer[1]) + b"\r\n")
            return b""
        if faults.cut_after_bytes is not None and hit(faults.cut_armed_by):
            self.budget = faults.cut_after_bytes
        return data

    def _down(self, data: bytes) -> bytes | None:
        if self.muted:
            return b""
        if self.budget is not None:
            data = data[: self.budget]
            self.budget -= len(data)
            return data if self.budget else data + self.proxy.faults.last_words
        return data


if __name__ == "__main__":
    with Proxy(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])) as running:
        sys.stdout.write(f"{running.port}\n")
        sys.stdout.flush()
        sys.stdin.read()
