"""A delivery of which nobody knows whether it was made does not hold up the others."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ezcold_operators import steps
from tests.rooms.house import PDF, House


class Killed(BaseException):
    """The process ends here."""


def test_what_is_owed_goes_on_beside_a_delivery_in_doubt(tmp_path: Path) -> None:
    house = House(tmp_path, {})
    house.zip("a.zip", {"a.pdf": PDF + b"a"})

    def die(name: str, moment: steps.Moment) -> None:
        if (name, moment) == ("waitdir.rename", "before"):
            raise Killed

    steps.observe(die)
    with pytest.raises(Killed):
        house.run()
    steps.observe(None)
    shutil.rmtree(tmp_path / ".wait.ezcold-parts")  # the share was restored without it
    house.zip("b.zip", {"b.pdf": PDF + b"b"})
    code, counts = house.run()
    assert code == 1
    assert list(house.arrived().values()) == [PDF + b"b"]
    assert (counts["owed"], counts["settled"]) == (1, 1)
    assert "nobody knows whether it was" in counts["errors"][0]
