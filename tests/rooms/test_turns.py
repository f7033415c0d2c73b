"""Decoding takes its turns while the source is read; whatever becomes of it, the source is read to its end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from sqlalchemy import func, select

from ezcold_operators.ledger.tables import delivery, event, item
from ezcold_operators.rooms.base import River
from ezcold_operators.rooms.decode import opened
from ezcold_operators.rooms.fetch import fetch
from ezcold_operators.rooms.river import Run
from tests.decoding.children import decoder_children
from tests.rooms.house import PDF, House

ITEMS = 1600


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path, {})
    for n in range(ITEMS):
        house.zip(f"{n}.zip", {f"facture {n}.pdf": PDF + b"%d" % n})
    return house


def states(river: River) -> dict[str, int]:
    with river.ledger.read() as conn:
        rows = conn.execute(select(item.c.state, func.count()).group_by(item.c.state))
        return {str(state): int(count) for state, count in rows}


def test_the_first_items_are_decoded_before_the_last_are_fetched(house: House) -> None:
    code, counts = house.run()
    assert (code, counts["documents"], counts["settled"]) == (0, ITEMS, ITEMS)
    assert sorted(house.arrived().values()) == sorted(PDF + b"%d" % n for n in range(ITEMS))
    assert [state for _id, state in house.rows(delivery.c.id, delivery.c.state)] == ["sent"] * ITEMS
    order = [what for _id, what in house.rows(event.c.id, event.c.what)]
    last_fetched = len(order) - 1 - order[::-1].index("fetched")
    assert order.index("decoded") < last_fetched


def test_a_decoder_killed_between_two_turns_costs_nothing(house: House) -> None:
    with house.river() as river, opened(river) as room:
        killed: set[int] = set()

        def turn() -> None:
            room.turn()
            if not killed:
                killed.update(decoder_children())
                for pid in killed:
                    os.kill(pid, signal.SIGKILL)

        river.meanwhile = turn
        fetch(river)
        assert killed
        room.finish()
        assert states(river) == {"decoded": ITEMS}
        assert river.errors == []


def test_trouble_in_a_turn_stops_no_fetching_and_is_told_at_the_end(house: House) -> None:
    house.launcher["decrypt"] = {"archive": "not-there"}
    with house.river() as river:
        work = Run(river)
        counts = work.rooms()
        assert work.exit_code(counts) == 2
        assert counts["fetched"] == ITEMS
        assert [error for error in counts["errors"] if "not-there" in error]
        assert states(river) == {"staged": ITEMS}
    os.environ["AIRFLOW_CONN_NOT_THERE"] = '{"conn_type": "generic", "password": "secret"}'
    house.launcher["decrypt"] = {"archive": "not_there"}
    try:
        code, counts = house.run()
    finally:
        del os.environ["AIRFLOW_CONN_NOT_THERE"]
    assert (code, counts["settled"]) == (0, ITEMS)


def test_what_was_staged_is_decoded_though_the_source_is_gone(house: House) -> None:
    with house.river() as river:
        fetch(river)
        assert states(river) == {"staged": ITEMS}
    house.incoming.rename(house.root / "away")
    code, counts = house.run()
    assert (code, counts["documents"]) == (3, ITEMS)


def test_keys_that_are_wrong_are_told_even_when_nothing_waits(tmp_path: Path) -> None:
    house = House(tmp_path, {}, {"decrypt": {"archive": "not-there"}})
    code, _counts = house.run()
    assert code == 2
