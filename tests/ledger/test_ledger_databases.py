"""Opening a ledger: two databases, migrations, what is refused and in which words."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from ezcold_operators.errors import ConfigurationError, LedgerUnavailable
from ezcold_operators.ledger import schema
from ezcold_operators.ledger.engine import file_system, open_engine, shown
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.ledger.tables import metadata

SECRET = "hunter2-planted"


def one_line(error: pytest.ExceptionInfo[Exception]) -> str:
    sentence = str(error.value)
    assert sentence.count("\n") == 0
    return sentence


def test_head_is_the_newest_migration() -> None:
    assert ScriptDirectory(str(schema.MIGRATIONS)).get_heads() == [schema.HEAD]


def test_the_migrations_make_the_tables_of_the_code(ledger: Ledger) -> None:
    with ledger.engine.connect() as conn:
        context = MigrationContext.configure(conn, opts={"version_table": schema.VERSION_TABLE, "compare_type": True})
        found = compare_metadata(context, metadata)
        # Only PostgreSQL has them, and only where its extension pg_trgm is there.
        assert [one for one in found if not str(getattr(one[1], "name", "")).endswith("_trigrams")] == []
    assert schema.current(ledger.engine) == schema.HEAD


def test_the_partial_indexes_have_the_conditions_that_the_code_names(ledger: Ledger) -> None:
    named = {i.name: i.info["where"] for table in metadata.tables.values() for i in table.indexes if i.info}
    assert len(named) == 3
    query = (
        "SELECT indexname, indexdef FROM pg_indexes" if ledger.is_postgres else "SELECT name, sql FROM sqlite_master"
    )
    with ledger.read() as conn:
        made = {name: sql.partition(" WHERE ")[2] for name, sql in conn.execute(text(query)) if name in named}
    # PostgreSQL tells them with brackets and casts of its own.
    assert {name: re.sub(r"[()]|::\w+", "", where) for name, where in made.items()} == named


def test_every_earlier_ledger_is_brought_to_this_version(ledger_url: str) -> None:
    engine = open_engine(ledger_url)
    scripts = ScriptDirectory(str(schema.MIGRATIONS))
    with pytest.MonkeyPatch.context() as patch:
        for script in reversed(list(scripts.walk_revisions())):
            patch.setattr(schema, "HEAD", script.revision)
            schema.ensure_schema(engine)
    engine.dispose()
    with Ledger.open(ledger_url) as opened:
        assert schema.current(opened.engine) == ScriptDirectory(str(schema.MIGRATIONS)).get_current_head()


def test_a_newer_schema_is_refused_and_left_as_it_is(ledger_url: str) -> None:
    with Ledger.open(ledger_url) as opened, opened.transaction("test") as conn:
        conn.execute(text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(ConfigurationError) as error:
        Ledger.open(ledger_url)
    assert "9999" in one_line(error)
    engine = open_engine(ledger_url)
    assert schema.current(engine) == "9999"
    engine.dispose()


def test_many_processes_open_a_new_ledger_at_once(ledger_url: str) -> None:
    code = """
import sys
from ezcold_operators.ledger.ledger import Ledger
print("ready", flush=True)
sys.stdin.readline()
with Ledger.open(sys.argv[1]) as ledger, ledger.transaction("test") as conn:
    ledger.now(conn)
"""
    command = [sys.executable, "-c", code, ledger_url]
    pipe = subprocess.PIPE
    some = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(4)]
    for one in some:
        assert one.stdout
        assert one.stdout.readline() == "ready\n"
    for one in some:
        assert one.stdin
        one.stdin.write("\n")
        one.stdin.flush()
    assert [(one.communicate()[1], one.returncode) for one in some] == [("", 0)] * len(some)


def test_sqlite_is_durable_and_its_writers_begin_as_writers(tmp_path: Path) -> None:
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        with ledger.read() as conn:
            pragmas = [conn.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
            assert pragmas == ["wal", 2]
        other = sqlite3.connect(tmp_path / "ledger.db", timeout=0, isolation_level=None)
        with ledger.transaction("test"), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        with ledger.read():
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
        other.close()


def test_a_locked_ledger_is_unavailable_after_its_timeout_and_can_still_be_read(tmp_path: Path) -> None:
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db?timeout=0.2") as ledger:
        other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with ledger.read() as conn:
            assert conn.execute(text("SELECT count(*) FROM item")).scalar() == 0
        with pytest.raises(LedgerUnavailable, match="locked by another process") as error:
            with ledger.transaction("test"):
                pass
        assert f"{tmp_path}/ledger.db" in one_line(error)
        other.close()
        with ledger.transaction("test"):
            pass


def test_an_error_in_a_transaction_takes_all_of_it_back(ledger: Ledger) -> None:
    def twice() -> None:
        with ledger.transaction("test") as conn:
            for _again in range(2):
                conn.execute(text("INSERT INTO lease (name, holder, until) VALUES ('a', 'b', 1)"))

    with pytest.raises(sqlalchemy.exc.IntegrityError):
        twice()
    with ledger.read() as conn:
        assert conn.execute(text("SELECT count(*) FROM lease")).scalar() == 0


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "9p"])
def test_sqlite_on_a_network_file_system_is_refused(tmp_path: Path, kind: str) -> None:
    mounts = tmp_path / "mounts"
    share = tmp_path / "a share"
    share.mkdir()
    escaped = str(share).replace(" ", "\\040")
    mounts.write_text(f"overlay / overlay rw 0 0\nserver:/x {escaped} {kind} rw 0 0\ntmpfs {escaped}2 tmpfs rw 0 0\n")
    with pytest.raises(ConfigurationError) as error:
        open_engine(f"sqlite:///{share}/below/ledger.db", mounts)
    assert kind in one_line(error)
    assert "EZCOLD_LEDGER_URL" in str(error.value)
    assert list(share.iterdir()) == []
    (tmp_path / "link").symlink_to(share)
    with pytest.raises(ConfigurationError):
        open_engine(f"sqlite:///{tmp_path}/link/ledger.db", mounts)
    open_engine(f"sqlite:///{share}2/ledger.db", mounts).dispose()
    assert file_system(tmp_path, tmp_path / "no such file") == ""


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://x/y", "sqlite://", "sqlite:///:memory:"])
def test_what_is_no_ledger_is_a_sentence(url: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        Ledger.open(url)
    one_line(error)


def test_no_password_is_shown(tmp_path: Path) -> None:
    url = f"postgresql://anne:{SECRET}@db.example:5433/ez?password={SECRET}&sslmode=require"
    assert SECRET not in shown(url)
    assert "anne:***@db.example:5433/ez" in shown(url)
    port = 1  # nothing listens there
    with pytest.raises(LedgerUnavailable) as error:
        Ledger.open(f"postgresql://anne:{SECRET}@127.0.0.1:{port}/ez?password={SECRET}")
    assert SECRET not in one_line(error)
    assert "127.0.0.1" in str(error.value)


def test_a_refused_login_to_the_database_is_a_sentence(postgres_url: str) -> None:
    server = sqlalchemy.make_url(postgres_url)
    with pytest.raises(LedgerUnavailable) as error:
        Ledger.open(server.set(database="no_such_database").render_as_string(hide_password=False))
    assert "no_such_database" in one_line(error)


def test_bare_postgresql_means_our_driver(postgres_url: str) -> None:
    bare = postgres_url.replace("postgresql+psycopg://", "postgres://")
    with Ledger.open(bare) as ledger:
        assert ledger.engine.url.drivername == "postgresql+psycopg"


def test_a_file_that_is_no_ledger_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"this is not a database at all\n" * 200)
    with pytest.raises(LedgerUnavailable, match="damaged") as error:
        Ledger.open(f"sqlite:///{tmp_path}/ledger.db")
    one_line(error)


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerUnavailable) as error:
        Ledger.open(f"sqlite:///{tmp_path}/file/home/ledger.db")
    one_line(error)
    (tmp_path / "folder" / "ledger.db").mkdir(parents=True)
    with pytest.raises(LedgerUnavailable) as error:
        Ledger.open(f"sqlite:///{tmp_path}/folder/ledger.db")
    one_line(error)


@pytest.mark.skipif(os.getuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(LedgerUnavailable) as error:
        Ledger.open(f"sqlite:///{tmp_path}/ledger.db")
    tmp_path.chmod(0o700)
    one_line(error)
