"""The PostgreSQL fixture gives every test an empty database of its own."""

from __future__ import annotations

import pytest
import sqlalchemy

pytestmark = pytest.mark.postgres


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_its_own_empty_database(postgres_url: str, turn: int) -> None:
    engine = sqlalchemy.create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE here (turn int)"))
        connection.execute(sqlalchemy.text("INSERT INTO here VALUES (:turn)"), {"turn": turn})
        assert connection.execute(sqlalchemy.text("SELECT turn FROM here")).scalars().all() == [turn]
    engine.dispose()
