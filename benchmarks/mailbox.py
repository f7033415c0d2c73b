"""A mailbox of believable size on a real Dovecot, with or without a slow line, for the benchmarks of sources."""

from __future__ import annotations

import base64
import os
import pwd
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.dovecot import MAIL_GID, MAIL_UID, Dovecot, Mailbox

PROXY = Path(__file__).parent.parent / "tests" / "servers" / "proxy.py"


def mails(count: int, size: int) -> Iterator[bytes]:
    """Mails with a PDF-like attachment, the same for every run."""
    chance = random.Random(20261124)
    for number in range(count):
        payload = base64.encodebytes(chance.randbytes(size * 3 // 4)).replace(b"\n", b"\r\n")
        head = (
            f"Received: from mx{number % 7}.example.org by ged.example.org; Tue, 24 Nov 2026 10:00:00 +0100\r\n"
            f"From: fournisseur{number}@example.org\r\nTo: factures@example.org\r\nSubject: Facture {number}\r\n"
            f"Message-ID: <{number}@example.org>\r\nMIME-Version: 1.0\r\n"
            'Content-Type: multipart/mixed; boundary="part"\r\n\r\n--part\r\nContent-Type: text/plain\r\n\r\n'
            "Veuillez trouver la facture ci-jointe.\r\n--part\r\nContent-Type: application/pdf\r\n"
            f'Content-Disposition: attachment; filename="facture_{number}.pdf"\r\n'
            "Content-Transfer-Encoding: base64\r\n\r\n"
        )
        yield head.encode() + payload + b"--part--\r\n"


@contextmanager
def filled(count: int, size: int) -> Iterator[tuple[Dovecot, Mailbox]]:
    """A running server and a user with that many mails."""
    with Dovecot(extra="mailbox_list_index = yes") as server:
        box = server.user("bench", "bench")
        for data in mails(count, size):
            box.deliver(data)
        yield server, box


@contextmanager
def line(port: int, seconds: float) -> Iterator[int]:
    """A port behind which the server's lies `seconds` away (there and back), by a proxy in its own process."""
    if not seconds:
        yield port
        return
    command = [sys.executable, str(PROXY), "127.0.0.1", str(port), str(seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdout
        try:
            yield int(proxy.stdout.readline())
        finally:
            proxy.kill()


def measure(name: str, run: Callable[[], tuple[int, int]], repeat: int = 1) -> float:
    """Run and print: seconds (the best of `repeat`), mails, bytes, peak memory of this process so far."""
    best = float("inf")
    done = (0, 0)
    for _ in range(repeat):
        start = time.perf_counter()
        done = run()
        best = min(best, time.perf_counter() - start)
    peak = int(re.findall(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[0]) // 1024
    print(f"{name:<44} {best:8.2f} s  {done[0]:6} mails  {done[1] / 1e6:7.1f} MB  peak {peak:4} MB", flush=True)
    return best


def getmail(retriever: str) -> tuple[int, int]:
    """getmail6 into a Maildir: it writes and syncs files, and under root starts a process for each mail.

    :param retriever: the lines of its [retriever] section.
    """
    with tempfile.TemporaryDirectory() as home:
        box = Path(home) / "box"
        for directory in (box, *(box / part for part in ("cur", "new", "tmp"))):
            directory.mkdir()
            os.chown(directory, MAIL_UID, MAIL_GID)
        Path(home).chmod(0o755)
        user = f"user = {pwd.getpwuid(MAIL_UID).pw_name}\n" if os.getuid() == 0 else ""
        (Path(home) / "rc").write_text(
            f"[retriever]\n{retriever}server = localhost\nusername = bench\npassword = bench\n"
            f"[destination]\ntype = Maildir\npath = {box}/\n{user}"
            "[options]\nread_all = true\ndelete = false\nverbose = 0\n"
        )
        program = Path(sys.executable).parent / "getmail"
        command = [sys.executable, str(program), "--getmaildir", home, "--rcfile", f"{home}/rc"]
        ended = subprocess.run(command, capture_output=True, text=True)
        if ended.returncode:
            raise RuntimeError(ended.stdout[-1000:] + ended.stderr[-1000:])
        files = list((box / "new").iterdir())
        return len(files), sum(file.stat().st_size for file in files)
