"""Deliveries of which nothing is certain: they wait, or a person decides, and everything else goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ezcold_operators.ledger.tables import delivery
from ezcold_operators.steps import Moment, observe
from tests.rooms.house import PDF, House


class Cut(BaseException):
    """The process ends here."""


def cut(house: House, step: str, moment: Moment) -> None:
    """A run that ends at a step."""

    def end(name: str, now: Moment) -> None:
        if (name, now) == (step, moment):
            raise Cut

    observe(end)
    try:
        with pytest.raises(Cut):
            house.run()
    finally:
        observe(None)


def states(house: House) -> list[str]:
    return [str(state) for _id, state in house.rows(delivery.c.id, delivery.c.state)]


def test_a_document_in_doubt_does_not_hold_up_the_next(tmp_path: Path) -> None:
    """Its parts folder was thrown away: nobody can tell, but later documents have a new one."""
    house = House(tmp_path, {})
    house.zip("1.zip", {"a.pdf": PDF + b"a"})
    cut(house, "dispatch.sending", "after")
    shutil.rmtree(tmp_path / ".wait.ezcold-parts")
    house.zip("2.zip", {"b.pdf": PDF + b"b"})
    code, counts = house.run()
    assert code == 1
    assert "nobody knows whether it was" in counts["errors"][0]
    assert list(house.arrived().values()) == [PDF + b"b"]
    assert states(house) == ["sending", "sent"]
    assert [path.name for path in house.incoming.iterdir()] == ["1.zip"]
