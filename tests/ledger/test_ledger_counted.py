"""What a survey counted: kept, the last one found, and what runs took since."""

from __future__ import annotations

from ezcold_operators.ledger import counted, watching
from ezcold_operators.ledger.counted import Count
from ezcold_operators.ledger.events import Event, record
from ezcold_operators.ledger.ledger import Ledger
from tests.ledger.book import Book, new


def test_the_last_survey_of_a_launcher_is_found_as_it_was_kept(ledger: Ledger) -> None:
    first = Count(0.0, 200.0, {0.0: 5, 100.0: 1}, 0, 10.0)
    last = Count(0.0, 300.0, {0.0: 2, 100.0: 0, 200.5: 7}, 3, 20.0)
    for one in (first, last):
        counted.note(ledger, "archive", "someone", one)
    counted.note(ledger, "other", "someone", first)
    with ledger.read() as conn:
        assert counted.latest(conn, "archive") == Count(0.0, 300.0, {0.0: 2, 200.5: 7}, 3, 20.0)
        assert counted.latest(conn, "none") is None


def test_what_each_run_took_since(ledger: Ledger) -> None:
    Book(ledger).stage(*(new(str(n)) for n in range(3)))
    with ledger.transaction("test") as conn:
        for at, run, item in ((10.0, "b1", 1), (20.0, "b1", 2), (30.0, "b1", 2), (30.0, "b2", 3)):
            record(conn, at, run, "archive", [Event("fetched", item), Event("decoded", item)])
    with ledger.read() as conn:
        assert counted.taken_since(conn, "archive", ["b1", "b2", "b3"], 15.0) == {"b1": 1, "b2": 1}
        assert counted.taken_since(conn, "archive", ["b1"], 0.0) == {"b1": 2}
        assert counted.taken_since(conn, "other", ["b1"], 0.0) == {}


def test_a_survey_is_no_activity_of_the_launcher(ledger: Ledger) -> None:
    Book(ledger).stage(new("a"))
    with ledger.read() as conn:
        before = watching.standings(conn, 1e12)["l1"]
    counted.note(ledger, "l1", "someone", Count(0.0, 1.0, {}, 0, 1e11))
    with ledger.read() as conn:
        assert watching.standings(conn, 1e12)["l1"] == before
