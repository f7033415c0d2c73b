"""Asking the ledger: what is found by which words, and the events in order."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from ezcold_operators.ledger import history
from ezcold_operators.ledger.ledger import Ledger
from tests.ledger.book import Book, doc, new, sha


@pytest.fixture
def book(ledger: Ledger) -> Book:
    return filled(ledger)


def filled(ledger: Ledger) -> Book:
    found = Book(ledger)
    found.stage(new("a"), new("b", name="archives/2026/Contrat_n°7 100%.pdf"), new("c"))
    found.decode(1, doc("x", name="facture_2026.pdf"), sender="Anne <anne@société.example>",
                 subject="Votre facture d'ÉTÉ", message_id="<1@x>")  # fmt: skip
    found.decode(2, doc("y", name=unicodedata.normalize("NFD", "état.pdf")))
    found.decode(3, doc("z", name="factureX2026.pdf"), subject="back\\slash")
    return found


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("facture_2026.pdf", [1]),
        ("FACTURE", [3, 1]),
        ("facture d'ÉTÉ", [1]),
        ("ANNE@société", [1]),
        ("<1@x>", [1]),
        ("contrat_n°7 100%", [2]),
        ("%", [2]),
        ("_", [2, 1]),
        ("\\", [3]),
        ("état.PDF", [2]),
        (unicodedata.normalize("NFD", "ÉTÉ"), [1]),
        ("no such thing", []),
        ("a\x00b\udcff", []),
        (sha("x"), [1]),
        (sha("x")[:8].upper(), [1]),
        (sha("x")[:7], []),
        (sha("b"), [2]),
    ],
)
def test_found_by(book: Book, text: str, ids: list[int]) -> None:
    with book.ledger.read() as conn:
        assert history.find_items(conn, text) == ids


@pytest.mark.parametrize(("text", "ids"), [("facture d'été", [1]), ("SOCIÉTÉ", [1]), ("État.pdf", [2])])
def test_accents_have_no_case_either(tmp_path: Path, text: str, ids: list[int]) -> None:
    """On PostgreSQL its locale decides."""
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger, filled(ledger).ledger.read() as conn:
        assert history.find_items(conn, text) == ids


def test_the_newest_come_first_and_only_so_many(book: Book) -> None:
    with book.ledger.read() as conn:
        assert history.find_items(conn, "", limit=2) == [3, 2]


def test_a_history_holds_everything_in_order(book: Book) -> None:
    book.judge((1, "accepted", ["s1"]))
    book.sending(1)
    book.sent(1)
    with book.ledger.read() as conn:
        found = history.item_history(conn, 1)
    assert found["item"]["sender"] == "Anne <anne@société.example>"
    assert [d["name"] for d in found["documents"]] == ["facture_2026.pdf"]
    assert [(d["scenario"], d["state"], d["receipt"]) for d in found["deliveries"]] == [("s1", "sent", "receipt")]
    assert [e["what"] for e in found["events"]] == ["fetched", "decoded", "accepted", "sent"]
    assert found["events"][-1]["detail"] == "s1: /w/tok"


def test_reasons_of_a_run_each_once(book: Book) -> None:
    book.stage(new("d"), new("e"))
    for one in (4, 5):
        book.decode(one, quarantined="broken")
    with book.ledger.read() as conn:
        assert history.quarantined_reasons(conn, "l1", "r1") == ["broken"]
        assert history.quarantined_reasons(conn, "l1", "r2") == []
        assert history.run_counts(conn, "l1", "r1")["quarantined"] == 2
