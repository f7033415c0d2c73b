"""Bringing the ledger's schema to this version. Alembic is imported only when there is something to migrate."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from ezcold_operators.errors import ConfigurationError, LedgerUnavailable
from ezcold_operators.i18n import _
from ezcold_operators.steps import step

HEAD = "0002"
"""The newest file in migrations/versions; a test holds it against alembic's own answer."""

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "ezcold_version"
_LOCK = 0x657A636F6C64  # "ezcold"


def current(engine: Engine) -> str | None:
    """The revision that the database is at; None if it is empty."""
    with engine.connect() as conn:
        if not inspect(conn).has_table(VERSION_TABLE):
            return None
        return conn.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one_or_none()  # noqa: S608


def ensure_schema(engine: Engine) -> None:
    """Migrate if needed, one process at a time.

    :raises ConfigurationError: the ledger was written by a newer ezcold.
    :raises LedgerUnavailable: its folder cannot be made or written.
    """
    if engine.dialect.name == "sqlite":
        file = Path(str(engine.url.database)).absolute()
        with _writable(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists():
                # Two processes that both turn a new file into WAL do not wait for each other: one at a time.
                with _alone(engine):
                    current(engine)
    if current(engine) == HEAD:
        return
    with _alone(engine):
        if current(engine) != HEAD:
            with step("ledger.migrate"):
                _upgrade(engine)


@contextmanager
def _writable(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        why = _("the ledger {file} cannot be made: {error}; check that its folder exists, its rights and its disk")
        raise LedgerUnavailable(why.format(file=file, error=exc.strerror or type(exc).__name__)) from exc


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    if engine.dialect.name == "postgresql":
        with engine.connect() as conn:
            conn.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
            try:
                yield
            finally:
                conn.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
        return
    with Path(f"{engine.url.database}.migrate").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _upgrade(engine: Engine) -> None:
    from alembic.migration import MigrationContext
    from alembic.operations import Operations
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(MIGRATIONS))
    known = {script.revision for script in scripts.walk_revisions()}
    at = current(engine)
    if at is not None and at not in known:
        raise ConfigurationError(
            _("the ledger is at revision {at}, of a newer ezcold than this one: upgrade ezcold on this machine").format(
                at=at
            )
        )

    def steps(revision: object, context: MigrationContext) -> object:
        return scripts._upgrade_revs("head", at or "base")

    with engine.connect().execution_options(ezcold_writes=True) as conn, conn.begin():
        _run(conn, steps, MigrationContext, Operations)


def _run(conn: Connection, steps: object, context_class: type, operations_class: type) -> None:
    context = context_class.configure(conn, opts={"version_table": VERSION_TABLE, "fn": steps})  # type: ignore[attr-defined]
    with operations_class.context(context):  # type: ignore[attr-defined]
        context.run_migrations()
