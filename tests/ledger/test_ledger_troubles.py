"""Why runs could not work: kept once a run, told by kind, and never in the way of the error itself."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import select

from ezcold_operators import errors
from ezcold_operators.ledger import troubles, watching
from ezcold_operators.ledger.events import Event, record
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.ledger.tables import event
from tests.ledger.book import Book, new


def noted(ledger: Ledger) -> list[tuple[str, str, str, str]]:
    query = select(event.c.launcher, event.c.run_id, event.c.what, event.c.detail).order_by(event.c.id)
    with ledger.read() as conn:
        return [tuple(row) for row in conn.execute(query)]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.SourceUnavailable("s"), "source"),
        (errors.Throttled("s", 4), "source"),
        (errors.AuthenticationFailed("s"), "login"),
        (errors.ConfigurationError("s"), "configuration"),
        (errors.InDoubt("s"), "scenario"),
        (errors.StageUnavailable("s"), "stage"),
        (errors.Rejected("s"), "other"),
    ],
)
def test_a_cause_is_kept_under_its_kind_with_its_sentence(ledger: Ledger, error: Exception, kind: str) -> None:
    troubles.note(ledger, "l1", "r1", error)
    assert noted(ledger) == [("l1", "r1", f"unable:{kind}", "s")]


def test_once_a_run_whatever_the_number_of_tries(ledger: Ledger) -> None:
    for run in ("r1", "r1", "r2"):
        troubles.note(ledger, "l1", run, errors.SourceUnavailable("down"))
    troubles.note(ledger, "l1", "r2", errors.ScenarioUnavailable("away"))
    assert [(run, what) for _l, run, what, _d in noted(ledger)] == [
        ("r1", "unable:source"), ("r2", "unable:source"), ("r2", "unable:scenario"),
    ]  # fmt: skip
    with ledger.read() as conn:
        found = troubles.of_runs(conn, [("l1", "r2"), ("l2", "r1")])
        assert [(one.kind, one.sentence) for one in found.pop("l1")] == [("source", "down"), ("scenario", "away")]
        assert found == {}


def test_the_text_of_a_foreign_error_may_hold_anything_and_is_not_kept(ledger: Ledger) -> None:
    troubles.note(ledger, "l1", "r1", ValueError("LOGIN someone hunter2"))
    ((_l, _r, what, detail),) = noted(ledger)
    assert what == "unable:unforeseen"
    assert "ValueError" in detail
    assert "hunter2" not in detail


def test_hostile_text_is_kept_as_every_database_takes_it(ledger: Ledger) -> None:
    troubles.note(ledger, "l1", "r1", errors.SourceUnavailable("a\x00b\udcff"))
    assert noted(ledger)[0][3] == "a\ufffdb?"


def test_a_ledger_that_is_locked_or_down_is_in_nobody_s_way(tmp_path: Path) -> None:
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db?timeout=0.1") as ledger:
        other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        troubles.note(ledger, "l1", "r1", errors.SourceUnavailable("down"))
        other.rollback()
        other.close()
        troubles.note(ledger, "l1", "r1", errors.LedgerUnavailable("locked"))
        assert noted(ledger) == []


def test_since_when(ledger: Ledger) -> None:
    met = [(10, "l1", "source"), (20, "l1", "source"), (30, "l1", "login"), (15, "l2", "stage")]
    with ledger.transaction("test") as conn:
        for at, launcher, what in met:
            record(conn, float(at), f"r{at}", launcher, [Event(f"unable:{what}", detail="x")])
    with ledger.read() as conn:
        assert troubles.first_met(conn, ["l1", "l2"], 0.0) == {
            ("l1", "source"): 10.0, ("l1", "login"): 30.0, ("l2", "stage"): 15.0,
        }  # fmt: skip
        assert troubles.first_met(conn, ["l1"], 12.0) == {("l1", "source"): 20.0, ("l1", "login"): 30.0}


def test_items_at_fault_are_told_by_their_own_events(ledger: Ledger) -> None:
    with ledger.transaction("test") as conn:
        told = [Event("quarantined", detail="bad zip"), Event("refused", detail="factures: too big"),
                Event("quarantined", detail="bad zip"), Event("sent", detail="factures: x")]  # fmt: skip
        record(conn, 1.0, "r1", "l1", told)
    with ledger.read() as conn:
        assert troubles.of_items(conn, "l1", "r1") == ["bad zip", "factures: too big"]
        assert troubles.of_items(conn, "l1", "r2") == []


def test_a_run_that_could_not_work_is_no_activity(ledger: Ledger) -> None:
    Book(ledger).stage(new("a"))
    with ledger.read() as conn:
        before = watching.standings(conn, 1e12)["l1"]
    troubles.note(ledger, "l1", "r9", errors.SourceUnavailable("down"))
    with ledger.read() as conn:
        assert watching.standings(conn, 1e12)["l1"] == before
