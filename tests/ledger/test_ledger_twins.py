"""The same bytes under two keys are one item, also when one of them could not be read at first."""

from __future__ import annotations

from sqlalchemy import select

from ezcold_operators.ledger import items
from ezcold_operators.ledger.items import NewItem
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.ledger.tables import item

SHA = "ab" * 32


def mail(key: str, sha256: str | None) -> NewItem:
    return NewItem(key, f"print of {key}", "INBOX", "", 3, {}, None, sha256, reason="" if sha256 else "unreadable")


def take(ledger: Ledger, run: str, *new: NewItem) -> list[tuple[str, str, int | None]]:
    with ledger.transaction("fetch.staged") as conn:
        items.stage(ledger, conn, run, "l1", new, by_content=True, files=False)
    with ledger.read() as conn:
        query = select(item.c.source_key, item.c.state, item.c.duplicate_of).order_by(item.c.id)
        return [(row.source_key, row.state, row.duplicate_of) for row in conn.execute(query)]


def test_a_mail_read_at_last_and_its_twin_of_the_same_batch(ledger: Ledger) -> None:
    assert take(ledger, "1", mail("a", None)) == [("a", "missing", None)]
    answer = take(ledger, "2", mail("b", SHA), mail("a", SHA))
    assert answer == [("a", "staged", None), ("b", "decoded", 1)]


def test_two_twins_that_are_read_at_last(ledger: Ledger) -> None:
    take(ledger, "1", mail("a", None), mail("b", None))
    answer = take(ledger, "2", mail("b", SHA), mail("a", SHA))
    assert sorted(state for _key, state, _of in answer) == ["decoded", "staged"]
    (original,) = [n for n, (_key, state, _of) in enumerate(answer, start=1) if state == "staged"]
    assert {of for _key, state, of in answer if state == "decoded"} == {original}
