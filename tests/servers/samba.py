"""Debian's Samba as a plain process: one share on a free port, own user database.

with Samba() as server:
    server.share / "in"; server.credentials(); server.kill(); server.start()
"""

from __future__ import annotations

import getpass
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from ezcold_operators.config.credentials import Credentials
from tests.servers.sshd import free_port, wait_for

PROGRAM = "/usr/sbin/smbd"
PASSWORD = "s3cret-Pa$$word"
CONFIG = """
[global]
server role = standalone server
interfaces = 127.0.0.1
bind interfaces only = yes
disable netbios = yes
smb ports = {port}
private dir = {run}/private
lock directory = {run}/lock
state directory = {run}/state
cache directory = {run}/cache
pid directory = {run}/pid
ncalrpc dir = {run}/ncalrpc
passdb backend = tdbsam:{run}/private/passdb.tdb
log file = {run}/log
map to guest = never
server min protocol = SMB2_10
load printers = no
printing = bsd
strict sync = yes
deadtime = 1

[share]
path = {share}
read only = no
"""


class Samba:
    """One server with one share, `\\\\127.0.0.1\\share`."""

    def __init__(self) -> None:
        self.run = Path(tempfile.mkdtemp(prefix="ezcold-samba-"))
        self.share = self.run / "share"
        for name in ("private", "lock", "state", "cache", "pid", "ncalrpc", "share"):
            (self.run / name).mkdir(mode=0o755)
        self.port = free_port()
        (self.run / "smb.conf").write_text(CONFIG.format(port=self.port, run=self.run, share=self.share))
        subprocess.run(
            ["smbpasswd", "-c", str(self.run / "smb.conf"), "-L", "-s", "-a", getpass.getuser()],
            input=f"{PASSWORD}\n{PASSWORD}\n",
            text=True,
            check=True,
            capture_output=True,
        )

    def start(self) -> None:
        log = self.run / "out"
        with log.open("ab") as out:
            command = [PROGRAM, "--foreground", "--no-process-group", f"--configfile={self.run / 'smb.conf'}"]
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
        wait_for(self.port, self.process, log)

    def kill(self) -> None:
        """Stop it and the processes that serve its clients."""
        self.process.terminate()
        self.process.wait(10)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.kill()
        shutil.rmtree(self.run, ignore_errors=True)

    def url(self, path: Path) -> str:
        return f"smb://127.0.0.1:{self.port}/share/{path.relative_to(self.share)}"

    def credentials(self, password: str = PASSWORD, **extra: object) -> Credentials:
        return Credentials(conn_id="smb", login=getpass.getuser(), password=password, extra=extra)
