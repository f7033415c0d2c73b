"""A PostgreSQL of our own: fresh data directory, free port, no fsync, refused to be root and so run as `postgres`."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

ACCOUNT = "postgres"


def binaries() -> Path | None:
    """The folder of `initdb` and `postgres`: Debian keeps it off the PATH; the newest version wins."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: float(p.parts[-3]))
    if debian:
        return debian[-1].parent
    found = shutil.which("postgres")
    return Path(found).resolve().parent if found else None


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def postgres() -> Iterator[str]:
    """A running server; gives the SQLAlchemy URL of its database `postgres`. Everything is gone afterwards."""
    folder = binaries()
    if folder is None:
        raise FileNotFoundError("postgres is not installed: scripts/system-packages installs it")
    home = Path(tempfile.mkdtemp(prefix="ezcold-pg-"))
    user = ACCOUNT if os.getuid() == 0 else None
    if user:
        shutil.chown(home, user)
    data = home / "data"
    subprocess.run(
        [folder / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
        check=True,
        capture_output=True,
        user=user,
        cwd=home,
    )
    port = free_port()
    server = subprocess.Popen(
        [
            *(folder / "postgres", "-D", data, "-p", str(port), "-k", home, "-h", "127.0.0.1"),
            *("-F", "-c", "full_page_writes=off", "-c", "synchronous_commit=off", "-c", "max_connections=200"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=(home / "log").open("wb"),
        user=user,
        cwd=home,
        start_new_session=True,
    )
    try:
        _wait(folder, port, server, home)
        yield f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        shutil.rmtree(home, ignore_errors=True)


def _wait(folder: Path, port: int, server: subprocess.Popen[bytes], home: Path) -> None:
    deadline = monotonic() + 30
    while subprocess.run(
        [folder / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)], capture_output=True
    ).returncode:
        if server.poll() is not None or monotonic() > deadline:
            raise RuntimeError("postgres did not start: " + (home / "log").read_text(errors="replace"))
        sleep(0.05)
