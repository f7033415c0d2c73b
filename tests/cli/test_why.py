"""`ezcold why`: in order, what became of a document."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.place import Place


@pytest.fixture(autouse=True)
def ledger(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EZCOLD_LEDGER_URL", f"sqlite:///{place.home}/ledger.db?timeout=0.2")


def test_the_way_of_a_document_in_order(place: Place) -> None:
    place.launcher(source={"after": {"action": "move", "to": str(place.root / "done")}})
    place.put("facture_2026.pdf")
    place.run()
    answer = place.call("why", "facture_2026.pdf")
    assert answer.code == 0
    lines = answer.out.splitlines()
    order = [
        next(n for n, line in enumerate(lines) if words in line)
        for words in ("fetched", "decoded", "accepted for", "sent to", "acknowledged", "settled  cli__")
    ]
    assert order == sorted(order)
    (final,) = place.waiting["factures"].iterdir()
    assert final.name in answer.out


def test_which_filter_refused_it(place: Place) -> None:
    place.launcher(filters=["/(?!brouillon).*/"])
    place.put("brouillon.pdf")
    place.run()
    answer = place.call("why", "brouillon.pdf")
    assert answer.code == 0
    assert "/(?!brouillon).*/" in answer.out


def test_as_json(place: Place) -> None:
    place.put("a.pdf")
    place.run()
    (found,) = place.call("why", "--json", "a.pdf").json()
    assert list(found) == ["item", "documents", "deliveries", "events"]
    assert [one["what"] for one in found["events"]] == [
        "fetched", "decoded", "accepted", "sent", "acknowledged", "settled",
    ]  # fmt: skip
    assert (found["item"]["state"], found["deliveries"][0]["state"]) == ("settled", "sent")
    assert isinstance(found["item"]["handle"], dict)
    assert not any("claimed_by" in one for one in (found["item"], *found["deliveries"]))
    by_hash = place.call("why", "--json", found["item"]["sha256"]).json()
    assert by_hash == [found]


def test_not_found_is_1(place: Place) -> None:
    place.put("a.pdf")
    place.run()
    answer = place.call("why", "never seen")
    assert answer.code == 1
    assert "never seen" in answer.out
    answer = place.call("why", "--json", "never seen")
    assert (answer.code, answer.json()) == (1, [])


def test_what_is_in_quarantine_says_why(place: Place) -> None:
    place.launcher(limits={"max_item_mb": 1})
    place.put("large.pdf", b"x" * 1_000_001)
    place.call("run", place.file)
    answer = place.call("why", "large.pdf")
    assert answer.code == 0
    assert "max_item_mb" in answer.out


def test_in_french(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EZCOLD_LANG", "fr")
    assert place.call("why", "jamais vu").out.strip()
    assert "nothing known" not in place.call("why", "jamais vu").out


def test_a_name_in_another_encoding_is_found_and_shown(place: Place) -> None:
    raw = os.fsencode(place.incoming) + b"/re\xe7u.pdf"
    Path(os.fsdecode(raw)).write_bytes(b"%PDF")
    os.utime(raw, (1, 1))
    place.run()
    assert "reçu.pdf" in place.call("why", "reçu").out
