"""Claims and leases: one holder at a time, over with its death or its time. On SQLite and on PostgreSQL."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from ezcold_operators.ledger import claims, holders
from ezcold_operators.ledger.leases import LEASE_SECONDS, LeaseBusy, LeaseLost
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.ledger.tables import item, lease
from tests.ledger.book import Book, new


@pytest.fixture
def book(ledger: Ledger) -> Book:
    found = Book(ledger)
    found.stage(*(new(f"k{n}") for n in range(1, 6)))
    return found


def claim(book: Book, limit: int = 10, after: int = 0) -> list[int]:
    with book.ledger.transaction("test") as conn:
        return claims.claim(book.ledger, conn, item, item.c.state == "staged", limit, after)


def held_by(book: Book, holder: str, until: float) -> None:
    """Items 1 and 2 are claimed by somebody else."""
    with book.ledger.transaction("test") as conn:
        values = {"claimed_by": holder, "claimed_until": book.ledger.now(conn) + until}
        conn.execute(update(item).where(item.c.id <= 2).values(values))


def dead_process() -> str:
    """A holder of this machine that ended."""
    code = "from ezcold_operators.ledger import holders; print(holders.me())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


OTHER_MACHINE = "elsewhere|another-boot/pid:[1]|17|4711"


def test_claims_come_in_order_and_in_pieces(book: Book) -> None:
    assert claim(book, 2) == [1, 2]
    assert claim(book, 2, after=2) == [3, 4]
    assert claim(book, 9, after=4) == [5]
    assert {holder for _id, holder in book.rows(item.c.id, item.c.claimed_by)} == {holders.me()}


def test_what_the_living_hold_is_left_to_them(book: Book) -> None:
    held_by(book, OTHER_MACHINE, 10)
    assert claim(book) == [3, 4, 5]


def test_a_claim_ends_with_its_time(book: Book) -> None:
    held_by(book, OTHER_MACHINE, -0.001)
    assert claim(book) == [1, 2, 3, 4, 5]


def test_a_claim_ends_at_once_with_its_holder_on_this_machine(book: Book) -> None:
    held_by(book, dead_process(), 1000)
    assert claim(book) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("limit", [1, 2, 3, 9])
def test_what_the_dead_held_is_claimed_in_its_turn(book: Book, limit: int) -> None:
    held_by(book, dead_process(), 1000)
    with book.ledger.transaction("test") as conn:  # 3 is a living one's, 5 is another dead one's
        until = book.ledger.now(conn) + 1000
        for item_id, holder in ((3, OTHER_MACHINE), (5, dead_process())):
            values = {"claimed_by": holder, "claimed_until": until}
            conn.execute(update(item).where(item.c.id == item_id).values(values))
    claimed: list[int] = []
    while some := claim(book, limit, after=max(claimed, default=0)):
        assert len(some) <= limit
        claimed += some
    assert claimed == [1, 2, 4, 5]


def test_a_reused_process_number_is_another_holder() -> None:
    host, machine, pid, start = holders.me().split("|")
    assert not holders.is_dead(holders.me())
    assert holders.is_dead(f"{host}|{machine}|{pid}|{int(start) - 1}")
    assert not holders.is_dead(f"{host}|another/pid:[1]|{pid}|1")
    assert holders.is_dead(dead_process())
    for nonsense in ("", "x", "a|b|c", f"{host}|{machine}|x|1", f"{host}||{pid}|1"):
        assert not holders.is_dead(nonsense)


def test_a_process_that_is_only_not_waited_for_is_dead() -> None:
    code = "from ezcold_operators.ledger import holders; print(holders.me(), flush=True)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        holder = child.stdout.read().strip()  # its end of the pipe closes as it dies
        for _ in range(10_000):
            if holders.is_dead(holder):
                break
        assert holders.is_dead(holder)


def test_claims_are_given_back_after_the_block(book: Book) -> None:
    with claims.renewed(book.ledger, item):
        claim(book, 3)
        held_by(book, OTHER_MACHINE, 10)
        with book.ledger.transaction("test") as conn:
            claims.release(conn, item, [1, 3])
            claims.release(conn, item, [])
        assert [h for _id, h in book.rows(item.c.id, item.c.claimed_by)][:3] == [OTHER_MACHINE, OTHER_MACHINE, None]
        claim(book, 3)
    holding = [holder for _id, holder in book.rows(item.c.id, item.c.claimed_by)]
    assert holding == [OTHER_MACHINE, OTHER_MACHINE, None, None, None]


def test_claims_are_renewed_while_the_block_works(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "HEARTBEAT_SECONDS", 0.01)
    with claims.renewed(book.ledger, item):
        claim(book, 1)
        with book.ledger.transaction("test") as conn:
            conn.execute(update(item).where(item.c.id == 1).values(claimed_until=1.0))
        for _ in range(2000):
            if (until := book.rows(item.c.id, item.c.claimed_until)[0][1]) > 1.0:
                break
        assert until > 1.0


def test_a_lease_has_one_holder(ledger: Ledger) -> None:
    with ledger.lease("acknowledge p") as held:
        held.check()
        with pytest.raises(LeaseBusy, match="acknowledge p"), ledger.lease("acknowledge p", wait=0):
            pass
        with ledger.lease("acknowledge q", wait=0):
            pass
    with ledger.lease("acknowledge p", wait=0):
        pass


def test_only_one_of_many_threads_is_inside_at_a_time(ledger: Ledger) -> None:
    inside, most, done = 0, 0, []
    guard = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(3):
            with ledger.lease("p"):
                with guard:
                    inside += 1
                    most = max(most, inside)
                with guard:
                    inside -= 1
                done.append(1)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (most, len(done)) == (1, 9)


def put_lease(ledger: Ledger, holder: str, until: float) -> None:
    with ledger.transaction("test") as conn:
        conn.execute(lease.insert().values(name="p", holder=holder, until=ledger.now(conn) + until))


@pytest.mark.parametrize("until", [-0.001, 1000])
def test_the_lease_of_the_dead_is_taken_over_at_once(ledger: Ledger, until: float) -> None:
    put_lease(ledger, f"0@{dead_process()}", until)
    with ledger.lease("p", wait=0) as held:
        held.check()


def test_the_lease_of_another_machine_is_taken_when_its_time_is_over(ledger: Ledger) -> None:
    put_lease(ledger, f"0@{OTHER_MACHINE}", 0.4)
    with pytest.raises(LeaseBusy), ledger.lease("p", wait=0):
        pass
    with ledger.lease("p", wait=60):
        pass


def test_a_lease_that_somebody_took_over_is_known_as_lost(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    from ezcold_operators.ledger import leases

    monkeypatch.setattr(leases, "HEARTBEAT_SECONDS", 0.01)
    with ledger.lease("p") as held:
        held.check()
        with ledger.transaction("test") as conn:
            conn.execute(update(lease).values(holder="somebody else"))
        held._thread.join()
        with pytest.raises(LeaseLost):
            held.check()
    rows: list[Any] = []
    with ledger.read() as conn:
        rows = list(conn.execute(lease.select()))
    assert [row.holder for row in rows] == ["somebody else"]


def test_a_lease_outlives_its_first_term_by_its_heartbeat(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    from ezcold_operators.ledger import leases

    monkeypatch.setattr(leases, "HEARTBEAT_SECONDS", 0.01)
    with ledger.lease("p") as held:
        with ledger.transaction("test") as conn:
            conn.execute(update(lease).values(until=1.0))
        until = 1.0
        for _ in range(2000):
            with ledger.read() as conn:
                until = conn.execute(lease.select()).one().until
            if until > 1.0:
                break
        assert until > LEASE_SECONDS
        held.check()


@pytest.mark.parametrize("what", ["claims", "lease"])
def test_an_interrupted_run_does_not_wait_for_a_ledger_that_it_holds_itself(tmp_path: Path, what: str) -> None:
    path = tmp_path / "home" / "ledger.db"
    with Ledger.open(f"sqlite:///{path}?timeout=0.1") as ledger, closing(sqlite3.connect(path)) as cut:
        work = claims.renewed(ledger, item) if what == "claims" else ledger.lease("l")

        def ctrl_c() -> None:
            cut.execute("BEGIN IMMEDIATE")
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt), work:
            ctrl_c()
