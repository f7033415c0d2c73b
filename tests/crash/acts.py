"""What somebody else does to a run's world at a chosen step, called within the run's own process (see zygote.py)."""

from __future__ import annotations

import array
import fcntl
import os
import random
import signal
import termios
import threading
import time
from pathlib import Path

from cryptography.fernet import Fernet

from ezcold_operators.ledger import pages, people
from ezcold_operators.ledger.accounts import Account, AccountStore
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.rooms import prune, replay
from tests.servers.dovecot import Mailbox


def replace_folder(path: str) -> None:
    """A folder's files are moved into a new folder of the same name, as when a share is moved to another disk."""
    folder, old = Path(path), Path(path + ".old")
    folder.rename(old)
    folder.mkdir()
    for entry in old.iterdir():
        entry.rename(folder / entry.name)
    old.rmdir()


def dismiss_all(ledger_url: str, launcher: str) -> None:
    """A person gives up all that a launcher owes."""
    with Ledger.open(ledger_url) as ledger:
        with ledger.read() as conn:
            chosen = people.unfinished(conn, launcher)
        assert replay.dismiss(ledger, people.Decision("person", "anne", "not ours"), chosen, owed=True)


def renumber(home: str, seed: int, how: str) -> None:
    """What a mail server does that was restored ("another validity"), or that lost its index ("other UIDs")."""
    box = Mailbox(Path(home), "", "")
    lines = len((box.folder() / "dovecot-uidlist").read_text().splitlines()) - 1
    if how == "another validity":
        box.edit_uids(validity=box.validity() + 1000)
    else:
        box.edit_uids(order=random.Random(seed).sample(range(lines), lines))


def kill_decoder() -> None:
    """The decoder is killed, as by the kernel when memory is short, once it has something to decode."""
    threading.Thread(target=_kill_when_asked, daemon=True).start()


def _kill_when_asked() -> None:
    while not (decoders := [pid for pid in _children() if b"decoding.worker" in _command(pid)]):
        time.sleep(0.002)
    pid = decoders[0]
    os.kill(pid, signal.SIGSTOP)  # long before its interpreter is up
    requests = os.open(f"/proc/{pid}/fd/0", os.O_RDONLY | os.O_NONBLOCK)
    waiting = array.array("i", [0])
    while not waiting[0]:
        time.sleep(0.002)
        fcntl.ioctl(requests, termios.FIONREAD, waiting)
    os.close(requests)
    os.kill(pid, signal.SIGKILL)


def _children() -> list[int]:
    tasks = Path("/proc/self/task").glob("*/children")
    return [int(pid) for task in tasks for pid in task.read_text().split()]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def forget(ledger_url: str, now: float) -> None:
    """The maintenance, as if every event were old."""
    with Ledger.open(ledger_url) as ledger:
        prune.prune(ledger, 0.0, now)


def link(ledger_url: str, key: str) -> None:
    """An account that is signed in."""
    with Ledger.open(ledger_url) as ledger:
        AccountStore(ledger, Fernet.generate_key().decode()).save(Account(key, "{}"))


def unlink(ledger_url: str) -> None:
    """Somebody forgets it."""
    with Ledger.open(ledger_url) as ledger:
        pages.unlink(ledger, "someone")


def download(ledger_url: str) -> None:
    """Somebody fetches a document through the pages."""
    with Ledger.open(ledger_url) as ledger:
        with ledger.read() as conn:
            row = people.documents(conn, document_id=1)[0]
        pages.downloaded(ledger, people.Decision("pages", "anne"), row)


def count(url: str) -> None:
    """What a survey of an archive found is kept."""
    from ezcold_operators.ledger import counted

    with Ledger.open(url) as ledger:
        counted.note(ledger, "l1", "pages__crash", counted.Count(0.0, 86_400.0, {0.0: 3}, 1, 5.0))
