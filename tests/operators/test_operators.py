"""The operators on their own: in a DAG that a person wrote, and what Airflow is told of each kind of error."""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.airflow_runs import AT_ONCE, run, write

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def launchers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EZCOLD_HOME", str(tmp_path / "home"))
    for name in ("incoming", "wait"):
        (tmp_path / name).mkdir()
    scenario = {"driver": "folder", "path": str(tmp_path / "wait"), "parts": str(tmp_path / "parts")}
    write(tmp_path / "scenarios.yaml", {"scenarios": {"factures": scenario}})
    content = {
        "launcher": "courrier",
        "source": {"protocol": "folder", "path": f"{tmp_path}/incoming/*.*", "settle_seconds": 0},
        "routes": [{"extensions": ["pdf"], "send_to": ["factures"]}],
    }
    write(tmp_path / "launchers" / "courrier.yaml", content)
    file = tmp_path / "incoming" / "a.pdf"
    file.write_bytes(b"%PDF-1.4\n%%EOF\n")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    return tmp_path / "launchers"


def by_hand(dag_id: str, **room: Any) -> Any:
    """A DAG as a person writes it."""
    from airflow.sdk import DAG

    from ezcold_operators.operators.decode import DecodeOperator
    from ezcold_operators.operators.dispatch import ColdDispatchOperator
    from ezcold_operators.operators.fetch import FolderFetchOperator
    from ezcold_operators.operators.filter import FilterBranchOperator
    from ezcold_operators.operators.settle import SettleOperator

    with DAG(dag_id, start_date=datetime(2026, 1, 1), schedule=None, default_args=AT_ONCE) as dag:
        fetch = FolderFetchOperator(task_id="take", **room)
        decode = DecodeOperator(task_id="open", **room)
        branch = FilterBranchOperator(task_id="sort", **room)
        send = ColdDispatchOperator(task_id="send", scenario="factures", **room)
        settle = SettleOperator(task_id="close", **room)
        fetch >> decode >> branch >> send >> settle
    return dag


@pytest.mark.parametrize("form", ["id", "path"])
def test_they_work_in_a_dag_written_by_hand(launchers: Path, form: str) -> None:
    room = (
        {"launcher": "courrier", "launchers_dir": str(launchers)}
        if form == "id"
        else {"launcher": str(launchers / "courrier.yaml")}
    )
    ran = run(by_hand(f"by_hand_{form}", **room))
    assert ran.state == "success", ran
    assert [path.suffix for path in (launchers.parent / "wait").iterdir()] == [".pdf"]
    assert {name for name, summary in ran.summaries.items() if not summary["errors"]} == set(ran.tasks)


def test_why_a_task_failed_stands_in_the_ledger(launchers: Path) -> None:
    (launchers.parent / "incoming").rename(launchers.parent / "away")
    ran = run(by_hand("nothing_there", launcher="courrier", launchers_dir=str(launchers)))
    assert ran.tasks["take"] == "failed"
    with sqlite3.connect(launchers.parent / "home" / "ledger.db") as book:
        said = book.execute("SELECT launcher, what, detail FROM event").fetchall()
    assert [(launcher, what) for launcher, what, _detail in said] == [("courrier", "unable:source")]
    assert "incoming" in said[0][2]


def test_an_operator_of_another_protocol_refuses_the_launcher(launchers: Path) -> None:
    from airflow.sdk import DAG

    from ezcold_operators.operators.fetch import ImapFetchOperator

    with DAG("wrong_protocol", start_date=datetime(2026, 1, 1), schedule=None) as dag:
        ImapFetchOperator(task_id="fetch", launcher=str(launchers / "courrier.yaml"), retries=3)
    ran = run(dag)
    assert (ran.tasks, ran.tries) == ({"fetch": "failed"}, {"fetch": 1})


def test_a_launcher_that_is_gone_is_said(launchers: Path) -> None:
    from ezcold_operators.errors import ConfigurationError
    from ezcold_operators.operators.runtime import launcher_file

    assert launcher_file("courrier", launchers) == launchers / "courrier.yaml"
    (launchers / "courrier.yaml").rename(launchers / "renamed.yaml")
    assert launcher_file("courrier", launchers) == launchers / "renamed.yaml"
    with pytest.raises(ConfigurationError, match="no launcher autre"):
        launcher_file("autre", launchers)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"launcher: courrier\n", "courrier"),
        (b"# c\r\nlauncher: 'courrier'  # ici\r\nsource: {}\r\n", "courrier"),
        (b'title: x\nlauncher:   "courrier"\n', "courrier"),
        (b"  launcher: courrier\n", None),
        (b"launcher: Courrier\n", None),
        (b"\xff\xfe", None),
    ],
)
def test_the_id_of_a_file_is_told_without_parsing_it(tmp_path: Path, text: bytes, found: str | None) -> None:
    from ezcold_operators.operators.runtime import declared_id

    (tmp_path / "x.yaml").write_bytes(text)
    assert declared_id(tmp_path / "x.yaml") == found
    assert declared_id(tmp_path / "absent.yaml") is None


@pytest.mark.parametrize("error", ["AuthenticationFailed", "ConfigurationError", "Undecodable", "Rejected"])
def test_what_only_a_person_can_mend_fails_without_a_retry_and_in_one_line(error: str) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    from ezcold_operators import errors
    from ezcold_operators.operators.runtime import told

    with pytest.raises(AirflowFailException, match=r"^the sentence$") as caught, told():
        raise getattr(errors, error)("the sentence")
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("error", ["SourceUnavailable", "ScenarioUnavailable", "LedgerUnavailable", "StageUnavailable"])
def test_what_will_pass_is_left_to_the_retries(error: str) -> None:
    from ezcold_operators import errors
    from ezcold_operators.operators.runtime import told

    with pytest.raises(getattr(errors, error)), told():
        raise getattr(errors, error)("down")


def test_a_server_that_names_the_time_to_come_back_is_taken_at_its_word() -> None:
    from airflow.sdk.definitions.retry_policy import RetryAction

    from ezcold_operators.errors import SourceUnavailable, Throttled
    from ezcold_operators.operators.runtime import PatientPolicy

    decision = PatientPolicy().evaluate(Throttled("slow down", 42), 1, 3)
    assert (decision.action, decision.retry_delay) == (RetryAction.RETRY, timedelta(seconds=42))
    assert PatientPolicy().evaluate(SourceUnavailable("down"), 1, 3).action == RetryAction.DEFAULT


def test_a_task_told_to_stop_unwinds(launchers: Path) -> None:
    from ezcold_operators.operators.decode import DecodeOperator

    with pytest.raises(SystemExit):
        DecodeOperator(task_id="decode", launcher="courrier").on_kill()


@pytest.mark.parametrize(
    ("reprise", "run_type", "expected"),
    [
        (None, "scheduled", "everything"),
        (None, "backfill", "everything"),
        ({"by": "modified"}, "scheduled", "debts"),
        ({"by": "modified"}, "manual", "debts"),
        ({"by": "modified"}, "backfill", "window"),
    ],
)
def test_a_reprise_fetches_in_backfills_only(reprise: Any, run_type: str, expected: str) -> None:
    from airflow.sdk.api.datamodels._generated import DagRunType

    from ezcold_operators.config.launcher import Launcher
    from ezcold_operators.operators.fetch import what_to_fetch

    launcher = Launcher.model_validate(
        {
            "launcher": "archive",
            "source": {"protocol": "folder", "path": "/data/*.*"},
            "routes": [{"extensions": ["*"], "send_to": ["x"]}],
            "reprise": reprise,
        }
    )
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    context: Any = {
        "dag_run": SimpleNamespace(run_type=DagRunType(run_type)),
        "data_interval_start": start,
        "data_interval_end": end,
    }
    window, only_debts = what_to_fetch(launcher, context)
    assert {"everything": (None, False), "debts": (None, True)}.get(expected) == (window, only_debts) or (
        expected == "window" and window is not None and (window.start, window.end, only_debts) == (start, end, False)
    )
