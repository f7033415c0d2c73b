"""Signed-in accounts on both databases: one writer at a time, over threads and over processes that die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select

from ezcold_operators.ledger.accounts import Account, AccountStore
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.ledger.tables import account as table

KEY = Fernet.generate_key().decode()
HOLDER = """
import sys, time
from ezcold_operators.ledger.accounts import AccountStore
from ezcold_operators.ledger.ledger import Ledger
with Ledger.open(sys.argv[1]) as ledger, AccountStore(ledger, None).lock("k"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    with Ledger.open(url) as opened:
        yield opened


def test_what_is_saved_is_loaded_and_stands_encrypted(ledger: Ledger) -> None:
    store = AccountStore(ledger, KEY)
    assert store.load("k") is None
    store.save(Account("k", "a secret cache", login="a@exemple.fr", tenant="t", expires_at=12.5))
    loaded = store.load("k")
    assert loaded == Account("k", "a secret cache", "o365", "a@exemple.fr", "t", "linked", 12.5, version=1)
    with ledger.read() as conn:
        raw = bytes(conn.execute(select(table.c.cache)).scalar_one())
    assert b"secret" not in raw
    assert Fernet(KEY).decrypt(raw) == b"a secret cache"


def test_writers_with_the_lock_lose_nothing(ledger: Ledger) -> None:
    AccountStore(ledger, KEY).save(Account("k", ""))

    def append(letter: str) -> None:
        store = AccountStore(ledger, KEY)
        for _turn in range(2):
            with store.lock("k"):
                found = store.load("k")
                assert found is not None
                store.save(replace(found, cache=found.cache + letter))

    threads = [threading.Thread(target=append, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = AccountStore(ledger, KEY).load("k")
    assert found is not None
    assert sorted(found.cache) == sorted("aabbccdd")
    assert found.version == 9


def test_a_dead_holder_blocks_nobody(ledger: Ledger, url: str) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, url], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    with AccountStore(ledger, KEY).lock("k"):
        pass
