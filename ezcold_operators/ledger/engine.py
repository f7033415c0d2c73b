"""Opening the ledger's database: SQLite (WAL, FULL, local disk only) or PostgreSQL."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _

BUSY_SECONDS = 30.0
"""How long a writer waits for another writer before the ledger is called unavailable; `?timeout=` of a URL differs."""
SECRETS = frozenset({"password", "passwd", "sslpassword"})
"""Parameters of a URL that nobody may read."""

NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "ncpfs", "fuse.sshfs",
     "fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "beegfs", "gpfs", "ocfs2", "gfs2", "virtiofs"}
)  # fmt: skip


def file_system(path: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """The type of the file system that `path` is, or will be, on; '' where the system does not tell."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    target = path.resolve()
    best, kind = -1, ""
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(fields[1].replace("\\040", " "))
        if (target == point or point in target.parents) and len(point.parts) >= best:
            best, kind = len(point.parts), fields[2]
    return kind


def normalise(url: str) -> URL:
    """A SQLAlchemy URL with the driver named: bare `postgresql://` means other drivers in other SQLAlchemys."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigurationError(
            _("the ledger's URL is not a SQLAlchemy URL: write sqlite:////absolute/path or postgresql+psycopg://...")
        ) from None
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
        raise ConfigurationError(
            _("the ledger can be on SQLite or PostgreSQL, not on {name}").format(name=parsed.get_backend_name())
        )
    if parsed.get_backend_name() == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise ConfigurationError(_("the ledger must be a file: an SQLite database in memory forgets what it owes"))
    return parsed


def shown(url: str | URL) -> str:
    """The URL for a person: no password, neither before the host nor among the parameters."""
    parsed = normalise(url) if isinstance(url, str) else url
    hidden = {key: "***" for key in parsed.query if key.lower() in SECRETS}
    return parsed.update_query_dict(hidden).render_as_string(hide_password=True)


def open_engine(url: str, mounts: Path = Path("/proc/self/mounts")) -> Engine:
    """An engine for the ledger.

    :raises ConfigurationError: no such database, or SQLite on a network file system, where its locks cannot be trusted.
    """
    parsed = normalise(url)
    if parsed.get_backend_name() == "postgresql":
        return create_engine(parsed, pool_pre_ping=True, connect_args={"connect_timeout": 10})
    path = Path(str(parsed.database)).absolute()
    kind = file_system(path, mounts)
    if kind in NETWORK_FILE_SYSTEMS:
        raise ConfigurationError(
            _(
                "the SQLite ledger {path} is on a network file system ({kind}), where its locks cannot be trusted: "
                "put EZCOLD_HOME on a local disk, or the ledger on PostgreSQL by EZCOLD_LEDGER_URL"
            ).format(path=path, kind=kind)
        )
    engine = create_engine(parsed, connect_args={} if "timeout" in parsed.query else {"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: the driver would begin late, and deferred
    # SQLite's own folds ASCII alone, and ILIKE is made of it: "ÉTÉ" must find "été" here as on PostgreSQL.
    connection.create_function("lower", 1, _lower, deterministic=True)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _begin_sqlite(connection: Any) -> None:
    # A writer that begins deferred can meet a deadlock that no busy timeout resolves.
    writes = connection.get_execution_options().get("ezcold_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
