"""`ezcold run`: its JSON, its words, its exit codes."""

from __future__ import annotations

import sqlite3

import pytest

from tests.cli.place import Place

KEYS = ["launcher", "fetched", "documents", "rejected", "sent", "settled", "quarantined", "owed", "errors"]


@pytest.fixture(autouse=True)
def ledger(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EZCOLD_LEDGER_URL", f"sqlite:///{place.home}/ledger.db?timeout=0.2")


def test_one_json_object_alone_on_stdout(place: Place) -> None:
    place.put("a.pdf")
    place.put("b.pdf", b"b")
    answer = place.call("run", "--json", place.file)
    assert answer.code == 0
    assert answer.out.count("\n") == 1
    assert list(answer.json()) == KEYS
    assert answer.json() == {
        "launcher": "l1", "fetched": 2, "documents": 2, "rejected": 0, "sent": {"factures": 2}, "settled": 2,
        "quarantined": 0, "owed": 0, "errors": [],
    }  # fmt: skip
    assert f"{place.home}/ledger.db" in answer.err
    assert place.arrived() == ["a.pdf", "b.pdf"]


def test_a_second_run_moves_nothing(place: Place) -> None:
    place.put("a.pdf")
    place.run()
    before = place.arrived()
    again = place.run()
    assert [again[key] for key in KEYS[1:]] == [0, 0, 0, {}, 0, 0, 0, []]
    assert place.arrived() == before


def test_in_words(place: Place) -> None:
    place.put("a.pdf")
    place.put("c.doc", b"c")
    place.launcher(routes=[{"extensions": ["pdf"], "send_to": ["factures"]}])
    answer = place.call("run", place.file)
    assert answer.out.splitlines() == [
        "2 items fetched", "2 documents found", "1 document sent to factures", "1 document left out", "2 items settled",
    ]  # fmt: skip


def test_in_french(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EZCOLD_LANG", "fr")
    place.put("a.pdf")
    answer = place.call("run", place.file)
    assert "1 document envoyé" in answer.out
    assert "fetched" not in answer.out
    place.waiting["factures"].rename(place.root / "away")
    place.put("b.pdf", b"b")
    answer = place.call("run", "--json", place.file)
    assert answer.code == 3
    (error,) = answer.json()["errors"]
    assert any(word in error for word in ("dossier", "répertoire", "n'existe"))


def test_a_quarantined_item_is_1(place: Place) -> None:
    place.launcher(limits={"max_item_mb": 1})
    place.put("large.pdf", b"x" * 1_000_001)
    place.put("small.pdf")
    answer = place.call("run", "--json", place.file)
    assert (answer.code, answer.json()["quarantined"], answer.json()["sent"]) == (1, 1, {"factures": 1})
    (error,) = answer.json()["errors"]
    assert error in answer.err.splitlines()
    assert place.call("run", "--json", place.file).code == 0


def test_a_scenario_that_is_down_is_3_and_owed(place: Place) -> None:
    place.put("a.pdf")
    place.waiting["factures"].rename(place.root / "away")
    answer = place.call("run", "--json", place.file)
    found = answer.json()
    assert (answer.code, found["owed"], found["settled"], len(found["errors"])) == (3, 1, 0, 1)
    words = place.call("run", place.file)
    assert "1 delivery still owed" in words.out
    (place.root / "away").rename(place.waiting["factures"])
    assert place.run()["sent"] == {"factures": 1}


def test_a_source_that_is_gone_is_3(place: Place) -> None:
    place.incoming.rmdir()
    answer = place.call("run", "--json", place.file)
    assert (answer.code, len(answer.json()["errors"])) == (3, 1)


def test_a_failed_item_counts_more_than_a_scenario_that_is_down(place: Place) -> None:
    place.launcher(limits={"max_item_mb": 1})
    place.put("large.pdf", b"x" * 1_000_001)
    place.put("a.pdf")
    place.waiting["factures"].rename(place.root / "away")
    assert place.call("run", place.file).code == 1


def test_configuration_is_2_with_file_and_line(place: Place) -> None:
    place.file.write_text("launcher: l1\nsuorce: {}\n")
    answer = place.call("run", "--json", place.file)
    assert answer.code == 2
    assert answer.out == ""
    assert f"{place.file}:2" in answer.err
    assert "source" in answer.err
    assert place.call("run", place.root / "none.yaml").code == 2


@pytest.mark.parametrize("url", ["nonsense", "mysql://a:planted@b/c", "sqlite://"])
def test_a_wrong_ledger_is_2(place: Place, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("EZCOLD_LEDGER_URL", url)
    for command in (("run", "--json", place.file), ("plan", place.file), ("why", "x"), ("check",)):
        answer = place.call(*command)
        assert answer.code == 2
        assert "planted" not in answer.err


def test_a_locked_ledger_is_3(place: Place) -> None:
    place.put("a.pdf")
    place.run()
    place.put("b.pdf", b"b")
    other = sqlite3.connect(place.home / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answer = place.call("run", "--json", place.file)
    assert answer.code == 3
    (error,) = answer.json()["errors"]
    assert "locked" in error
    other.close()
    assert place.run()["sent"] == {"factures": 1}
    assert place.arrived() == ["a.pdf", "b.pdf"]


def test_a_connection_that_is_missing_is_2(place: Place) -> None:
    place.file.write_text(
        "launcher: l1\nsource: {protocol: imap, connection: nowhere, path: INBOX}\n"
        "routes: [{extensions: ['*'], send_to: [factures]}]\n"
    )
    answer = place.call("run", "--json", place.file)
    assert answer.code == 2
    (error,) = answer.json()["errors"]
    assert "nowhere" in error
    assert "AIRFLOW_CONN_NOWHERE" in error


def test_an_archive_is_only_paid_for(place: Place) -> None:
    place.put("a.pdf")
    place.launcher(reprise={"by": "modified", "every": "month"})
    answer = place.call("run", "--json", place.file)
    assert (answer.code, answer.json()["fetched"]) == (0, 0)
    assert "reprise" in answer.err
