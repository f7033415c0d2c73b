"""Shared by every test: the language, what a missing server means, and the servers themselves."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ["EZCOLD_LANG"] = "en"
for leaked in ("EZCOLD_LEDGER_URL", "EZCOLD_HOME", "EZCOLD_LAUNCHERS_DIR", "EZCOLD_SCENARIOS", "EZCOLD_FERNET_KEY"):
    os.environ.pop(leaked, None)

# Every process (a worker of xdist too) has an Airflow of its own, set before anything imports Airflow.
AIRFLOW_HOME = Path(tempfile.mkdtemp(prefix="ezcold-airflow-"))
atexit.register(shutil.rmtree, AIRFLOW_HOME, ignore_errors=True)
(AIRFLOW_HOME / "dags").mkdir()
os.environ |= {
    "AIRFLOW_HOME": str(AIRFLOW_HOME),
    "AIRFLOW__CORE__DAGS_FOLDER": str(AIRFLOW_HOME / "dags"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(AIRFLOW_HOME / "plugins"),
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{AIRFLOW_HOME / 'airflow.db'}",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
}

PROGRAMS: dict[str, tuple[str, ...]] = {
    "dovecot": ("/usr/sbin/dovecot",),
    "postgres": ("/usr/lib/postgresql/*/bin/postgres", "/usr/bin/postgres", "/usr/local/bin/postgres"),
    "sshd": ("/usr/sbin/sshd",),
    "samba": ("/usr/sbin/smbd",),
    "redis": ("/usr/bin/redis-server",),
    "chromium": ("/usr/bin/chromium",),
}
MARKS = {"dovecot": ("dovecot",), "postgres": ("postgres",), "samba": ("samba",), "sshd": ("sshd",)} | {
    "browser": ("chromium",),
    "celery": ("redis", "postgres"),
}


def installed(program: str) -> bool:
    """Is one of Debian's servers on this machine?"""
    places = PROGRAMS[program]
    return any(any(Path("/").glob(place.lstrip("/"))) for place in places) or shutil.which(program) is not None


def require(*programs: str) -> None:
    """Skip this test where a server is missing; under EZCOLD_CI=1, fail it: a skip there would hide everything."""
    missing = [program for program in programs if not installed(program)]
    if not missing:
        return
    sentence = f"skipped: {', '.join(missing)} not installed (scripts/system-packages installs it)"
    if os.environ.get("EZCOLD_CI") == "1":
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A mark names the servers that its test needs."""
    for mark, programs in MARKS.items():
        if item.get_closest_marker(mark):
            require(*programs)


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A command sends the logs of its process to its stderr: not beyond its own test, whose stderr is then closed.

    A task of Airflow that fails later in the same process would fail again while its failure is logged, inside the
    handler that decides on another try and tells the notifiers; neither would happen. What Airflow itself sets up, once
    a process, in the first test that imports it, stays.
    """
    import structlog

    from ezcold_operators import log

    before, level = structlog.get_config(), log._level
    yield
    log._level = level
    if isinstance(structlog.get_config()["logger_factory"], structlog.PrintLoggerFactory):
        structlog.configure(**before)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """SQLAlchemy URL of a PostgreSQL that lives as long as the session (one a worker)."""
    require("postgres")
    from tests.servers.postgres import postgres

    with postgres() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """SQLAlchemy URL (`postgresql+psycopg://`) of an empty database of this test's own."""
    import sqlalchemy

    name = f"t{uuid.uuid4().hex}"
    admin = sqlalchemy.create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name} TEMPLATE template0"))
    yield postgres_server.rsplit("/", 1)[0] + f"/{name}"
    with admin.connect() as connection:
        connection.execute(sqlalchemy.text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()
