"""`ezcold test`: 0 or 3, one sentence for each thing that is wrong, nothing changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.place import Place


@pytest.fixture(autouse=True)
def ledger(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EZCOLD_LEDGER_URL", f"sqlite:///{place.home}/ledger.db")


def files(place: Place) -> list[Path]:
    return sorted(p for folder in (place.incoming, *place.waiting.values()) for p in folder.rglob("*"))


def test_all_well(place: Place) -> None:
    place.put("a.pdf")
    before = files(place)
    answer = place.call("test", place.file)
    assert answer.code == 0
    assert answer.out.count("all is well") == 2
    assert files(place) == before


def test_one_sentence_for_each_thing_that_is_wrong(place: Place) -> None:
    place.launcher(routes=[{"extensions": ["*"], "send_to": ["factures", "clients"]}])
    place.incoming.rmdir()
    place.waiting["clients"].rmdir()
    answer = place.call("test", place.file)
    assert answer.code == 3
    lines = [line for line in answer.out.splitlines() if not line.startswith("  ")]
    assert len(lines) == 3
    assert str(place.incoming) in lines[0]
    assert "factures: all is well" in lines[1]
    assert str(place.waiting["clients"]) in lines[2]


def test_a_missing_connection_is_one_of_them(place: Place) -> None:
    place.file.write_text(
        "launcher: l1\nsource: {protocol: imap, connection: nowhere, path: INBOX}\n"
        "routes: [{extensions: ['*'], send_to: [factures]}]\n"
    )
    answer = place.call("test", place.file)
    assert answer.code == 3
    assert "AIRFLOW_CONN_NOWHERE" in answer.out


def test_a_wrong_file_is_2(place: Place) -> None:
    place.file.write_text("launcher: l1\n")
    assert place.call("test", place.file).code == 2
