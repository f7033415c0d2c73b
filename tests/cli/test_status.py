"""`ezcold status`, `export`, `prune` on a ledger that real runs wrote."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.cli.place import PDF, Place


def test_status_says_what_each_launcher_owes_and_what_lies_on_the_disk(place: Place) -> None:
    place.launcher(backup={"keep_days": 30})
    place.put("a.pdf")
    place.run()
    place.waiting["factures"].rename(place.root / "away")
    place.put("b.pdf", PDF + b"b")
    place.run()
    answer = place.call("status", "--json").json()
    (one,) = answer["launchers"]
    assert (one["launcher"], one["items"], one["waiting"], one["quarantined"], one["owed"], one["file"]) == (
        "l1", 2, 1, 0, 1, True,
    )  # fmt: skip
    assert one["oldest_owed"] <= one["last_activity"]
    assert one["last_run"].startswith("cli__")
    assert answer["disk"]["stage"] >= len(PDF) * 2
    assert answer["disk"]["backups"]["l1"] >= len(PDF)
    shown = place.call("status").out
    assert "1 deliveries owed, the oldest for 0 min" in shown
    place.file.unlink()
    assert "l1 (no file any more)" in place.call("status").out


def test_a_launcher_that_never_ran_is_listed(place: Place) -> None:
    place.launcher("other")
    assert [one["items"] for one in place.call("status", "--json").json()["launchers"]] == [0, 0]


def test_an_item_and_a_day_are_exported_under_readable_names(place: Place) -> None:
    place.put("état 2024.pdf", PDF + b"1")
    place.put("b.pdf", PDF + b"2")
    place.run()
    (known,) = place.call("why", "--json", "état").json()
    one = place.call("export", "--json", "état", "--to", place.root / "out")
    assert one.code == 0
    (file,) = (Path(row["file"]) for row in one.json()["exported"])
    assert file.read_bytes() == PDF + b"1"
    assert (file.name, file.parent.name) == (
        f"{known['documents'][0]['id']} état 2024.pdf",
        f"{known['item']['id']} état 2024.pdf",
    )
    today = datetime.now(ZoneInfo("Europe/Paris")).date().isoformat()
    day = place.call("export", "--json", "--day", today, "--launcher", "l1", "--to", place.root / "day")
    assert (day.code, len(day.json()["exported"])) == (0, 2)
    again = place.call("export", "--json", "--day", today, "--to", place.root / "day")
    assert (again.code, len(list((place.root / "day").rglob("*.pdf")))) == (0, 4)  # two folders, two files
    assert place.call("export", "--day", "2001-01-01", "--to", place.root / "none").code == 1
    assert place.call("export", "--to", place.root / "none").code == 2
    assert place.call("export", "--day", "hier", "--to", place.root / "none").code == 2


def test_what_is_gone_is_named_and_the_rest_is_exported(place: Place) -> None:
    place.put("a.pdf", PDF + b"1")
    place.run()
    shutil.rmtree(place.home / "stage" / "blobs")
    place.put("b.pdf", PDF + b"2")
    place.run()
    today = datetime.now(ZoneInfo("Europe/Paris")).date().isoformat()
    answer = place.call("export", "--json", "--day", today, "--to", place.root / "out")
    assert (answer.code, len(answer.json()["exported"]), len(answer.json()["gone"])) == (1, 1, 1)
    assert "a.pdf" in answer.err


def test_prune_counts_forgets_and_refuses_nonsense(place: Place) -> None:
    place.put("a.pdf")
    place.run()
    assert place.call("prune", "--older-than", "1d", "--dry-run", "--json").json() == {"events": 0, "removed": False}
    assert place.call("prune", "--older-than", "400d", "--json").json() == {"events": 0, "removed": True}
    for nonsense in ("", "0d", "400", "4 days", "-1d"):
        assert place.call("prune", f"--older-than={nonsense}").code == 2
    assert place.run()["fetched"] == 0
