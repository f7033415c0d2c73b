"""Processes that the demo starts, and that are gone when it ends, whatever they start themselves."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import current_thread, main_thread

import psutil

GRACE_SECONDS = 6.0


def free_port(preferred: int = 0) -> int:
    """The preferred port of 127.0.0.1, or where it is taken (or 0) any free one."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise OSError("127.0.0.1 has no free port")


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C while the first is obeyed would leave processes behind."""
    if current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Processes:
    """A set of commands, each in a session of its own with a log file of its own; leaving it ends them all."""

    def __init__(self, logs: Path, env: Mapping[str, str]) -> None:
        self.logs = logs
        self.env = dict(env)
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.seen: dict[int, psutil.Process] = {}

    def __enter__(self) -> Processes:
        self.logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start it; what it prints goes to `<name>.log`."""
        with (self.logs / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def dead(self) -> str | None:
        """One that ended by itself, with the end of its log; None while all run."""
        self._look()
        for name, process in self.running.items():
            if process.poll() is not None:
                tail = (self.logs / f"{name}.log").read_text(errors="replace").splitlines()[-15:]
                return "\n".join([f"{name} ended ({process.returncode}); {self.logs / name}.log says:", *tail])
        return None

    def stop(self) -> None:
        """End every one and all their descendants: politely, then, those that do not listen, for good."""
        with _undisturbed():
            self._stop()

    def _stop(self) -> None:
        self._look()
        for process in self.running.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        _, deaf = psutil.wait_procs(list(self.seen.values()), timeout=GRACE_SECONDS)
        for one in deaf:
            self._look_below(one)
        for one in self.seen.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(list(self.seen.values()), timeout=GRACE_SECONDS)
        for process in self.running.values():
            process.wait()
        self.running.clear()
        self.seen.clear()

    def _look(self) -> None:
        """Remember who descends from us while the parents still live: an orphan names no parent."""
        for process in self.running.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                self._look_below(psutil.Process(process.pid))

    def _look_below(self, root: psutil.Process) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            for one in (root, *root.children(recursive=True)):
                self.seen[one.pid] = one
