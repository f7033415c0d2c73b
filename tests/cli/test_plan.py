"""`ezcold plan`: what would happen, and that nothing does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ezcold_operators.ledger.ledger import Ledger
from tests.cli.place import Place
from tests.rooms.test_river_mail import archive


@pytest.fixture(autouse=True)
def ledger(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EZCOLD_LEDGER_URL", f"sqlite:///{place.home}/ledger.db?timeout=0.2")


def snapshot(*folders: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything below, with times and bytes."""
    found = [p for folder in folders for p in folder.rglob("*")]
    return {
        str(p): (p.stat().st_mode, p.stat().st_mtime_ns, p.read_bytes() if p.is_file() else b"") for p in sorted(found)
    }


def prepare(place: Place) -> None:
    place.launcher(
        source={"after": {"action": "delete"}}, filters=["/(?!brouillon).*/"], unpack=["archive"],
        routes=[{"extensions": ["pdf"], "send_to": ["factures", "clients"]}], limits={"max_item_mb": 1},
    )  # fmt: skip
    place.put("a.pdf")
    place.put("brouillon.pdf", b"b")
    place.put("c.doc", b"c")
    place.put("d.zip", archive({"inner.pdf": b"%PDF inner", "note.txt": b"n"}))
    place.put("large.pdf", b"x" * 1_000_001)


def test_per_document_where_it_would_go_or_why_not(place: Place) -> None:
    prepare(place)
    answer = place.call("plan", "--json", place.file)
    assert answer.code == 0
    found = answer.json()
    assert found["launcher"] == "l1"
    items = {one["item"]: one for one in found["items"]}
    assert set(items) == {"a.pdf", "brouillon.pdf", "c.doc", "d.zip", "large.pdf"}
    documents = {d["name"]: d for one in found["items"] for d in one["documents"]}
    assert documents["a.pdf"]["send_to"] == ["factures", "clients"]
    assert (documents["inner.pdf"]["verdict"], documents["note.txt"]["verdict"]) == ("accepted", "rejected")
    assert "brouillon" in documents["brouillon.pdf"]["reason"]
    assert ".doc" in documents["c.doc"]["reason"]
    assert "max_item_mb" in items["large.pdf"]["quarantined"]
    assert place.call("plan", place.file).out.count("a.pdf -> factures + clients") == 1


def test_nothing_changes_anywhere(place: Place) -> None:
    prepare(place)
    everything = (place.incoming, *place.waiting.values(), place.launchers)
    before = snapshot(*everything)
    for _again in range(2):
        assert place.call("plan", "--json", place.file).code == 0
    assert snapshot(*everything) == before
    assert not place.home.exists()
    assert not (place.root / "parts").exists()


def test_the_home_of_an_earlier_run_is_left_as_it_is(place: Place) -> None:
    prepare(place)
    place.run()
    place.put("new.pdf", b"new")
    before = snapshot(place.home, place.incoming, *place.waiting.values())
    answer = place.call("plan", "--json", place.file)
    assert [one["item"] for one in answer.json()["items"]] == ["new.pdf"]
    assert snapshot(place.home, place.incoming, *place.waiting.values()) == before
    assert place.run()["sent"] == {"clients": 1, "factures": 1}


def test_what_is_known_is_not_shown_again(place: Place) -> None:
    place.put("a.pdf")
    place.run()
    assert place.call("plan", "--json", place.file).json()["items"] == []
    assert "nothing new" in place.call("plan", place.file).out


def test_plan_and_run_agree(place: Place) -> None:
    prepare(place)
    planned = [
        (d["name"], to)
        for one in place.call("plan", "--json", place.file).json()["items"]
        for d in one["documents"]
        for to in d["send_to"]
    ]
    place.run()
    for scenario in ("factures", "clients"):
        assert place.arrived(scenario) == sorted(name for name, to in planned if to == scenario)


def test_a_source_that_is_gone_is_3_and_a_wrong_file_2(place: Place) -> None:
    assert place.call("plan", "--json", place.root / "none.yaml").code == 2
    place.incoming.rmdir()
    answer = place.call("plan", "--json", place.file)
    assert (answer.code, answer.out) == (3, "")
    assert answer.err.strip().count("\n") == 0


def test_names_in_other_encodings(place: Place) -> None:
    raw = os.fsencode(place.incoming) + b"/re\xe7u.pdf"
    Path(os.fsdecode(raw)).write_bytes(b"%PDF")
    os.utime(raw, (1, 1))
    answer = place.call("plan", "--json", place.file)
    assert [one["item"] for one in answer.json()["items"]] == ["reçu.pdf"]


def test_the_ledger_of_a_newer_ezcold_is_2(place: Place) -> None:
    with Ledger.open(f"sqlite:///{place.home}/ledger.db") as opened, opened.transaction("test") as conn:
        conn.exec_driver_sql("UPDATE ezcold_version SET version_num = '9999'")
    assert place.call("plan", place.file).code == 2
