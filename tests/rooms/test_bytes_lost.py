"""Bytes that are lost from the stage: fetched again, or said to be gone; never silently forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from ezcold_operators.ledger.tables import delivery
from tests.rooms.house import PDF, House
from tests.rooms.test_dispatch_doubt import cut


def lose(house: House, *suffixes: str) -> None:
    """The stage's disk fails; with suffixes, files of the source are gone too."""
    for blob in (house.root / "home" / "stage" / "blobs").glob("*/*"):
        blob.unlink()
    for file in list(house.incoming.iterdir()):
        if file.suffix in suffixes:
            file.rename(house.root / file.name)


def test_still_at_the_source(tmp_path: Path) -> None:
    house = House(tmp_path, {})
    house.zip("1.zip", {"a.pdf": PDF + b"a"})
    cut(house, "fetch.staged", "after")
    lose(house)
    assert house.run()[0] == 1
    assert house.run()[0] == 0
    assert list(house.arrived().values()) == [PDF + b"a"]
    assert house.item_states() == ["settled"]


@pytest.mark.parametrize("step", ["fetch.staged", "filter.judged", "dispatch.claim"])
def test_nowhere_any_more(tmp_path: Path, step: str) -> None:
    """A person hears of it once, and may put it back; other items go on."""
    house = House(tmp_path, {})
    house.zip("1.zip", {"a.pdf": PDF + b"a"})
    cut(house, step, "after")
    lose(house, ".zip")
    house.zip("2.zip", {"b.pdf": PDF + b"b"})
    assert house.run()[0] == 1
    code, counts = house.run()
    assert code == 1
    assert "not at its source any more" in counts["errors"][0]
    assert house.item_states() == ["quarantined", "settled"]
    assert set(house.rows(delivery.c.state)) <= {("quarantined",), ("sent",)}
    assert house.run()[0] == 0
    (tmp_path / "1.zip").rename(house.incoming / "1.zip")
    assert house.run()[0] == 0
    house.replay()
    assert house.run()[0] == 0
    assert sorted(house.arrived().values()) == [PDF + b"a", PDF + b"b"]
    assert house.item_states() == ["settled", "settled"]
    assert list(house.incoming.iterdir()) == []


def test_an_item_in_quarantine_is_not_taken_out_of_it_by_a_lost_document(tmp_path: Path) -> None:
    house = House(tmp_path, {}, {"mismatch": "quarantine"})
    house.zip("1.zip", {"a.pdf": PDF + b"a", "b.pdf": b"\x89PNG\r\n\x1a\n"})
    cut(house, "filter.judged", "after")
    assert house.item_states() == ["quarantined"]
    lose(house)
    house.run()
    assert house.item_states() == ["quarantined"]
