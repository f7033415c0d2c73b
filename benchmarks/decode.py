"""Decoding beside its peers: the same mails, in one run, in one process each, on this machine.

    python benchmarks/decode.py

Every reader gets the mail as a file and must have every attachment's decoded bytes hashed; ours also writes them to
files, which is what it is for (in /dev/shm where there is one: readers are compared, not disks). Then one mail
with a 300 MB attachment, for peak memory. The peers come with `bench`
(pyproject.toml); one that is not installed is left out, and said so.
"""

from __future__ import annotations

import base64
import email
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ezcold_operators.decoding import Options, decode
from ezcold_operators.decoding.guard import DecoderProcess
from ezcold_operators.decoding.requests import Request

SIZES = ((20_000, 600), (100_000, 200), (1_000_000, 40), (10_000_000, 6))
BIG = 300_000_000


def mail(size: int, seed: int) -> bytes:
    """A mail with alternative bodies and two attachments that make up its size."""
    chance = random.Random(seed)
    head = (
        f"From: Marie Dupont <marie@example.fr>\r\nTo: ged@example.fr\r\nSubject: =?utf-8?Q?Relev=C3=A9_{seed}?=\r\n"
        f"Date: Tue, 03 Mar 2026 09:15:00 +0100\r\nMessage-ID: <{seed}@example.fr>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/mixed; boundary="=_o"\r\n\r\n--=_o\r\n'
        'Content-Type: multipart/alternative; boundary="=_i"\r\n\r\n'
        "--=_i\r\nContent-Type: text/plain\r\n\r\nBonjour\r\n"
        "--=_i\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>Bonjour=20</p>\r\n"
        "--=_i--\r\n"
    ).encode()
    parts = b"".join(
        f'--=_o\r\nContent-Type: application/pdf; name="piece{n}.pdf"\r\nContent-Transfer-Encoding: base64\r\n'
        f'Content-Disposition: attachment; filename="piece{n}.pdf"\r\n\r\n'.encode()
        + base64.encodebytes(chance.randbytes(int(size * 0.36))).replace(b"\n", b"\r\n")
        for n in (1, 2)
    )
    return head + parts + b"--=_o--\r\n"


def ours(file: Path, work: Path) -> list[str]:
    """This project, with every document written to a file."""
    folder = Path(tempfile.mkdtemp(dir=work))
    return [one.sha256 for one in decode(file, folder, Options()).documents]


def stdlib(file: Path, work: Path) -> list[str]:
    """email, policy compat32, attachments decoded."""
    message = email.message_from_bytes(file.read_bytes())
    return [
        hashlib.sha256(part.get_payload(decode=True)).hexdigest()  # type: ignore[arg-type]
        for part in message.walk()
        if part.get_filename()
    ]


def imap_tools(file: Path, work: Path) -> list[str]:
    """imap_tools.MailMessage."""
    from imap_tools import MailMessage

    message = MailMessage.from_bytes(file.read_bytes())
    return [hashlib.sha256(one.payload).hexdigest() for one in message.attachments]


def mail_parser(file: Path, work: Path) -> list[str]:
    """mail-parser, with the base64 it leaves to its callers."""
    import mailparser

    message = mailparser.parse_from_bytes(file.read_bytes())
    return [hashlib.sha256(base64.b64decode(one["payload"])).hexdigest() for one in message.attachments]


READERS: dict[str, Callable[[Path, Path], list[str]]] = {
    "ezcold": ours, "stdlib": stdlib, "imap_tools": imap_tools, "mail-parser": mail_parser,
}  # fmt: skip


def compare(folder: Path) -> None:
    """Mails per second and MB per second, per size and reader; everyone must find the same bytes."""
    for size, count in SIZES:
        files = []
        for n in range(count):
            files.append(folder / f"{size}-{n}.eml")
            files[-1].write_bytes(mail(size, n))
        truth = [stdlib(file, folder) for file in files]
        for name, reader in READERS.items():
            try:
                reader(files[0], folder)
            except ImportError:
                print(f"{size:>11,} B  {name:<12} not installed")
                continue
            work = Path(tempfile.mkdtemp(dir=folder))
            start = time.perf_counter()
            found = [reader(file, work) for file in files]
            seconds = time.perf_counter() - start
            shutil.rmtree(work)
            megabytes = sum(file.stat().st_size for file in files) / 1e6
            wrong = "" if found == truth else "  DIFFERENT BYTES"
            print(f"{size:>11,} B  {name:<12} {count / seconds:>9.1f} mails/s {megabytes / seconds:>8.1f} MB/s{wrong}")
        for file in files:
            file.unlink()


def river(folder: Path, count: int = 3000) -> None:
    """What a run does: many small mails through the guarded child, files written and hashed."""
    data = mail(20_000, 0)
    for n in range(count):
        (folder / f"{n}.eml").write_bytes(data)
    start = time.perf_counter()
    with DecoderProcess() as decoder:
        found = sum(1 for _ in decoder.map(Request(folder / f"{n}.eml", folder / f"w{n}") for n in range(count)))
    print(f"guarded child: {found} mails of {len(data)} B in {time.perf_counter() - start:.2f} s, start-up included")


def memory(folder: Path) -> None:
    """Peak memory of a child of our own that decodes one mail with a big attachment."""
    file = folder / "big.eml"
    piece = base64.encodebytes(os.urandom(57 * 10_000))
    with file.open("wb") as out:
        out.write(b"Subject: x\nContent-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\n")
        for _ in range(BIG // 570_000):
            out.write(piece)
    program = (
        "import sys, time; from pathlib import Path; from ezcold_operators.decoding import Options, decode\n"
        "def rss(): return int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])\n"
        "base = rss(); start = time.perf_counter()\n"
        "found = decode(Path(sys.argv[1]), Path(sys.argv[2]), Options()).documents\n"
        "peak = rss()\n"
        "print(f'one attachment of {found[0].size / 1e6:.0f} MB: {time.perf_counter() - start:.2f} s, '\n"
        "      f'peak {peak // 1024} MB of which {base // 1024} MB before')\n"
        "sys.exit(peak > 100 * 1024)\n"
    )
    (folder / "out").mkdir()
    subprocess.run([sys.executable, "-c", program, str(file), str(folder / "out")], check=True)


def main() -> None:
    """All three, in a temporary folder."""
    memory_disk = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with (
        tempfile.TemporaryDirectory(prefix="ezcold-bench-", dir=memory_disk) as fast,
        tempfile.TemporaryDirectory(prefix="ezcold-bench-") as name,
    ):
        compare(Path(fast))
        folder = Path(name)
        (folder / "river").mkdir()
        river(folder / "river")
        memory(folder)


if __name__ == "__main__":
    main()
