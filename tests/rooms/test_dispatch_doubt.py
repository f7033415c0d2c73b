"""Deliveries of which nothing is certain: they wait, or a person decides, and everything else goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.ledger.tables import delivery
from ezcold_operators.steps import Moment, observe
from tests.rooms.house import PDF, House
from tests.servers.ezged import EzgedServer, ezged_server


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


def login(server: EzgedServer) -> Credentials:
    return Credentials("ezged", "localhost", server.port, server.state.login, server.state.password,
                       extra=server.extras())  # fmt: skip


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


def test_a_scenario_that_has_another_driver_now_finishes_what_the_old_one_began(tmp_path: Path) -> None:
    """Parts that lie ready go where they were to go; what comes later goes the new way."""
    house = House(tmp_path, {})
    house.zip("1.zip", {"a.pdf": PDF + b"a", "b.pdf": PDF + b"b"})
    cut(house, "waitdir.rename", "after")
    with ezged_server() as server:
        house.scenario = {"driver": "ezged", "connection": "ezged", "waitdir": "factures"}
        house.credentials = login(server)
        house.zip("2.zip", {"c.pdf": PDF + b"c"})
        assert house.run()[0] == 0
        assert sorted(server.files["factures"].values()) == [PDF + b"c"]
    assert sorted(house.arrived().values()) == [PDF + b"a", PDF + b"b"]
    assert list(house.incoming.iterdir()) == []


def test_an_upload_in_doubt_waits_for_a_person_when_its_driver_is_gone(tmp_path: Path) -> None:
    house = House(tmp_path, {"driver": "ezged", "connection": "ezged", "waitdir": "factures"})
    house.zip("1.zip", {"a.pdf": PDF + b"a"})
    with ezged_server() as server:
        house.credentials = login(server)
        cut(house, "ezged.upload", "before")
        assert server.files["factures"] == {}
    house.scenario = {"driver": "folder", "path": str(house.wait)}
    house.zip("2.zip", {"b.pdf": PDF + b"b"})
    code, counts = house.run()
    assert code == 1
    assert "which s1 no longer has" in counts["errors"][0]
    assert list(house.arrived().values()) == [PDF + b"b"]
    assert states(house) == ["quarantined", "sent"]
    house.replay()
    assert house.run()[0] == 0
    assert sorted(house.arrived().values()) == [PDF + b"a", PDF + b"b"]
