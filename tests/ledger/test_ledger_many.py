"""One statement for many rows writes what SQLAlchemy's own way writes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.exc import ProgrammingError

from ezcold_operators.ledger.events import clean
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.ledger.many import execute_many
from ezcold_operators.ledger.tables import item

ADD = insert(item)
READ = (
    update(item)
    .where(item.c.source_key == bindparam("_key"), item.c.state == "staged")
    .values(name=bindparam("name"), sent_at=bindparam("sent_at"), state="decoded", claimed_by=None)
)
text = st.text(max_size=20).map(clean)
rows_of_item = st.fixed_dictionaries(
    {"launcher": st.just("l1"), "source_key": text, "fingerprint": text, "place": text, "state": st.just("staged"),
     "size": st.integers(-1, 1 << 60), "received_at": st.none() | st.floats(0, 4e9), "staged_at": st.floats(0, 4e9)}
)  # fmt: skip


def everything(ledger: Ledger) -> list[tuple[Any, ...]]:
    columns = [column for column in item.c if column is not item.c.id]
    with ledger.read() as conn:
        return [tuple(row) for row in conn.execute(select(*columns).order_by(item.c.id))]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(rows_of_item, max_size=5, unique_by=lambda row: (row["source_key"], row["fingerprint"])))
def test_it_writes_what_sqlalchemy_writes(ledger: Ledger, rows: list[dict[str, Any]]) -> None:
    read = [
        {"_key": row["source_key"], "name": f"% {row['place']} :x ?", "sent_at": row["received_at"]} for row in rows
    ]
    found = []
    for way in (lambda conn, statement, some: conn.execute(statement, some) if some else None, execute_many):
        with ledger.transaction("test") as conn:
            conn.execute(delete(item))
            way(conn, ADD, rows)
            way(conn, READ, read)
        found.append(everything(ledger))
    assert found[0] == found[1]
    assert len(found[1]) == len(rows)


def test_a_row_that_lacks_a_parameter_is_an_error_and_nothing_is_written(ledger: Ledger) -> None:
    whole = {"launcher": "l1", "source_key": "k", "fingerprint": "f", "place": "p", "state": "staged", "staged_at": 1.0}
    with pytest.raises((KeyError, ProgrammingError)), ledger.transaction("test") as conn:
        execute_many(conn, ADD, [whole, {name: value for name, value in whole.items() if name != "place"}])
    assert everything(ledger) == []
