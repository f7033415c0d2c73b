"""The environment of the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ezcold_operators.config.settings import Settings, set_fernet_fallback


@pytest.fixture(autouse=True)
def _no_fallback() -> Iterator[None]:
    set_fernet_fallback(None)  # another test of this process may have left one
    yield
    set_fernet_fallback(None)


def test_nothing_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_env({})
    airflow = Path("~/airflow").expanduser()
    assert (settings.home, settings.launchers_dir) == (airflow / "ezcold", airflow / "dags" / "launchers")
    assert (settings.scenarios, settings.ledger_url, settings.fernet_key) == (None, None, None)


def test_the_launchers_of_the_working_directory_where_airflow_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dags" / "launchers").mkdir(parents=True)
    assert Settings.from_env({"AIRFLOW_HOME": "/none"}).launchers_dir == tmp_path / "dags" / "launchers"
    (tmp_path / "a" / "dags" / "launchers").mkdir(parents=True)
    there = Settings.from_env({"AIRFLOW_HOME": f"{tmp_path}/a"})
    assert there.launchers_dir == tmp_path / "a" / "dags" / "launchers"


def test_airflow_s_own_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_env({"AIRFLOW_HOME": "/a", "AIRFLOW__CORE__FERNET_KEY": "k"})
    assert (settings.home, settings.launchers_dir, settings.fernet_key) == (
        Path("/a/ezcold"),
        Path("/a/dags/launchers"),
        "k",
    )
    moved = Settings.from_env({"AIRFLOW_HOME": "/a", "AIRFLOW__CORE__DAGS_FOLDER": "/d"})
    assert moved.launchers_dir == Path("/d/launchers")


def test_ours_come_first() -> None:
    settings = Settings.from_env(
        {
            "AIRFLOW_HOME": "/a",
            "AIRFLOW__CORE__FERNET_KEY": "theirs",
            "EZCOLD_HOME": "~/e",
            "EZCOLD_LEDGER_URL": "postgresql+psycopg://u:s3cr3t@h/d",
            "EZCOLD_LAUNCHERS_DIR": "/l",
            "EZCOLD_SCENARIOS": "/s.yaml",
            "EZCOLD_FERNET_KEY": "s3cr3t",
        }
    )
    assert (settings.home, settings.launchers_dir, settings.scenarios) == (
        Path("~/e").expanduser(),
        Path("/l"),
        Path("/s.yaml"),
    )
    assert (settings.ledger_url, settings.fernet_key) == ("postgresql+psycopg://u:s3cr3t@h/d", "s3cr3t")
    assert "s3cr3t" not in repr(settings)


def test_an_empty_variable_is_an_absent_one() -> None:
    settings = Settings.from_env({"EZCOLD_HOME": "", "AIRFLOW_HOME": "/a", "EZCOLD_FERNET_KEY": ""})
    assert (settings.home, settings.fernet_key) == (Path("/a/ezcold"), None)


def test_airflow_cfg_is_asked_last() -> None:
    set_fernet_fallback(lambda: "from the file")
    assert Settings.from_env({}).fernet_key == "from the file"
    assert Settings.from_env({"EZCOLD_FERNET_KEY": "k"}).fernet_key == "k"
    set_fernet_fallback(lambda: "")
    assert Settings.from_env({}).fernet_key is None


def test_the_process_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EZCOLD_HOME", "/mine")
    assert Settings.from_env().home == Path("/mine")
