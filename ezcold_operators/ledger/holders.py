"""Who holds a claim or a lease: a process, named so that others on its machine can see that it died."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

PROC = Path("/proc")


def _start_time(pid: int) -> str:
    """Start time in clock ticks since boot (proc(5), field 22 of stat); "" if there is no such process."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    fields = stat.rsplit(")", 1)[-1].split()
    if fields[0] in {"Z", "X"}:  # dead, only not yet waited for
        return ""
    return fields[19]


@lru_cache(maxsize=1)
def _machine() -> str:
    """Boot and process namespace: only inside one of these does a process number mean something."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115
    except OSError:
        return ""


def me() -> str:
    """This process as a holder: host|machine|pid|start time."""
    pid = os.getpid()
    return f"{socket.gethostname()}|{_machine()}|{pid}|{_start_time(pid)}"


def is_dead(holder: str) -> bool:
    """True only if the holder ran on this machine and is certainly gone; False says nothing."""
    parts = holder.split("|")
    if len(parts) != 4 or not parts[1] or parts[1] != _machine() or not parts[2].isdigit():
        return False
    return _start_time(int(parts[2])) != parts[3]


@contextmanager
def releasing(release: Callable[[], None]) -> Iterator[None]:
    """Give up what is held at the end of the block.

    Not after Ctrl-C: a transaction of ours that was cut may hold the ledger still; what a dead process held is free.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException:
        release()
        raise
    release()
