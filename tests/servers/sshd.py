"""Debian's OpenSSH server as a plain process: SFTP on a free port, own host keys, a key and no password lets in.

with Sshd() as server:
    server.credentials(); server.kill(); server.start()
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from ezcold_operators.config.credentials import Credentials

PROGRAM = "/usr/sbin/sshd"
CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {run}/host_ed25519
PidFile {run}/pid
AuthorizedKeysFile {run}/authorized_keys
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication yes
KbdInteractiveAuthentication no
MaxStartups 100
PerSourcePenalties no
Subsystem sftp internal-sftp
"""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until something listens."""
    for _attempt in range(600):
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"it did not start: {log.read_text(errors='replace')[-2000:]}")


def signal_all(pid: int, number: signal.Signals) -> None:
    """To a process and all that descend from it."""
    pids = [pid]
    for pid in pids:
        with suppress(OSError):
            pids += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


class Sshd:
    """One server; the whole file system lies behind it."""

    def __init__(self, more: str = "") -> None:
        self.run = Path(tempfile.mkdtemp(prefix="ezcold-sshd-"))
        self.port = free_port()
        for name in ("host_ed25519", "user_ed25519"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-m", "PEM", "-f", str(self.run / name)]
            subprocess.run(command, check=True)
        shutil.copy(self.run / "user_ed25519.pub", self.run / "authorized_keys")
        config = CONFIG.format(port=self.port, run=self.run) + more
        (self.run / "config").write_text(config)
        known = subprocess.run([PROGRAM, "-t", "-f", str(self.run / "config")], capture_output=True, text=True)
        if "PerSourcePenalties" in known.stderr:  # OpenSSH before 9.8
            (self.run / "config").write_text(config.replace("PerSourcePenalties no\n", ""))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)

    def start(self) -> None:
        log = self.run / "log"
        with log.open("ab") as out:
            command = [PROGRAM, "-D", "-e", "-f", str(self.run / "config")]
            self.process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
        wait_for(self.port, self.process, log)

    def kill(self) -> None:
        """Stop it and the processes that serve its clients."""
        signal_all(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.kill()
        shutil.rmtree(self.run, ignore_errors=True)

    def url(self, path: Path) -> str:
        return f"sftp://127.0.0.1:{self.port}{path}"

    def credentials(self, **extra: object) -> Credentials:
        return Credentials(
            conn_id="sftp",
            login=getpass.getuser(),
            extra={
                "private_key": (self.run / "user_ed25519").read_text(),
                "host_key": (self.run / "host_ed25519.pub").read_text(),
                **extra,
            },
        )

    def wrong(self, password: str) -> Credentials:
        """A password that nobody has."""
        host_key = (self.run / "host_ed25519.pub").read_text()
        return Credentials(conn_id="sftp", login=getpass.getuser(), password=password, extra={"host_key": host_key})
