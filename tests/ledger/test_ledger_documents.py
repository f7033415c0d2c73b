"""Documents, verdicts, deliveries, settling: from state to state. On SQLite and on PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from ezcold_operators.ledger import decodings, deliveries, history, items, renames, settling
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.ledger.tables import delivery, document, event, item
from tests.ledger.book import Book, doc, new, sha


@pytest.fixture
def book(ledger: Ledger) -> Book:
    found = Book(ledger)
    found.stage(new("a"))
    return found


def owing(book: Book, *scenarios: str) -> None:
    """Item 1 with one accepted document for each of these scenarios."""
    book.decode(1, doc("x"))
    book.judge((1, "accepted", scenarios))


def ready(book: Book) -> list[tuple[int, bool]]:
    with book.ledger.read() as conn:
        return [(row.id, bool(row.wanted)) for row in settling.ready(conn, "l1", 0, 100)]


def settle(book: Book, *item_ids: int, what: str = "move") -> int:
    with book.ledger.transaction("test") as conn:
        return settling.settled(book.ledger, conn, book.run, "l1", [(i, what, "") for i in item_ids])


def test_decoding_writes_headers_and_documents(book: Book) -> None:
    sent = datetime(2026, 3, 4, tzinfo=UTC)
    found = book.decode(1, doc("x", "1", "a.pdf"), doc("y", "2", None, metadata={"k": "é"}), sender="s", subject="o",
                        message_id="m", recipients="r", sent=sent, envelope={"type": "acte"})  # fmt: skip
    assert found == 2
    row = book.rows(item.c.id, item.c.state, item.c.sender, item.c.subject, item.c.message_id, item.c.sent_at)[0]
    assert row[1:] == ("decoded", "s", "o", "m", sent.timestamp())
    documents = book.rows(document.c.id, document.c.path, document.c.name, document.c.sha256, document.c.metadata)
    assert [row[1:] for row in documents] == [("1", "a.pdf", sha("x"), "{}"), ("2", None, sha("y"), '{"k":"\\u00e9"}')]


def test_decoding_a_batch_writes_each_outcome_to_its_own_item(book: Book) -> None:
    book.stage(new("b"), new("c"))
    with book.ledger.transaction("test") as conn:
        some = [
            decodings.NewDecoding(1, [doc("x")], subject="one"),
            decodings.NewDecoding(2, [], subject="two", quarantined="broken"),
            decodings.NewDecoding(3, [], envelope={"type": "helios"}),
        ]
        assert decodings.decoded(book.ledger, conn, "r1", "l1", some) == 1
    rows = book.rows(item.c.id, item.c.state, item.c.subject, item.c.reason, item.c.envelope)
    assert [row[1:] for row in rows] == [
        ("decoded", "one", "", None), ("quarantined", "two", "broken", None), ("decoded", "", "", '{"type":"helios"}'),
    ]  # fmt: skip


def test_decoding_again_adds_only_what_the_item_does_not_have(book: Book) -> None:
    book.decode(1, doc("x", "1"), doc("x", "2"), doc("y", "3"))
    assert book.decode(1, doc("z", "9")) == 0  # it is not staged: nobody asked for it
    with book.ledger.transaction("test") as conn:
        items.lost(conn, [1], lambda sha256: True)
    # An upgrade: part numbers moved, the third x and z are new.
    again = [doc("x", "1.1"), doc("y", "1"), doc("x", "1.2"), doc("x", "2"), doc("z", "1")]
    assert book.decode(1, *again) == 2
    rows = book.rows(document.c.id, document.c.path, document.c.sha256)
    assert [row[1:] for row in rows] == [
        ("1", sha("x")), ("2", sha("x")), ("3", sha("y")), ("2~2", sha("x")), ("1~2", sha("z")),
    ]  # fmt: skip


def test_two_documents_on_one_path_are_both_kept(book: Book) -> None:
    assert book.decode(1, doc("x", "1"), doc("y", "1")) == 2
    assert [path for _id, path in book.rows(document.c.id, document.c.path)] == ["1", "1~2"]


def test_an_item_that_kills_its_decoder_is_quarantined_after_its_attempts(book: Book) -> None:
    for n in range(1, items.ATTEMPTS + 1):
        with book.ledger.transaction("test") as conn:
            out = decodings.attempt_failed(book.ledger, conn, "r1", "l1", 1, "it died")
        assert out == (n == items.ATTEMPTS)
    assert book.rows(item.c.id, item.c.state, item.c.attempts, item.c.reason)[0][1:] == ("quarantined", 3, "it died")
    assert [what for what, _ in book.events()] == ["fetched", "undecoded", "undecoded", "quarantined"]


def test_a_document_is_judged_once(book: Book) -> None:
    owing(book, "s1", "s2")
    book.judge((1, "rejected", ()))
    assert book.rows(document.c.id, document.c.verdict, document.c.reason) == [(1, "accepted", "because")]
    assert book.delivery_states() == ["owed", "owed"]
    with book.ledger.read() as conn:
        assert deliveries.owing(conn, "l1") == {"s1": 1, "s2": 1}
        assert deliveries.unjudged(conn, "l1", 10) == []


def test_a_quarantined_document_quarantines_its_item_and_its_neighbour_is_owed(book: Book) -> None:
    book.decode(1, doc("x", "1"), doc("y", "2"))
    book.judge((1, "quarantined", ()), (2, "accepted", ["s1"]))
    assert book.states() == {"a": "quarantined"}
    assert book.delivery_states() == ["owed"]
    book.sending(1)
    book.sent(1)
    assert ready(book) == []


def test_a_delivery_lives_from_owed_to_sent(book: Book) -> None:
    owing(book, "s1")
    assert ready(book) == []
    assert book.sending(1, "tok") == {1}
    assert book.sending(1, "late") == set()  # the loser of the race
    row = book.rows(delivery.c.id, delivery.c.state, delivery.c.token, delivery.c.part, delivery.c.driver)[0]
    assert row[1:] == ("sending", "tok", "/p/tok", "folder")
    with book.ledger.read() as conn:
        assert deliveries.names_part(conn, "/p/tok")
    assert ready(book) == []
    book.sent(1)
    book.sent(1)
    assert book.delivery_states() == ["sent"]
    assert [what for what, _ in book.events()].count("sent") == 1
    assert ready(book) == [(1, True)]
    with book.ledger.read() as conn:
        assert not deliveries.names_part(conn, "/p/tok")


def test_what_was_only_prepared_is_not_sent(book: Book) -> None:
    owing(book, "s1")
    book.sent(1)
    assert book.delivery_states() == ["owed"]


def test_a_run_that_fails_touches_nothing_that_another_run_sends(book: Book) -> None:
    """Two runs prepared the same delivery; one sends it, the other's disk was full."""
    owing(book, "s1")
    book.sending(1, "theirs")
    with book.ledger.transaction("test") as conn:
        deliveries.back_to_owed(conn, [1], "full")
        deliveries.back_to_owed(conn, [1], "full", "mine")
    assert not book.refuse(1)
    assert not book.refuse(1, last=True, token="mine")
    assert book.rows(delivery.c.id, delivery.c.state, delivery.c.token) == [(1, "sending", "theirs")]
    with book.ledger.transaction("test") as conn:
        deliveries.back_to_owed(conn, [1], "no line", "theirs")
    assert book.rows(delivery.c.id, delivery.c.state, delivery.c.last_error) == [(1, "owed", "no line")]


def test_a_refused_file_is_quarantined_after_its_attempts(book: Book) -> None:
    owing(book, "s1", "s2")
    for n in range(1, items.ATTEMPTS + 1):
        assert book.refuse(1) == (n == items.ATTEMPTS)
    assert book.delivery_states() == ["quarantined", "owed"]
    assert book.states() == {"a": "quarantined"}
    assert book.rows(item.c.id, item.c.reason)[0][1] == "s1: too odd"
    assert not book.refuse(1)


def test_what_a_person_must_decide_keeps_its_token(book: Book) -> None:
    owing(book, "s1")
    book.sending(1, "tok")
    assert book.refuse(1, last=True, token="tok")
    assert book.rows(delivery.c.id, delivery.c.state, delivery.c.token) == [(1, "quarantined", "tok")]


def test_settling_needs_every_verdict_and_every_receipt(book: Book) -> None:
    assert ready(book) == []
    book.decode(1, doc("x", "1"), doc("y", "2"))
    assert ready(book) == []
    book.judge((1, "accepted", ["s1", "s2"]))
    for one in (1, 2):
        book.sending(one)
    book.sent(1)
    assert ready(book) == []
    book.sent(2)
    assert ready(book) == []  # document 2 has no verdict
    book.judge((2, "rejected", ()))
    assert ready(book) == [(1, True)]
    assert settle(book, 1) == 1
    assert settle(book, 1) == 0
    assert book.states() == {"a": "settled"}
    assert book.events()[-2:] == [("acknowledged", "move"), ("settled", "")]
    assert ready(book) == []


def test_an_item_of_which_nothing_was_wanted_is_ready_as_such(book: Book) -> None:
    book.decode(1, doc("x"))
    book.judge((1, "rejected", ()))
    book.stage(new("b"))
    book.decode(2)
    assert ready(book) == [(1, False), (2, False)]
    with book.ledger.read() as conn:
        assert [row.id for row in settling.ready(conn, "l1", 1, 10)] == [2]
        assert [row.id for row in settling.ready(conn, "l1", 0, 1)] == [1]


def test_an_acknowledgement_that_failed_is_tried_again(book: Book) -> None:
    book.decode(1)
    with book.ledger.transaction("test") as conn:
        settling.not_acknowledged(book.ledger, conn, "r1", "l1", 1, "in use")
    assert ready(book) == [(1, False)]
    settle(book, 1)
    assert book.rows(item.c.id, item.c.reason) == [(1, "")]


def duplicates(book: Book) -> list[tuple[int, bool, bool]]:
    with book.ledger.read() as conn:
        found = settling.ready_duplicates(conn, "l1", 0, 10)
        return [(row.id, bool(row.wanted), bool(row.dismissed)) for row in found]


def test_a_duplicate_settles_with_its_original(book: Book) -> None:
    book.stage(new("b", "a"))
    owing(book, "s1")
    assert (ready(book), duplicates(book)) == ([], [])
    book.sending(1)
    book.sent(1)
    assert (ready(book), duplicates(book)) == ([(1, True)], [])
    settle(book, 1)
    assert (ready(book), duplicates(book)) == ([], [(2, True, False)])
    settle(book, 2)
    assert set(book.states().values()) == {"settled"}


def test_a_duplicate_of_a_quarantined_item_waits(book: Book) -> None:
    book.stage(new("b", "a"))
    book.decode(1, quarantined="broken")
    assert duplicates(book) == []


def test_orphans_are_open_deliveries_to_scenarios_no_longer_named(book: Book) -> None:
    owing(book, "gone", "here", "a_b")
    book.sending(1)
    with book.ledger.read() as conn:
        assert deliveries.orphans(conn, "l1", ["here", "a_b"]) == [1]
        assert deliveries.orphans(conn, "l1", []) == [1, 2, 3]
    book.sent(1)
    with book.ledger.transaction("test") as conn:
        assert deliveries.orphans(conn, "l1", ["here", "a_b"]) == []
        # A person asked for another scenario, whose id a careless LIKE takes for this one.
        asked = {"at": 0.0, "run_id": "r", "launcher": "l1", "item_id": 1, "document_id": 1, "what": "resent"}
        conn.execute(event.insert().values(**asked, detail="axb: again"))
        assert deliveries.orphans(conn, "l1", ["here"]) == [3]
        conn.execute(event.insert().values(**asked, detail="a_b: again"))
        assert deliveries.orphans(conn, "l1", ["here"]) == []


def test_more_orphans_than_a_statement_has_room_for(tmp_path: Path) -> None:
    count = 33_000
    book = Book(Ledger.open(f"sqlite:///{tmp_path}/ledger.db"))
    book.stage(new("a"))
    with book.ledger.transaction("test") as conn:
        one = {"item_id": 1, "launcher": "l1", "media_type": "", "sniffed": None, "role": "attachment",
               "inline": False, "size": 1, "sha256": sha("x"), "metadata": "{}", "verdict": "accepted"}  # fmt: skip
        conn.execute(document.insert(), [{**one, "path": str(n)} for n in range(count)])
        owed = {"item_id": 1, "launcher": "l1", "scenario": "gone", "state": "owed", "owed_at": 0.0}
        conn.execute(delivery.insert(), [{**owed, "document_id": n + 1} for n in range(count)])
        ids = deliveries.orphans(conn, "l1", [])
        assert len(ids) == count
        assert [row.id for row in deliveries.rows(conn, ids)] == ids
    book.ledger.close()


def test_counts_of_a_run_tell_scenarios_apart(book: Book) -> None:
    owing(book, "a_b", "axb")
    for one in (1, 2):
        book.sending(one)
    book.sent(2)
    later = Book(book.ledger, run="r2")
    later.sent(1)
    with book.ledger.read() as conn:
        first, second = (history.run_counts(conn, "l1", run) for run in ("r1", "r2"))
    assert (first["sent"], second["sent"]) == ({"axb": 1}, {"a_b": 1})
    assert (first["fetched"], first["documents"], first["owed"]) == (1, 1, 0)


def test_a_renamed_launcher_takes_its_past_with_it(book: Book) -> None:
    owing(book, "s1")
    with book.ledger.transaction("test") as conn:
        items.save_marks(conn, "l1", {"p": "1"})
    renames.carry_over(book.ledger, "r9", "l9", ["never", "l1"])
    assert {launcher for _id, launcher in book.rows(item.c.id, item.c.launcher)} == {"l9"}
    for table in (document, delivery):
        assert [launcher for _id, launcher in book.rows(table.c.id, table.c.launcher)] == ["l9"]
    assert book.rows(event.c.id, event.c.launcher, event.c.what)[-1][1:] == ("l9", "renamed")
    assert Book(book.ledger, "l9").stage(new("a")) == 0
    with book.ledger.read() as conn:
        assert items.marks(conn, "l1") == {}
        assert deliveries.owing(conn, "l9") == {"s1": 1}
    many = len(book.events())
    renames.carry_over(book.ledger, "r9", "l9", ["never", "l1"])
    assert len(book.events()) == many


def test_what_both_launchers_took_stays_and_is_said_once(book: Book) -> None:
    book.stage(new("b"))
    Book(book.ledger, "l9").stage(new("a"))
    for _again in range(2):
        renames.carry_over(book.ledger, "r9", "l9", ["l1"])
        with book.ledger.transaction("test") as conn:
            items.save_marks(conn, "l9", {"p": "1"})
    assert sorted(row[1:] for row in book.rows(item.c.id, item.c.source_key, item.c.launcher)) == [
        ("a", "l1"), ("a", "l9"), ("b", "l9"),
    ]  # fmt: skip
    assert [what for what, _ in book.events()].count("renamed") == 1


def test_bytes_are_needed_until_their_item_is_settled_and_every_delivery_sent(book: Book) -> None:
    def needed() -> list[bool]:
        with book.ledger.read() as conn:
            return [settling.blob_needed(conn, sha(one)) for one in ("a", "x", "never")]

    owing(book, "s1")
    assert needed() == [True, True, False]
    book.sending(1)
    book.sent(1)
    settle(book, 1)
    assert needed() == [False, False, False]
    with book.ledger.transaction("test") as conn:
        conn.execute(update(delivery).values(state="owed"))  # sent again
    assert needed() == [False, True, False]
