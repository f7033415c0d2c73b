"""Decoding under guard: a child process reads the hostile bytes, so that a mail can kill or hang only its own decoding.

The child lives as long as the `with` block and decodes one item after another; requests and answers are lines of JSON
on its pipes (secrets travel nowhere else). Dead or late, it costs the item in hand and is started again for the rest.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from ..errors import ConfigurationError, StageUnavailable
from ..i18n import _
from .base import Decoded
from .requests import Answer, Deadline, Decoder, Failure, Queue, Request, Sent
from .wire import decoded_from

AHEAD_BYTES = 32_768
"""Bytes of requests under way: less than a pipe holds, so that writing never blocks."""
PIPE_BYTES = 1 << 20
"""The size that we ask for our pipes (Linux, F_SETPIPE_SZ; fcntl(2)); half of it may then be requests."""
F_SETPIPE_SZ = 1031


@dataclass(frozen=True, slots=True)
class _Gone:
    """The child is dead or late."""

    reason: str


class DecoderProcess(Decoder):
    """A persistent decoder in a child process; a context manager, used by one thread.

    :param deadline: bound on the time of one item.
    :param memory_mb: bound on the child's address space; a bomb ends in a quarantine, not in a swapping machine.
    """

    def __init__(self, deadline: Deadline | None = None, memory_mb: int = 2048) -> None:
        self.deadline = deadline or Deadline()
        self.memory_mb = memory_mb
        self._child: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._buffer = b""
        self._ahead_bytes = AHEAD_BYTES
        self._queue = Queue(self.deadline)

    def __enter__(self) -> DecoderProcess:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop(kill=kind is not None)

    @property
    def pid(self) -> int:
        """The child's process id; another one after a restart. 0 before the start."""
        return self._child.pid if self._child else 0

    @property
    def room(self) -> bool:
        return self._queue.room(self._ahead_bytes)

    @property
    def busy(self) -> bool:
        return bool(self._queue.sent)

    def ready(self) -> bool:
        if not self.busy or self._child is None or self._child.stdout is None:
            return False
        return b"\n" in self._buffer or bool(select.select([self._child.stdout], [], [], 0)[0])

    def send(self, request: Request) -> None:
        if not self.busy and (self._child is None or self._child.poll() is not None):
            self._restart([])
        self._send(self._queue.add(request))

    def receive(self) -> Answer:
        """The answer to what was sent first."""
        first = self._queue.pop()
        answer = self._answer(first.seconds)
        if isinstance(answer, _Gone):
            self._restart([first.request, *(each.request for each in self._queue.sent)])
            for each in self._queue.sent:
                self._send(each)
            answer = Failure(answer.reason)
        elif isinstance(answer, Failure):
            self._clear(first.request)
        return first.request, answer

    # -- the protocol

    def _send(self, sent: Sent) -> None:
        child = self._child
        if child is None or child.stdin is None:
            return
        try:
            child.stdin.write(sent.line)
            child.stdin.flush()
        except (BrokenPipeError, OSError):
            # the answer that does not come says so
            return

    def _answer(self, seconds: float) -> Decoded | Failure | _Gone:
        """The next answer, or why there is none."""
        line = self._read_line(time.monotonic() + seconds)
        if line is None:
            return _Gone(_("decoding took longer than {seconds} s").format(seconds=f"{round(seconds, 1):g}"))
        if not line.endswith(b"\n"):
            return _Gone(self._cause())
        answer = json.loads(line)
        if "disk" in answer:
            raise StageUnavailable(
                _("the stage cannot be written while decoding ({why}): make room or repair it").format(
                    why=answer["disk"]
                )
            )
        if "configuration" in answer:
            raise ConfigurationError(answer["configuration"])
        if "failed" in answer:
            return Failure(answer["failed"])
        return decoded_from(answer)

    def _read_line(self, until: float) -> bytes | None:
        """One line; what there is without a line end if the child is gone; None if time is up."""
        assert self._child is not None
        assert self._child.stdout is not None
        stream = self._child.stdout.fileno()
        while (end := self._buffer.find(b"\n")) < 0:
            left = until - time.monotonic()
            if left <= 0 or not select.select([stream], [], [], left)[0]:
                return None
            piece = os.read(stream, 1 << 16)
            if not piece:
                return b""
            self._buffer += piece
        line, self._buffer = self._buffer[: end + 1], self._buffer[end + 1 :]
        return line

    def _cause(self) -> str:
        """Why the child is gone, with the last line it wrote to its standard error."""
        assert self._child is not None
        code = self._child.wait()
        if code < 0:
            name = signal.Signals(-code).name if -code in signal.valid_signals() else str(-code)
            text = _("the decoder died ({how})").format(how=name)
        else:
            text = _("the decoder died ({how})").format(how=f"exit {code}")
        if self._errors is not None:
            self._errors.seek(max(self._errors.seek(0, os.SEEK_END) - 2000, 0))
            last = self._errors.read().decode("utf-8", "replace").strip().splitlines()[-1:]
            text += f": {last[0][:200]}" if last and last[0].isprintable() else ""
        return text

    # -- the child

    def _start(self) -> None:
        package = str(Path(__file__).resolve().parents[2])
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the child
        self._buffer = b""
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "ezcold_operators.decoding.worker", str(self.memory_mb)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        assert self._child.stdin is not None
        self._ahead_bytes = AHEAD_BYTES
        with suppress(OSError):  # not Linux, or all the pipes that a user may enlarge are
            fcntl.fcntl(self._child.stdin, F_SETPIPE_SZ, PIPE_BYTES)
            self._ahead_bytes = PIPE_BYTES // 2

    def _restart(self, requests: Iterable[Request]) -> None:
        """A new child, after everything that the old one left of these requests is gone: it may have worked ahead."""
        self._stop(kill=True)
        for request in requests:
            self._clear(request)
        self._start()

    def _stop(self, kill: bool) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        if kill:
            child.kill()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    continue
        try:
            child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if self._errors is not None:
            self._errors.close()
            self._errors = None

    @staticmethod
    def _clear(request: Request) -> None:
        """Remove what was written for an item."""
        if request.workdir.is_dir():
            for entry in request.workdir.iterdir():
                if not entry.name.startswith(request.prefix):
                    continue
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry, ignore_errors=True)
                else:
                    entry.unlink(missing_ok=True)
