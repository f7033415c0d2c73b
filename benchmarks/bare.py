"""What the river cannot do without, each part done barely and alone: no ledger, no proof, no limits, nothing retried.

    python -m benchmarks.bare [--mails 3000] [--size 20000]

The sum says how many raw batch FETCHes a program costs that loses mails at the first kill.
"""

from __future__ import annotations

import argparse
import email
import imaplib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from benchmarks.imap_fetch import raw_batches
from benchmarks.mailbox import filled

T = TypeVar("T")
IMPORTS = "import imaplib, email, pydantic, sqlalchemy.dialects.sqlite, yaml"
BATCH = 200


def fetched(port: int) -> list[bytes]:
    """Every mail, in memory."""
    client = imaplib.IMAP4("localhost", port)
    client.login("bench", "bench")
    client.select("INBOX", readonly=True)
    uids = client.uid("SEARCH", "ALL")[1][0].split()
    found = []
    for start in range(0, len(uids), BATCH):
        parts = client.uid("FETCH", b",".join(uids[start : start + BATCH]).decode(), "(BODY.PEEK[])")[1]
        found += [part[1] for part in parts if isinstance(part, tuple)]
    client.logout()
    return found


def parsed(mails: list[bytes]) -> list[bytes]:
    """The attachments, by the standard library."""
    messages = map(email.message_from_bytes, mails)
    found = [part.get_payload(decode=True) for one in messages for part in one.walk() if part.get_filename()]
    return [data for data in found if isinstance(data, bytes)]


def written(folder: Path, contents: list[bytes]) -> list[str]:
    """A file for each."""
    paths = [f"{folder}/{number}" for number in range(len(contents))]
    for path, data in zip(paths, contents, strict=True):
        with open(path, "wb") as out:  # noqa: PTH123 - a Path costs as much as the file
            out.write(data)
    return paths


def synced(paths: list[str]) -> None:
    """fsync of each, four at a time."""

    def sync(path: str) -> None:
        fd = os.open(path, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(sync, paths))


def moved(port: int) -> None:
    """MOVE of all."""
    client = imaplib.IMAP4("localhost", port)
    client.login("bench", "bench")
    client.create("Fait")
    client.select("INBOX")
    uids = client.uid("SEARCH", "ALL")[1][0].split()
    for start in range(0, len(uids), BATCH):
        client.uid("MOVE", b",".join(uids[start : start + BATCH]).decode(), "Fait")
    client.logout()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=3000)
    parser.add_argument("--size", type=int, default=20_000)
    options = parser.parse_args()
    total = base = 0.0

    def part(name: str, run: Callable[[], T]) -> T:
        nonlocal total, base
        began = time.perf_counter()
        done = run()
        seconds = time.perf_counter() - began
        base = base or seconds
        total += seconds
        print(f"{name:<34} {seconds:6.3f} s  {seconds / base:5.1f}", flush=True)
        return done

    with tempfile.TemporaryDirectory() as folder, filled(options.mails, options.size) as (server, _box):
        raw_batches(server.imap, BATCH)
        part("raw, 200 mails a FETCH, to nowhere", lambda: raw_batches(server.imap, BATCH))
        total = 0.0
        part("start-up", lambda: subprocess.run([sys.executable, "-c", IMPORTS], check=True))
        mails = part("FETCH, kept", lambda: fetched(server.imap))
        documents = part("the standard library's parse", lambda: parsed(mails))
        paths = part("two files a mail", lambda: written(Path(folder), mails + documents))
        part("fsync of each, four at a time", lambda: synced(paths))
        part("MOVE", lambda: moved(server.imap))
        print(f"{'together':<34} {total:6.3f} s  {total / base:5.1f}")


if __name__ == "__main__":
    main()
