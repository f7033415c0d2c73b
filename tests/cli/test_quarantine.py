"""`ezcold quarantine` and `ezcold resend`: what a person decides, on a real ledger, from a real folder."""

from __future__ import annotations

import os
import shutil
import time
import zipfile
from pathlib import Path

import pytest

from tests.airflow_runs import write
from tests.cli.place import PDF, Place

BROKEN = b"PK\x03\x04" + b"\xff" * 200


def events(place: Place, text: str) -> list[str]:
    (one,) = place.call("why", "--json", text).json()
    return [event["what"] for event in one["events"]]


def state(place: Place, text: str) -> str:
    (one,) = place.call("why", "--json", text).json()
    return str(one["item"]["state"])


def listed(place: Place, *more: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = place.call("quarantine", "list", "--json", *more).json()["items"]
    return found


def quarantine_archive(place: Place) -> None:
    """An archive that cannot be read, in quarantine, and a neighbour that arrived."""
    done = {"action": "move", "to": str(place.root / "done")}
    routes = [{"extensions": ["pdf"], "send_to": ["factures"]}]
    place.launcher(unpack=["archive"], routes=routes, source={"after": done, "rejected": done})
    place.put("broken.zip", BROKEN)
    place.put("good.pdf")
    for _more in range(4):
        if place.run()["quarantined"]:
            break
    assert place.arrived() == ["good.pdf"]


def test_nothing_in_quarantine_is_said_and_is_no_failure(place: Place) -> None:
    place.run()
    answer = place.call("quarantine", "list")
    assert (answer.code, answer.out) == (0, "")
    assert "nothing is in quarantine" in answer.err
    assert place.call("quarantine", "replay", "--all").code == 1


def test_an_item_in_quarantine_is_listed_with_its_reason(place: Place) -> None:
    quarantine_archive(place)
    (one,) = listed(place)
    assert (one["launcher"], one["name"], one["state"]) == ("l1", "broken.zip", "quarantined")
    assert one["reason"]
    assert time.time() - 3600 < float(str(one["since"])) <= time.time()
    assert listed(place, "--launcher", "other") == []
    shown = place.call("quarantine", "list").out
    assert "broken.zip" in shown
    assert str(one["reason"]) in shown


def test_replay_decodes_again_and_what_is_still_broken_comes_back(place: Place) -> None:
    quarantine_archive(place)
    (one,) = listed(place)
    answer = place.call("quarantine", "replay", "--json", one["id"])  # type: ignore[arg-type]
    assert (answer.code, answer.json()) == (0, {"replayed": [one["id"]], "left": []})
    assert (listed(place), state(place, "broken.zip")) == ([], "staged")
    for _more in range(4):
        if place.run()["quarantined"]:
            break
    assert [row["id"] for row in listed(place)] == [one["id"]]
    assert events(place, "broken.zip").count("replayed") == 1
    assert (place.incoming / "broken.zip").read_bytes() == BROKEN
    assert place.arrived() == ["good.pdf"]


def test_after_the_launcher_was_mended_a_replayed_item_arrives_whole_and_once(place: Place) -> None:
    done = {"action": "move", "to": str(place.root / "done")}
    place.launcher(unpack=["archive"], limits={"max_documents": 2}, source={"after": done})
    file = place.put("three.zip", b"")
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("a.pdf", "b.pdf", "c.pdf"):
            archive.writestr(name, PDF + name.encode())
    assert place.run()["quarantined"] == 1
    place.launcher(unpack=["archive"], source={"after": done})
    assert place.call("quarantine", "replay", "--launcher", "l1").code == 0
    assert place.run()["quarantined"] == 0
    assert place.arrived() == ["a.pdf", "b.pdf", "c.pdf"]
    assert [p.name for p in (place.root / "done").iterdir()] == ["three.zip"]
    assert listed(place) == []


def test_a_file_that_was_too_large_is_read_once_the_limit_allows(place: Place) -> None:
    place.launcher(limits={"max_item_mb": 1})
    place.put("large.pdf", PDF + b"x" * 1_000_001)
    assert place.run()["quarantined"] == 1
    assert place.call("quarantine", "replay", "--all").code == 0
    assert state(place, "large.pdf") == "missing"
    assert place.run()["quarantined"] == 1
    place.launcher(limits={"max_item_mb": 2})
    assert place.call("quarantine", "replay", "--all").code == 0
    assert place.run()["sent"] == {"factures": 1}
    assert (place.arrived(), state(place, "large.pdf")) == (["large.pdf"], "settled")


def test_a_document_in_quarantine_is_judged_again(place: Place) -> None:
    place.launcher(mismatch="quarantine")
    place.put("really_a_pdf.docx")
    assert place.run()["quarantined"] == 1
    (one,) = listed(place)
    assert [d["name"] for d in one["documents"]] == ["really_a_pdf.docx"]  # type: ignore[attr-defined]
    place.launcher(mismatch="accept")
    assert place.call("quarantine", "replay", "--all").code == 0
    place.run()
    assert (place.arrived(), state(place, "really_a_pdf.docx")) == (["really_a_pdf.docx"], "settled")


def orphan(place: Place) -> None:
    """A delivery to a scenario that the launcher is no longer affiliated to."""
    place.put("a.pdf")
    place.waiting["factures"].rename(place.root / "away")
    assert place.run()["owed"] == 1
    (place.root / "away").rename(place.waiting["factures"])
    place.launcher(routes=[{"extensions": ["*"], "send_to": ["clients"]}])
    assert place.run()["quarantined"] == 1


def test_a_delivery_in_quarantine_is_owed_again(place: Place) -> None:
    orphan(place)
    (one,) = listed(place)
    assert [d["scenario"] for d in one["deliveries"]] == ["factures"]  # type: ignore[attr-defined]
    place.launcher(routes=[{"extensions": ["*"], "send_to": ["factures"]}])
    assert place.call("quarantine", "replay", one["id"]).code == 0  # type: ignore[arg-type]
    assert place.run()["sent"] == {"factures": 1}
    assert (place.arrived(), place.arrived("clients"), listed(place)) == (["a.pdf"], [], [])


def test_replayed_without_a_remedy_it_comes_back_to_quarantine(place: Place) -> None:
    orphan(place)
    assert place.call("quarantine", "replay", "--all").code == 0
    assert place.run()["quarantined"] == 1
    assert (len(listed(place)), place.arrived()) == (1, [])


def test_dismissed_it_stays_at_its_source_and_is_settled_for_ever(place: Place) -> None:
    quarantine_archive(place)
    (one,) = listed(place)
    answer = place.call("quarantine", "dismiss", one["id"], "--reason", "the supplier sends it again")  # type: ignore[arg-type]
    assert answer.code == 0
    assert (listed(place), state(place, "broken.zip")) == ([], "settled")
    assert place.run() | {"launcher": "", "errors": []} == {
        "launcher": "", "errors": [], "fetched": 0, "documents": 0, "rejected": 0, "sent": {}, "settled": 0,
        "quarantined": 0, "owed": 0,
    }  # fmt: skip
    assert (place.incoming / "broken.zip").read_bytes() == BROKEN
    (known,) = place.call("why", "--json", "broken.zip").json()
    (event,) = [event for event in known["events"] if event["what"] == "dismissed"]
    assert event["detail"].endswith(": the supplier sends it again")
    assert len(event["detail"]) > len(": the supplier sends it again")


def test_dismissing_needs_a_reason_and_naming_needs_one_way(place: Place) -> None:
    quarantine_archive(place)
    without = place.call("quarantine", "dismiss", "--all")
    assert (without.code, "--reason" in without.err) == (2, True)
    assert place.call("quarantine", "dismiss", "--all", "--reason", " ").code == 2
    assert place.call("quarantine", "replay").code == 2
    assert place.call("quarantine", "replay", "1", "--all").code == 2
    unknown = place.call("quarantine", "replay", "4711")
    assert (unknown.code, "there is no item 4711" in unknown.err) == (1, True)
    assert len(listed(place)) == 1


def test_no_copy_of_a_dismissed_item_leaves_its_source(place: Place) -> None:
    place.launcher(unpack=["archive"], source={"after": {"action": "delete"}, "rejected": {"action": "delete"}})
    first = place.put("broken.zip", BROKEN)
    for _more in range(4):
        if place.run()["quarantined"]:
            break
    os.utime(first, (1_700_000_500, 1_700_000_500))  # the same bytes under another fingerprint: a duplicate
    assert place.run()["fetched"] == 1
    assert place.call("quarantine", "dismiss", "--all", "--reason", "unreadable").code == 0
    place.run()
    os.utime(first, (1_700_000_900, 1_700_000_900))  # and one that comes after the decision
    assert place.run()["settled"] == 1
    assert first.read_bytes() == BROKEN


def test_what_a_deleted_launcher_owes_is_seen_and_resent_or_dismissed(place: Place) -> None:
    place.put("a.pdf", PDF + b"a")
    place.put("b.pdf", PDF + b"b")
    place.waiting["factures"].rename(place.root / "away")
    assert place.run()["owed"] == 2
    (place.root / "away").rename(place.waiting["factures"])
    place.file.unlink()
    (gone,) = place.call("quarantine", "list", "--json").json()["gone"]
    assert gone == {"launcher": "l1", "items": 2, "owed": 2, "quarantined": 0}
    assert "l1 has no file any more" in place.call("quarantine", "list").out
    (a,) = place.call("why", "--json", "a.pdf").json()
    answer = place.call("resend", "--json", a["item"]["id"], "--to", "factures")
    assert (answer.code, answer.json()["sent"]) == (0, 1)
    assert place.arrived() == ["a.pdf"]
    assert place.call("quarantine", "dismiss", "--launcher", "l1", "--reason", "closed").code == 0
    assert place.call("quarantine", "list", "--json").json()["gone"] == []
    assert place.arrived() == ["a.pdf"]
    assert {p.name for p in place.incoming.iterdir()} == {"a.pdf", "b.pdf"}


def test_a_document_is_sent_a_second_time_deliberately(place: Place) -> None:
    place.put("a.pdf")
    place.run()
    (known,) = place.call("why", "--json", "a.pdf").json()
    document = f"d{known['documents'][0]['id']}"
    for times in (2, 3):
        answer = place.call("resend", document, "--to", "factures", "--reason", "EzGED lost it")
        assert (answer.code, place.arrived()) == (0, ["a.pdf"] * times)
    assert {file.read_bytes() for file in place.waiting["factures"].iterdir()} == {PDF}
    assert place.run()["sent"] == {}
    assert len(place.arrived()) == 3
    assert events(place, "a.pdf").count("resent") == 2


def test_an_old_document_goes_to_a_scenario_that_never_had_it(place: Place) -> None:
    place.put("a.pdf")
    place.run()
    place.waiting["clients"].rename(place.root / "away")
    (known,) = place.call("why", "--json", "a.pdf").json()
    down = place.call("resend", known["item"]["id"], "--to", "clients")
    assert down.code == 3
    assert place.run()["owed"] == 1  # the launcher is not affiliated to it, but a person asked
    (place.root / "away").rename(place.waiting["clients"])
    assert place.run()["sent"] == {"clients": 1}
    assert (place.arrived("clients"), listed(place)) == (["a.pdf"], [])


@pytest.mark.parametrize("group", [False, True])
def test_a_scenario_that_wants_an_index_gets_a_new_one_with_what_is_resent(place: Place, group: bool) -> None:
    scenarios = {
        name: {"driver": "folder", "path": str(folder), "parts": str(place.root / "parts"), "index": "json"}
        for name, folder in place.waiting.items()
    }
    scenarios["clients"] = {**scenarios["clients"], "group": group}
    write(place.root / "scenarios.yaml", {"scenarios": scenarios})
    place.put("a.pdf")
    assert place.run()["sent"] == {"factures": 2}
    (known,) = place.call("why", "--json", "a.pdf").json()
    place.waiting["clients"].rename(place.root / "away")
    assert place.call("resend", known["item"]["id"], "--to", "clients").code == 3
    assert place.run()["owed"] == 2  # the document and its index; the launcher is not affiliated, a person asked
    (place.root / "away").rename(place.waiting["clients"])
    assert place.run()["sent"] == {"clients": 2}
    assert [Path(name).suffix for name in place.arrived("clients")] == [".json", ".pdf"]
    assert place.call("resend", known["item"]["id"], "--to", "clients").code == 0
    assert [Path(name).suffix for name in place.arrived("clients")] == [".json", ".json", ".pdf", ".pdf"]
    assert listed(place) == []


def test_bytes_that_left_the_stage_come_from_the_backup_or_are_missed(place: Place) -> None:
    place.launcher(backup={"keep_days": 30})
    place.put("a.pdf")
    place.put("b.pdf", PDF + b"b")
    place.run()
    shutil.rmtree(place.home / "stage" / "blobs")
    (known,) = place.call("why", "--json", "a.pdf").json()
    answer = place.call("resend", known["item"]["id"], "--to", "clients")
    assert answer.code == 0, answer.err
    assert [file.read_bytes() for file in place.waiting["clients"].iterdir()] == [PDF]
    shutil.rmtree(place.home / "backup")
    (known,) = place.call("why", "--json", "b.pdf").json()
    lost = place.call("resend", known["item"]["id"], "--to", "clients")
    assert (lost.code, "b.pdf" in lost.err) == (1, True)
    assert place.run()["owed"] == 0


@pytest.mark.postgres
def test_on_postgresql_the_same_decisions_come_to_the_same(
    place: Place, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EZCOLD_LEDGER_URL", postgres_url)
    orphan(place)
    (one,) = listed(place)
    place.launcher(routes=[{"extensions": ["*"], "send_to": ["factures"]}])
    assert place.call("quarantine", "replay", one["id"]).code == 0  # type: ignore[arg-type]
    assert place.run()["sent"] == {"factures": 1}
    assert place.call("resend", one["id"], "--to", "factures").code == 0  # type: ignore[arg-type]
    assert place.arrived() == ["a.pdf", "a.pdf"]
    quarantine_archive_of(place)
    assert place.call("quarantine", "dismiss", "--all", "--reason", "no").code == 0
    assert (listed(place), place.call("quarantine", "list", "--json").json()["gone"]) == ([], [])
    assert place.call("prune", "--older-than", "1d").code == 0
    assert place.call("status", "--json").json()["launchers"][0]["quarantined"] == 0


def quarantine_archive_of(place: Place) -> None:
    place.launcher(unpack=["archive"], routes=[{"extensions": ["pdf"], "send_to": ["factures"]}])
    place.put("broken.zip", BROKEN)
    for _more in range(4):
        if place.run()["quarantined"]:
            break
    assert len(listed(place)) == 1


def test_resend_says_what_it_does_not_know(place: Place) -> None:
    assert place.call("resend", "12", "--to", "factures").code == 1
    assert place.call("resend", "12", "--to", "nowhere").code == 2
    assert place.call("resend", "x9", "--to", "factures").code == 2


def test_a_folder_delivery_whose_rename_is_unknown_is_left_to_the_recovery(place: Place) -> None:
    from sqlalchemy import update

    from ezcold_operators.ledger.ledger import Ledger
    from ezcold_operators.ledger.tables import delivery

    place.put("a.pdf")
    place.run()
    with Ledger.open(f"sqlite:///{place.home}/ledger.db") as ledger, ledger.transaction("test.orphan") as conn:
        # As a crash left it after the rename, and an orphan's reason then held it.
        conn.execute(update(delivery).values(state="quarantined", receipt="", sent_at=None))
    assert place.call("quarantine", "replay", "--all").code == 0
    place.run()
    (known,) = place.call("why", "--json", "a.pdf").json()
    assert ([d["state"] for d in known["deliveries"]], place.arrived()) == (["sent"], ["a.pdf"])
