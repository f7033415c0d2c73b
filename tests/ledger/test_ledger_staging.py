"""Staging: what is known, what is the same again, what comes back. On SQLite and on PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ezcold_operators.ledger import items
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.ledger.tables import item
from tests.ledger.book import Book, doc, new, sha

HOSTILE = "a\x00b\udcff\U0001f600é\r\n'\"%_"


@pytest.fixture
def book(ledger: Ledger) -> Book:
    return Book(ledger)


def test_staging_again_changes_nothing(book: Book) -> None:
    assert book.stage(new("a"), new("b")) == 2
    before = book.rows(*item.c)
    assert book.stage(new("a"), new("b"), new("c")) == 1
    assert book.rows(*item.c)[:2] == before
    assert [what for what, _ in book.events()] == ["fetched"] * 3


def test_the_same_pair_twice_in_one_batch_is_one_item(book: Book) -> None:
    assert book.stage(new("a"), new("a")) == 1
    assert book.states() == {"a": "staged"}


def test_known_are_those_that_need_no_download(book: Book) -> None:
    late = new("gone", None, reason="cut off")
    book.stage(new("a"), late, new("big", None, reason="too large", quarantined=True))
    Book(book.ledger, "other").stage(new("x"))
    with book.ledger.read() as conn:
        found = items.known(conn, "l1", ["a", "gone", "big", "x", "never"])
        assert found == {("a", "f-a"), ("big", "f-big")}
        assert items.states(conn, "l1", ["gone", "x"]) == {("gone", "f-gone"): "missing"}


def test_another_fingerprint_under_the_same_key_is_another_item(book: Book) -> None:
    book.stage(new("a", "one"))
    assert book.stage(new("a", "two", fingerprint="other")) == 1
    assert len(book.rows(item.c.id)) == 2


def test_the_same_bytes_again_are_a_duplicate_of_the_first(book: Book) -> None:
    book.stage(new("a", "same"))
    assert book.stage(new("b", "same"), new("c", "same")) == 2
    ids = book.ids()
    assert book.rows(item.c.id, item.c.duplicate_of, item.c.state) == [
        (ids["a"], None, "staged"), (ids["b"], ids["a"], "decoded"), (ids["c"], ids["a"], "decoded"),
    ]  # fmt: skip
    assert ("duplicate", str(ids["a"])) in book.events()


def test_twins_in_one_batch_the_first_is_the_original(book: Book) -> None:
    assert book.stage(new("a", "same"), new("b", "other"), new("c", "same"), new("d", "same")) == 4
    ids = book.ids()
    rows = {n: (original, state) for n, original, state in book.rows(item.c.id, item.c.duplicate_of, item.c.state)}
    assert rows == {
        ids["a"]: (None, "staged"), ids["b"]: (None, "staged"),
        ids["c"]: (ids["a"], "decoded"), ids["d"]: (ids["a"], "decoded"),
    }  # fmt: skip


def test_by_occurrence_the_same_bytes_are_another_item(book: Book) -> None:
    book.stage(new("a", "same"), by_content=False)
    book.stage(new("b", "same"), new("c", "same"), by_content=False)
    assert set(book.states().values()) == {"staged"}
    assert {original for _id, original in book.rows(item.c.id, item.c.duplicate_of)} == {None}


def test_a_file_is_the_same_only_under_the_same_path(book: Book) -> None:
    book.stage(new("a", "same", name="x/scan.pdf"), files=True)
    book.stage(new("b", "same", name="y/scan.pdf"), new("c", "same", name="x/scan.pdf"), files=True)
    assert book.states() == {"a": "staged", "b": "staged", "c": "decoded"}
    book.stage(new("d", "twin", name="1.pdf"), new("e", "twin", name="2.pdf"), files=True)
    assert book.states()["e"] == "staged"


def test_another_launcher_takes_the_same_bytes_for_itself(book: Book) -> None:
    book.stage(new("a", "same"))
    other = Book(book.ledger, "l2")
    assert other.stage(new("a", "same")) == 1
    assert [state for _id, state in book.rows(item.c.id, item.c.state)] == ["staged", "staged"]


def test_an_unreadable_item_is_tried_again_then_quarantined(book: Book) -> None:
    for n in range(1, items.ATTEMPTS):
        assert book.stage(new("a", None, reason="cut off")) == 0
        assert book.rows(item.c.id, item.c.state, item.c.attempts)[0][1:] == ("missing", n)
    book.stage(new("a", None, reason="cut off again"))
    assert book.rows(item.c.id, item.c.state, item.c.reason)[0][1:] == ("quarantined", "cut off again")
    assert [what for what, _ in book.events()] == ["missing"] * (items.ATTEMPTS - 1) + ["quarantined"]
    with book.ledger.read() as conn:
        assert not items.any_missing(conn, "l1")


def test_what_was_missing_is_brought_back(book: Book) -> None:
    book.stage(new("a", None, reason="cut off"))
    assert book.stage(new("a", "here", received=datetime(2026, 1, 2, tzinfo=UTC))) == 1
    row = book.rows(item.c.id, item.c.state, item.c.sha256, item.c.reason, item.c.attempts, item.c.received_at)[0]
    assert row[1:] == ("staged", sha("here"), "", 0, datetime(2026, 1, 2, tzinfo=UTC).timestamp())


def test_an_item_that_was_decoded_once_never_becomes_a_duplicate(book: Book) -> None:
    """Its own deliveries may be owed: it must be settled for itself."""
    book.stage(new("a", "same"), new("b", "same"), by_content=False)
    ids = book.ids()
    for key in ("a", "b"):
        book.decode(ids[key], doc("x"))
    with book.ledger.transaction("test") as conn:
        items.lost(conn, [ids["b"]], lambda sha256: False)
    book.stage(new("b", "same"))
    assert book.states() == {"a": "decoded", "b": "staged"}
    assert book.rows(item.c.id, item.c.duplicate_of)[1] == (ids["b"], None)


def test_bytes_that_came_under_another_key_revive_the_missing(book: Book) -> None:
    book.stage(new("a", "same"))
    with book.ledger.transaction("test") as conn:
        items.lost(conn, [book.ids()["a"]], lambda sha256: False)
        assert items.any_missing(conn, "l1")
        items.revive(conn, "l1", lambda sha256: False)
    assert book.states() == {"a": "missing"}
    with book.ledger.transaction("test") as conn:
        items.revive(conn, "l1", lambda sha256: sha256 == sha("same"))
    assert book.states() == {"a": "staged"}


def test_hostile_text_is_taken_by_every_database(book: Book) -> None:
    key = "\U0001f600é\r\n'\"%_\\"
    nasty = new(key, "x", fingerprint=key, place=HOSTILE, name=HOSTILE, handle={"path": HOSTILE}, reason=HOSTILE)
    book.stage(nasty)
    assert book.stage(nasty) == 0
    with book.ledger.read() as conn:
        assert items.known(conn, "l1", [key]) == {(key, key)}
    ((_id, handle),) = book.rows(item.c.id, item.c.handle)
    assert items.handle_of(handle) == {"path": HOSTILE}
    found = dict(sender=HOSTILE, recipients=HOSTILE, subject=HOSTILE, message_id=HOSTILE, quarantined=HOSTILE)
    assert book.decode(_id, doc("x", path=HOSTILE, name=HOSTILE, media_type=HOSTILE,
                                metadata={HOSTILE: HOSTILE}), **found) == 1  # fmt: skip


def test_marks_are_kept_by_place_and_forgotten(book: Book) -> None:
    with book.ledger.transaction("test") as conn:
        items.save_marks(conn, "l1", {"p": "1", "q": "1"})
        items.save_marks(conn, "l1", {"p": "2"})
        items.save_marks(conn, "l1", {})
    with book.ledger.transaction("test") as conn:
        assert items.marks(conn, "l1") == {"p": "2", "q": "1"}
        items.forget_mark(conn, "l1", "p")
        assert items.marks(conn, "l1") == {"q": "1"}
        assert items.marks(conn, "l2") == {}
