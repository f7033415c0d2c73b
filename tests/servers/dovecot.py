"""Debian's Dovecot as a plain process: IMAP and POP3 on free ports, its own config and certificates, as root or not.

    with Dovecot() as server:
        box = server.user("anna", "secret")
        box.deliver(b"Subject: x\\r\\n\\r\\nbody")
        server.kill(); server.start()

Mail lies in Maildirs that tests read and spoil as a broken server or a person would.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import trustme
from imapclient.imap_utf7 import encode as utf7

PROGRAM = "/usr/sbin/dovecot"
MAIL_UID, MAIL_GID = (8, 8) if os.getuid() == 0 else (os.getuid(), os.getgid())

CONFIG = """
protocols = imap pop3
base_dir = {run}/base
state_dir = {run}/state
log_path = {run}/log
listen = 127.0.0.1
ssl = yes
ssl_cert = <{run}/cert.pem
ssl_key = <{run}/key.pem
disable_plaintext_auth = no
auth_failure_delay = 0
auth_mechanisms = plain login xoauth2 oauthbearer
auth_cache_size = 0
mail_location = maildir:~/Maildir
mail_max_userip_connections = 200
mail_fsync = never
first_valid_uid = 1
pop3_no_flag_updates = no
namespace inbox {{
  inbox = yes
  separator = {separator}
  prefix = {prefix}
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {run}/users/%u
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {run}/users/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {pop}
  }}
  inet_listener pop3s {{
    port = {pops}
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
{identity}
{extra}
"""
WATCHER = """
import os, shutil, sys
sys.stdin.read()
os.killpg(int(sys.argv[1]), 9)
shutil.rmtree(sys.argv[2], ignore_errors=True)
"""
"""Waits until the test run is gone, however it ended, so that no server is left behind."""
UNPRIVILEGED = """
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
"""


def free_port() -> int:
    """A port of the loopback that nobody uses now, nor gets by chance: systems give clients ports above these."""
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        if can_listen(port):
            return port


def free_ports(count: int) -> list[int]:
    """So many different ones."""
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)


def can_listen(port: int) -> bool:
    """Whether a server could listen there now; connections that are over do not matter."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@dataclass(frozen=True, slots=True)
class Mail:
    """One file of a Maildir."""

    path: Path
    flags: str
    data: bytes


class Mailbox:
    """One user's mail, seen from the disk."""

    def __init__(self, home: Path, login: str, password: str) -> None:
        self.home, self.login, self.password = home, login, password
        self.root = home / "Maildir"
        self._count = 0

    def folder(self, name: str = "INBOX") -> Path:
        """The Maildir of a folder, made if absent; `/` separates, as in a launcher."""
        path = self.root
        if name.upper() != "INBOX":
            path /= "." + utf7(name.replace("/", ".")).decode()
        for directory in (self.home, self.root, path, *(path / part for part in ("cur", "new", "tmp"))):
            if not directory.exists():
                directory.mkdir(parents=True)
                os.chown(directory, MAIL_UID, MAIL_GID)
        return path

    def exists(self, name: str) -> bool:
        """Whether the folder is there."""
        return (self.root / ("." + utf7(name.replace("/", ".")).decode())).is_dir()

    def deliver(self, data: bytes, folder: str = "INBOX", received: float | None = None) -> str:
        """A mail arrives; gives the base of its file name."""
        self._count += 1
        base = f"{time.time_ns() // 1000}.{self._count:06d}.test"
        path = self.folder(folder)
        part = path / "tmp" / base
        part.write_bytes(data)
        os.chown(part, MAIL_UID, MAIL_GID)
        if received is not None:
            os.utime(part, (received, received))
        part.rename(path / "new" / base)
        return base

    def mails(self, folder: str = "INBOX") -> list[Mail]:
        """What is in a folder, those flagged as deleted too, in order of arrival."""
        path = self.root if folder.upper() == "INBOX" else self.root / ("." + utf7(folder.replace("/", ".")).decode())
        files = [file for part in ("new", "cur") if (path / part).is_dir() for file in (path / part).iterdir()]
        return [Mail(f, f.name.partition(":2,")[2], f.read_bytes()) for f in sorted(files, key=lambda f: f.name)]

    def remove(self, base: str, folder: str = "INBOX") -> None:
        """Somebody else deletes a mail."""
        for mail in self.mails(folder):
            if mail.path.name.partition(":")[0].partition(",")[0] == base:
                mail.path.unlink()
                return
        raise LookupError(base)

    def lose_index(self, folder: str = "INBOX") -> None:
        """The server's index files are lost, but not the list of UIDs."""
        for file in self.folder(folder).glob("dovecot.index*"):
            file.unlink()

    def edit_uids(self, folder: str = "INBOX", validity: int | None = None, order: list[int] | None = None) -> None:
        """Rewrite the list of UIDs: another UIDVALIDITY, or the same one with the UIDs given to other mails.

        :param order: positions into today's list; the n-th UID goes to the mail at position order[n]; mails left
            out get a new UID when the server next looks.
        """
        file = self.folder(folder) / "dovecot-uidlist"
        head, *lines = file.read_text().splitlines()
        if validity is not None:
            head = re.sub(r" V\d+", f" V{validity}", head)
        entries = [line.partition(" ") for line in lines]
        if order is not None:
            uids = [uid for uid, _, _ in entries]
            rests = [rest for _, _, rest in entries]
            entries = [(uid, " ", rests[place]) for uid, place in zip(uids, order, strict=False)]
        self.lose_index(folder)
        file.write_text("\n".join([head, *("".join(entry) for entry in entries)]) + "\n")

    def validity(self, folder: str = "INBOX") -> int:
        """UIDVALIDITY as the server keeps it."""
        head = (self.folder(folder) / "dovecot-uidlist").read_text().splitlines()[0]
        found = re.search(r" V(\d+)", head)
        assert found
        return int(found[1])


class Dovecot:
    """One server; a context manager that also cleans up."""

    def __init__(self, separator: str = "/", prefix: str = "", extra: str = "") -> None:
        self.run = Path(tempfile.mkdtemp(prefix="dv"))
        self.run.chmod(0o755)
        self.imap, self.imaps, self.pop, self.pops = free_ports(4)
        self.host = "localhost"
        self.ca = trustme.CA()
        self.ca_file = self.run / "ca.pem"
        self.ca.cert_pem.write_to_path(str(self.ca_file))
        self.certify()
        (self.run / "users").mkdir()
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        identity = ""
        if os.getuid() != 0:
            import grp
            import pwd

            identity = UNPRIVILEGED.format(
                user=pwd.getpwuid(os.getuid()).pw_name, group=grp.getgrgid(os.getgid()).gr_name
            )
        ports = {"imap": self.imap, "imaps": self.imaps, "pop": self.pop, "pops": self.pops}
        self.config = self.run / "dovecot.conf"
        self.config.write_text(
            CONFIG.format(run=self.run, separator=separator, prefix=prefix, identity=identity, extra=extra, **ports)
        )

    def certify(self, **options: object) -> None:
        """Make the server's certificate (again): e.g. `not_after=` in the past, `ca=` another authority."""
        ca = options.pop("ca", self.ca)
        assert isinstance(ca, trustme.CA)
        certificate = ca.issue_cert("localhost", "127.0.0.1", **options)  # type: ignore[arg-type]
        certificate.private_key_pem.write_to_path(str(self.run / "key.pem"))
        (self.run / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.run, ignore_errors=True)

    def start(self) -> None:
        """Start and wait until every port greets."""
        command = [PROGRAM, "-F", "-c", str(self.config)]
        self._process = subprocess.Popen(
            command,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stderr=(self.run / "stderr").open("wb"),
        )
        self._watcher = subprocess.Popen(
            [sys.executable, "-S", "-c", WATCHER, str(self._process.pid), str(self.run)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        deadline = time.monotonic() + 20
        for port in (self.imap, self.pop):
            while True:
                try:
                    with socket.create_connection(("127.0.0.1", port), timeout=10) as probe:
                        if probe.recv(1):
                            break
                except OSError:
                    pass
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"Dovecot does not start: {self.logs()}")
                time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL to all its processes."""
        if self._process is None:
            return
        if self._watcher is not None:
            self._watcher.kill()
            self._watcher.communicate()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        # Its children die a moment later, and hold the sockets until then.
        deadline = time.monotonic() + 20
        while not all(map(can_listen, (self.imap, self.imaps, self.pop, self.pops))) and time.monotonic() < deadline:
            time.sleep(0.005)
        shutil.rmtree(self.run / "base", ignore_errors=True)

    def stop(self) -> None:
        """An orderly end."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self.kill()

    def quiet(self, login: str) -> None:
        """Wait until the server has noticed that the user's sessions are over; it writes its lists when they end."""
        command = ["/usr/bin/doveadm", "-c", str(self.config), "who", "-1", login]
        deadline = time.monotonic() + 20
        while login in subprocess.run(command, capture_output=True, text=True).stdout.split():
            if time.monotonic() > deadline:
                raise RuntimeError(f"a session of {login} does not end")
            time.sleep(0.02)

    def logs(self) -> str:
        """What it wrote."""
        return "".join(f.read_text(errors="replace") for f in (self.run / "stderr", self.run / "log") if f.exists())

    def user(self, login: str, password: str) -> Mailbox:
        """A new user with an empty mailbox."""
        home = self.run / "mail" / login
        home.mkdir(parents=True)
        for directory in (home.parent, home):
            os.chown(directory, MAIL_UID, MAIL_GID)
        # One file a user: Dovecot reads a changed file again only if its time differs by a second.
        entry = f"{login}:{{PLAIN}}{password}:{MAIL_UID}:{MAIL_GID}::{home}::\n"
        (self.run / "users" / login).write_text(entry, encoding="utf-8")
        return Mailbox(home, login, password)
