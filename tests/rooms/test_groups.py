"""Groups and indexes through the whole river: files first, index last, nothing twice, nobody forgotten."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from ezcold_operators import steps
from ezcold_operators.ledger import people
from ezcold_operators.ledger.people import Decision
from ezcold_operators.rooms import replay
from tests.rooms.house import PDF, House
from tests.servers.ezged import ezged_server


def index_of(house: House, ending: str = ".json") -> tuple[str, bytes]:
    """The one file with this ending in the waiting directory."""
    ((name, data),) = [(name, data) for name, data in house.arrived().items() if name.endswith(ending)]
    return name, data


def test_a_group_arrives_whole_its_index_last(tmp_path: Path) -> None:
    house = House(tmp_path, {"group": True, "index": "json", "number": 87})
    house.zip("lot 12.zip", {"a.pdf": PDF + b"a", "sous/b.pdf": PDF + b"b", "notes.txt": b"x"})
    before: list[int] = []

    def watch(name: str, moment: steps.Moment) -> None:
        if (name, moment) == ("groups.indexed", "before"):
            before.append(len(house.arrived()))

    steps.observe(watch)
    try:
        code, counts = house.run()
    finally:
        steps.observe(None)
    assert (code, counts["sent"], counts["owed"], before) == (0, {"s1": 3}, 0, [2])
    assert house.item_states() == ["settled"]
    name, data = index_of(house)
    assert name.startswith("lot 12__")
    found = json.loads(data)
    assert (found["scenario"], found["number"], found["source_name"]) == ("s1", 87, "lot 12.zip")
    listed = {one["name"]: one for one in found["documents"]}
    assert {n: one["state"] for n, one in listed.items()} == {"a.pdf": "sent", "b.pdf": "sent", "notes.txt": "rejected"}
    assert ".txt" in listed["notes.txt"]["reason"]
    arrived = house.arrived()
    for one in (listed["a.pdf"], listed["b.pdf"]):
        assert hashlib.sha256(arrived[one["file"]]).hexdigest() == one["sha256"]
    assert house.run()[1]["sent"] == {}
    assert house.arrived() == arrived


def test_each_document_has_its_index_beside_it(tmp_path: Path) -> None:
    house = House(tmp_path, {"index": "json", "name": "{date:%Y}_{name}"})
    house.zip("lot.zip", {"a.pdf": PDF, "b.json": b"{}", "c.xml": b"<c/>"})
    assert house.run()[0] == 0
    names = set(house.arrived())
    assert len(names) == 6
    documents = {one["file"] for name, data in house.arrived().items() if b'"documents"' in data
                 for one in json.loads(data)["documents"]}  # fmt: skip
    assert {one.rpartition("__")[0][5:] + Path(one).suffix for one in documents} == {"a.pdf", "b.json", "c.xml"}
    for one in documents:
        beside = f"{one}.json" if one.endswith(".json") else f"{Path(one).stem}.json"
        assert beside in names
    assert house.item_states() == ["settled"]


@pytest.mark.parametrize("decide", ["dismiss", "replay"])
def test_a_group_waits_for_what_is_in_quarantine(tmp_path: Path, decide: str) -> None:
    house = House(tmp_path, {"group": True, "index": "json"}, {"mismatch": "quarantine"})
    house.zip("lot.zip", {"a.pdf": PDF, "b.pdf": b"\x89PNG\r\n\x1a\n" + b"0" * 100})
    for _again in range(2):
        code, counts = house.run()
        assert house.arrived() == {}
        assert counts["owed"] == 2
    assert (code, house.item_states()) == (0, ["quarantined"])
    if decide == "dismiss":
        house.dismiss()
    else:
        house.replay()
        house.launcher["mismatch"] = "accept"
    assert house.run()[1]["owed"] == 0
    found = json.loads(index_of(house)[1])["documents"]
    second = ("rejected", "anne: not wanted") if decide == "dismiss" else ("sent", "")
    assert [(one["name"], one["state"], one["reason"]) for one in found] == [("a.pdf", "sent", ""), ("b.pdf", *second)]
    assert len(house.arrived()) == (2 if decide == "dismiss" else 3)
    assert house.item_states() == ["settled"]
    assert house.run()[1]["sent"] == {}


def test_other_items_do_not_wait_for_a_group(tmp_path: Path) -> None:
    house = House(tmp_path, {"group": True, "index": "csv"}, {"mismatch": "quarantine"})
    house.zip("bad.zip", {"a.pdf": PDF, "b.pdf": b"\x89PNG\r\n\x1a\n" + b"0" * 100})
    house.zip("good.zip", {"c.pdf": PDF + b"c"})
    house.run()
    assert {name.rpartition("__")[0] for name in house.arrived()} == {"c", "good"}


def test_a_group_whose_item_could_not_be_read_whole_waits(tmp_path: Path) -> None:
    house = House(tmp_path, {"group": True}, {"limits": {"max_documents": 2}})
    house.zip("lot.zip", {f"{n}.pdf": PDF + b"%d" % n for n in range(4)})
    house.run()
    assert house.item_states() == ["quarantined"]
    assert house.arrived() == {}
    house.replay()
    house.launcher["limits"] = {"max_documents": 10}
    assert house.run()[0] == 0
    assert len(house.arrived()) == 4


def test_an_index_that_cannot_be_made_keeps_the_item(tmp_path: Path) -> None:
    template = tmp_path / "index.txt.j2"
    template.write_text("{{ nothing }}")
    house = House(tmp_path, {"index": str(template), "group": True})
    house.zip("lot.zip", {"a.pdf": PDF})
    code, counts = house.run()
    assert (code, counts["owed"], house.item_states()) == (2, 1, ["decoded"])
    assert "index.txt.j2" in " ".join(counts["errors"])
    assert [path.name for path in house.incoming.iterdir()] == ["lot.zip"]
    template.write_text("{% for d in documents %}{{ d.file }}|{{ d.sha256 }}\n{% endfor %}")
    assert house.run()[0] == 0
    assert house.item_states() == ["settled"]
    (document,) = [name for name in house.arrived() if name.endswith(".pdf")]
    assert index_of(house, ".txt")[1].decode() == f"{document}|{hashlib.sha256(PDF).hexdigest()}\n"


def test_a_scenario_that_wants_no_index_any_more_lets_the_item_go(tmp_path: Path) -> None:
    template = tmp_path / "index.txt.j2"
    template.write_text("{{ nothing }}")
    house = House(tmp_path, {"index": str(template)})
    house.zip("lot.zip", {"a.pdf": PDF})
    house.run()
    house.scenario["index"] = "none"
    assert house.run()[0] == 0
    assert house.item_states() == ["settled"]
    assert [name for name in house.arrived() if not name.endswith(".pdf")] == []


class Killed(BaseException):
    """Stands for the end of the process at a step."""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_ending_while_an_index_is_given_up(tmp_path: Path, moment: str) -> None:
    template = tmp_path / "index.txt.j2"
    template.write_text("{{ nothing }}")
    house = House(tmp_path, {"index": str(template)})
    house.zip("lot.zip", {"a.pdf": PDF})
    house.run()
    house.scenario["index"] = "none"

    def kill(name: str, now: steps.Moment) -> None:
        if (name, now) == ("groups.needless", moment):
            raise Killed

    steps.observe(kill)
    try:
        with pytest.raises(Killed):
            house.run()
    finally:
        steps.observe(None)
    assert house.run()[0] == 0
    assert house.item_states() == ["settled"]
    assert len(house.arrived()) == 1


def test_a_csv_for_a_french_spreadsheet(tmp_path: Path) -> None:
    house = House(tmp_path, {"group": True, "index": "csv", "index_encoding": "iso-8859-15"})
    house.zip("=lot.zip", {"=cmd|' calc'!A0.pdf": PDF, "é;€.pdf": PDF + b"2"})
    assert house.run()[0] == 0
    _name, data = index_of(house, ".csv")
    lines = list(csv.DictReader(io.StringIO(data.decode("iso-8859-15")), delimiter=";"))
    assert [line["name"][:2] for line in lines] == ["'=", "é;"]
    for line in lines:
        assert not any(str(value).startswith(("=", "+", "-", "@")) for value in line.values())
        assert (house.wait / line["file"]).is_file()


def test_an_xml_index(tmp_path: Path) -> None:
    house = House(tmp_path, {"group": True, "index": "xml"})
    house.zip("lot.zip", {"a&b.pdf": PDF, "c.txt": b""})
    assert house.run()[0] == 0
    root = ElementTree.fromstring(index_of(house, ".xml")[1])
    assert [one.findtext("state") for one in root.iter("document")] == ["sent", "rejected"]
    assert (house.wait / str(root.findtext("documents/document/file"))).read_bytes() == PDF


def test_a_refused_member_holds_the_index_until_somebody_decides(tmp_path: Path) -> None:
    with ezged_server() as server:
        house = ezged_house(tmp_path, server, group=True, index="json")
        house.zip("lot.zip", {"a.pdf": PDF, "b.pdf": PDF + b"b"})
        server.fault("refuse", times=3, text="type non accepté", name="a__")
        for _attempt in range(4):
            house.run()
        assert [name.rpartition("__")[0] for name in server.files["factures"]] == ["b"]
        logins = server.logins
        house.run()
        assert server.logins == logins
        house.dismiss()
        house.run()
        (data,) = [data for name, data in server.files["factures"].items() if name.endswith(".json")]
        states = {one["name"]: (one["state"], one["file"] != "") for one in json.loads(data)["documents"]}
        assert states == {"a.pdf": ("refused", False), "b.pdf": ("sent", True)}
        assert house.item_states() == ["settled"]
        assert (server.violations, server.sessions) == ([], {})


def test_an_index_is_not_sent_where_nothing_arrived(tmp_path: Path) -> None:
    with ezged_server() as server:
        house = ezged_house(tmp_path, server, group=True, index="json")
        house.zip("lot.zip", {"a.pdf": PDF})
        server.fault("refuse", times=3, text="type non accepté")
        for _attempt in range(3):
            house.run()
        house.dismiss()
        house.run()
        assert server.uploads == []
        assert {state for _role, _name, state in house.states()} == {"dismissed"}
        assert house.item_states() == ["settled"]


def test_sending_documents_and_their_index_again(tmp_path: Path) -> None:
    house = House(tmp_path, {"group": True, "index": "json"})
    house.zip("lot.zip", {"a.pdf": PDF, "b.pdf": PDF + b"b"})
    house.run()
    first = set(house.arrived())
    with house.river() as river:
        with river.ledger.read() as conn:
            rows = people.documents(conn, item_id=1)
        scenario, by = river.scenarios["s1"], Decision("person", "anne")
        told = replay.resend(river.ledger, river.stage, river.settings, by, rows, scenario)
    assert (told["sent"], told["errors"]) == (3, [])
    again = {name: data for name, data in house.arrived().items() if name not in first}
    (index,) = [json.loads(data) for name, data in again.items() if name.endswith(".json")]
    assert {one["file"] for one in index["documents"]} == {name for name in again if name.endswith(".pdf")}


@pytest.mark.postgres
def test_groups_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    house = House(tmp_path, {"group": True, "index": "json"}, {"mismatch": "quarantine"})
    house.ledger_url = postgres_url
    house.zip("bad.zip", {"a.pdf": PDF, "b.pdf": b"\x89PNG\r\n\x1a\n" + b"0" * 100})
    house.zip("good.zip", {"c.pdf": PDF + b"c", "d.txt": b"d"})
    house.run()
    assert {name.rpartition("__")[0] for name in house.arrived()} == {"c", "good"}
    house.dismiss()
    assert house.run()[1]["owed"] == 0
    assert {name.rpartition("__")[0] for name in house.arrived()} == {"a", "bad", "c", "good"}
    house.scenario = house.scenario | {"group": False, "index": "csv"}
    house.zip("more.zip", {"e.pdf": PDF + b"e"})
    house.run()
    assert sorted(name.rpartition("__")[0] for name in house.arrived()) == ["a", "bad", "c", "e", "e", "good"]


def test_three_hundred_groups_at_once(tmp_path: Path) -> None:
    house = House(tmp_path, {"group": True, "index": "json"})
    for n in range(130):
        house.zip(f"{n}.zip", {"a.pdf": PDF + b"%d" % n, "b.pdf": PDF + b"b%d" % n})
    code, counts = house.run()
    assert (code, counts["sent"], counts["settled"]) == (0, {"s1": 390}, 130)
    for name, data in house.arrived().items():
        if name.endswith(".json"):
            assert [(house.wait / one["file"]).is_file() for one in json.loads(data)["documents"]] == [True, True]


def ezged_house(tmp_path: Path, server: Any, **scenario: Any) -> House:
    """A house whose scenario is this EzGED."""
    from ezcold_operators.config.credentials import Credentials

    house = House(tmp_path, {"driver": "ezged", "connection": "ezged", "waitdir": "factures", **scenario})
    state = server.state
    house.credentials = Credentials(
        "ezged", "localhost", server.port, state.login, state.password, extra=server.extras()
    )
    return house
