"""Leases: one holder at a time, renewed by a heartbeat, over within 30 s of its death (at once on one machine)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from ezcold_operators.errors import Unavailable
from ezcold_operators.i18n import _
from ezcold_operators.ledger import holders
from ezcold_operators.ledger.tables import lease

if TYPE_CHECKING:
    from ezcold_operators.ledger.ledger import Ledger

LEASE_SECONDS = 25.0
HEARTBEAT_SECONDS = 8.0
POLL_SECONDS = 0.25


class LeaseLost(Unavailable):
    """Our lease ended while we held it (the process was stopped for long): what it guards must not go on."""


class LeaseBusy(Unavailable):
    """Another living run holds it."""


class Lease:
    """A lease in our hands."""

    def __init__(self, ledger: Ledger, name: str, holder: str) -> None:
        self._ledger, self._name, self._holder = ledger, name, holder
        self._until = time.monotonic() + LEASE_SECONDS
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"lease {name}", daemon=True)

    def check(self) -> None:
        """:raises LeaseLost: it is no longer certain that we hold it."""
        if time.monotonic() > self._until - 2:
            raise LeaseLost(_("this run was stopped for too long and lost its place: run it again"))

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            began = time.monotonic()
            try:
                with self._ledger.transaction("lease.renew") as conn:
                    until = self._ledger.now(conn) + LEASE_SECONDS
                    mine = (lease.c.name == self._name) & (lease.c.holder == self._holder)
                    renewed = conn.execute(update(lease).where(mine).values(until=until)).rowcount
            except Unavailable:
                continue  # the lease then simply runs out, and check() says so
            if not renewed:
                self._until = 0.0
                return
            self._until = began + LEASE_SECONDS

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No longer renew it: it ends with this process."""
        self._stop.set()
        self._thread.join(timeout=BUSY_JOIN_SECONDS)

    def release(self) -> None:
        """Let others have it."""
        with self._ledger.transaction("lease.release") as conn:
            conn.execute(delete(lease).where((lease.c.name == self._name) & (lease.c.holder == self._holder)))


BUSY_JOIN_SECONDS = 35.0


def _try(ledger: Ledger, name: str, holder: str) -> bool:
    with ledger.transaction("lease.take") as conn:
        now = ledger.now(conn)
        row = conn.execute(select(lease.c.holder, lease.c.until).where(lease.c.name == name)).first()
        if row is None:
            try:
                with conn.begin_nested():
                    conn.execute(insert(lease).values(name=name, holder=holder, until=now + LEASE_SECONDS))
            except IntegrityError:
                return False
            return True
        if row.until >= now and not holders.is_dead(row.holder):
            return False
        same = (lease.c.name == name) & (lease.c.holder == row.holder) & (lease.c.until == row.until)
        return conn.execute(update(lease).where(same).values(holder=holder, until=now + LEASE_SECONDS)).rowcount == 1


_serial = iter(range(1 << 62))


@contextmanager
def take(ledger: Ledger, name: str, wait: float = 60.0) -> Iterator[Lease]:
    """Hold the lease `name` for the length of the block.

    :param wait: seconds to wait for another holder.
    :raises LeaseBusy: it is still held after that.
    """
    # Two threads of one process are two holders; the suffix stands behind the host, which nobody parses.
    holder = f"{next(_serial)}@{holders.me()}"
    deadline = time.monotonic() + wait
    while not _try(ledger, name, holder):
        if time.monotonic() >= deadline:
            raise LeaseBusy(_("another run is at work on {name}: this one leaves it to that run").format(name=name))
        time.sleep(POLL_SECONDS)
    held = Lease(ledger, name, holder)
    held.start()
    with holders.releasing(held.release):
        try:
            yield held
        finally:
            held.stop()
