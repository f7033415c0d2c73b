"""The ledger: one database that knows what was taken, owed and sent. The rooms read and write only here."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from ezcold_operators.errors import LedgerUnavailable
from ezcold_operators.i18n import _
from ezcold_operators.ledger import leases
from ezcold_operators.ledger.engine import open_engine, shown
from ezcold_operators.ledger.schema import ensure_schema
from ezcold_operators.steps import step

_JSON = json.JSONEncoder(separators=(",", ":"), sort_keys=True)


def dump(value: Mapping[str, Any]) -> str:
    """JSON as it stands in a column."""
    return _JSON.encode(value)


class Ledger:
    """Transactions on the ledger's database. Closing it releases the connections, nothing else."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_postgres = engine.dialect.name == "postgresql"

    @classmethod
    def open(cls, url: str) -> Ledger:
        """Open, and migrate to this version's schema.

        :raises ConfigurationError: :raises LedgerUnavailable:
        """
        engine = open_engine(url)
        with _mapped(engine):
            ensure_schema(engine)
        return cls(engine)

    def close(self) -> None:
        self.engine.dispose()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @contextmanager
    def transaction(self, name: str) -> Iterator[Connection]:
        """A writing transaction; it spans no I/O but the database's.

        :param name: the literal step name of its commit, e.g. `fetch.staged`.
        :raises LedgerUnavailable: locked beyond the busy timeout, or down.
        """
        with _mapped(self.engine):
            with self.engine.connect().execution_options(ezcold_writes=True) as conn, conn.begin() as transaction:
                yield conn
                with step(name):
                    transaction.commit()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A reading transaction: one consistent view."""
        with _mapped(self.engine):
            with self.engine.connect() as conn, conn.begin():
                yield conn

    def now(self, conn: Connection) -> float:
        """The database's clock, seconds since the epoch: on PostgreSQL several machines share it."""
        if self.is_postgres:
            return float(conn.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
        return time.time()

    def serialise(self, conn: Connection, name: str) -> None:
        """Let only one transaction at a time hold `name` until its commit (SQLite has one writer anyway)."""
        if self.is_postgres:
            conn.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})

    def lease(self, name: str, wait: float = 60.0) -> AbstractContextManager[leases.Lease]:
        """See leases.take."""
        return leases.take(self, name, wait)


@contextmanager
def _mapped(engine: Engine) -> Iterator[None]:
    try:
        yield
    except DBAPIError as exc:
        # SQLite says a plain DatabaseError of a file that is none of its own, or damaged.
        if isinstance(exc, OperationalError) or exc.connection_invalidated or type(exc.orig) is sqlite3.DatabaseError:
            raise LedgerUnavailable(_sentence(engine, exc)) from exc
        raise


def _sentence(engine: Engine, exc: DBAPIError) -> str:
    where = shown(engine.url)
    why = str(exc.orig).strip().splitlines()[0] if str(exc.orig).strip() else type(exc.orig).__name__
    if "locked" in why:
        return _("the ledger {where} is locked by another process: wait for it to end, then run again").format(
            where=where
        )
    if "disk is full" in why or "disk I/O" in why:
        return _("the disk of the ledger {where} is full or failing: make room, then run again").format(where=where)
    if "readonly" in why or "unable to open" in why:
        return _("the ledger {where} cannot be written: check that its folder exists and its rights").format(
            where=where
        )
    if "malformed" in why or "not a database" in why:
        return _("the ledger {where} is damaged, or no ledger at all: put its last backup in its place").format(
            where=where
        )
    return _("the ledger {where} does not answer: {why}").format(where=where, why=why)
