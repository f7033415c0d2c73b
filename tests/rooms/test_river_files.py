"""The whole river over a folder, and what stands in its way: full and read-only disks, scenarios down."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from ezcold_operators.ledger.tables import item
from tests.rooms.works import Works


@contextmanager
def small_disk(point: Path, size: str = "1m") -> Iterator[Path]:
    """A small file system; only root can have one."""
    if os.getuid() != 0:
        pytest.skip("only root can mount a small file system")
    point.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(point)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no mounts in this container")
    try:
        yield point
    finally:
        subprocess.run(["umount", "-l", str(point)], check=True)


def remount(point: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(point)], check=True)


def moved(works: Works) -> None:
    works.source["after"] = {"action": "move", "to": str(works.root / "done")}
    works.source["rejected"] = {"action": "delete"}


def test_rejected_files_go_their_own_way(works: Works) -> None:
    moved(works)
    works.launcher["filters"] = ["/.*\\.(?!db).*/"]
    works.put("a.pdf", b"a")
    works.put("Thumbs.db", b"b")
    code, counts = works.run()
    assert (code, counts["sent"], counts["rejected"], counts["settled"]) == (0, {"s1": 1}, 1, 2)
    assert list(works.incoming.iterdir()) == []
    assert [p.name for p in (works.root / "done").iterdir()] == ["a.pdf"]


def test_a_kept_file_is_not_taken_again(works: Works) -> None:
    works.put("a.pdf", b"a")
    assert works.run()[1]["sent"] == {"s1": 1}
    assert works.run()[1]["sent"] == {}
    works.put("a.pdf", b"new", when=1_700_000_100)
    assert works.run()[1]["sent"] == {"s1": 1}
    assert works.arrived() == Counter([b"a", b"new"])


def test_names_that_are_no_utf8_arrive(works: Works) -> None:
    raw = os.fsencode(works.incoming) + b"/re\xe7u \xff.pdf"
    Path(os.fsdecode(raw)).write_bytes(b"%PDF")
    os.utime(raw, (1, 1))
    moved(works)
    assert works.run()[0] == 0
    assert works.arrived() == Counter([b"%PDF"])
    assert [os.fsencode(p.name) for p in (works.root / "done").iterdir()] == [b"re\xe7u \xff.pdf"]


def test_a_scenario_that_was_down_is_owed_and_paid_when_it_is_up(works: Works) -> None:
    works.launcher["routes"] = [{"extensions": ["*"], "send_to": ["s1", "s2"]}]
    moved(works)
    for n in range(3):
        works.put(f"{n}.pdf", str(n).encode())
    works.waiting["s2"].rename(works.root / "away")
    for _outage in range(5):  # a weekend's outage quarantines nothing
        code, counts = works.run()
        assert (code, counts["owed"], counts["settled"], counts["quarantined"]) == (3, 3, 0, 0)
        (error,) = counts["errors"]
        assert str(works.waiting["s2"]) in error
    assert works.arrived("s1").total() == 3
    assert sorted(p.name for p in works.incoming.iterdir()) == ["0.pdf", "1.pdf", "2.pdf"]
    (works.root / "away").rename(works.waiting["s2"])
    code, counts = works.run()
    assert (code, counts["sent"], counts["settled"]) == (0, {"s2": 3}, 3)
    assert works.arrived("s1") == works.arrived("s2") == Counter([b"0", b"1", b"2"])


def test_a_scenario_removed_while_it_is_owed_is_quarantined_with_that_reason(works: Works) -> None:
    works.launcher["routes"] = [{"extensions": ["*"], "send_to": ["s1", "s2"]}]
    moved(works)
    works.put("a.pdf", b"a")
    works.waiting["s2"].rename(works.root / "away")
    works.run()
    works.launcher["routes"] = [{"extensions": ["*"], "send_to": ["s1"]}]
    del works.scenarios["s2"]
    code, counts = works.run()
    assert (code, counts["quarantined"], counts["owed"]) == (1, 1, 0)
    (error,) = counts["errors"]
    assert "s2" in error
    assert works.deliveries() == {"sent": 1, "quarantined": 1}
    assert [p.name for p in works.incoming.iterdir()] == ["a.pdf"]
    assert works.run()[0] == 0


def test_a_waiting_directory_that_is_full_owes_the_rest(works: Works) -> None:
    moved(works)
    with small_disk(works.root / "ged") as disk:
        (disk / "wait").mkdir()
        works.waiting["s1"] = disk / "wait"
        works.scenarios["s1"] |= {"path": str(disk / "wait"), "parts": str(disk / "parts")}
        data = [bytes([65 + n]) * 300_000 for n in range(6)]
        for n, content in enumerate(data):
            works.put(f"{n}.pdf", content)
        code, counts = works.run()
        assert (code, counts["quarantined"]) == (3, 0)
        assert counts["owed"] + sum(counts["sent"].values()) == 6
        (error,) = counts["errors"]
        assert str(disk) in error
        taken: Counter[bytes] = Counter()
        for _ged_eats in range(6):
            taken += works.arrived()
            for file in works.waiting["s1"].iterdir():
                file.unlink()
            works.run()
        assert taken + works.arrived() == Counter(data)
        assert list((disk / "parts").glob("[!.]*")) == []
    assert works.items() == {"settled": 6}
    assert list(works.incoming.iterdir()) == []


def test_a_waiting_directory_that_is_read_only_is_a_sentence(works: Works) -> None:
    with small_disk(works.root / "ged") as disk:
        (disk / "wait").mkdir()
        works.scenarios["s1"] |= {"path": str(disk / "wait"), "parts": str(disk / "parts")}
        works.put("a.pdf", b"a")
        remount(disk, "ro")
        code, counts = works.run()
        assert (code, counts["owed"], len(counts["errors"])) == (3, 1, 1)
        remount(disk, "rw")
        assert works.run()[1]["sent"] == {"s1": 1}


def test_a_full_stage_stops_cleanly_and_goes_on_when_there_is_room(works: Works) -> None:
    moved(works)
    works.ledger_url = f"sqlite:///{works.root}/ledger.db"
    with small_disk(works.home, "3m") as disk:
        (disk / "ballast").write_bytes(b"x" * 2_200_000)
        data = [bytes([65 + n]) * 300_000 for n in range(4)]
        for n, content in enumerate(data):
            works.put(f"{n}.pdf", content)
        code, counts = works.run()
        assert (code, counts["quarantined"], len(counts["errors"])) == (3, 0, 1)
        assert "full" in counts["errors"][0]
        (disk / "ballast").unlink()
        code, counts = works.run()
        assert (code, counts["errors"]) == (0, [])
    assert works.arrived() == Counter(data)
    assert sorted(p.name for p in (works.root / "done").iterdir()) == [f"{n}.pdf" for n in range(4)]


def test_decoding_onto_a_full_disk_is_no_fault_of_the_item(works: Works) -> None:
    from tests.rooms.test_river_mail import archive

    works.launcher["unpack"] = ["archive"]
    works.ledger_url = f"sqlite:///{works.root}/ledger.db"
    with small_disk(works.home, "2m") as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(b"x" * 1_000_000)
        works.put("lot.zip", archive({f"{n}.pdf": os.urandom(230_000) for n in range(3)}))
        for _again in range(5):
            code, counts = works.run()
            assert (code, counts["quarantined"], len(counts["errors"])) == (3, 0, 1)
        assert works.rows(item.c.id, item.c.state, item.c.attempts) == [(1, "staged", 0)]
        ballast.unlink()
        assert works.run()[0] == 0
    assert works.arrived().total() == 3


@pytest.mark.parametrize("action", ["move", "delete"])
def test_a_source_that_turns_read_only_keeps_its_files_and_says_so(works: Works, action: str) -> None:
    with small_disk(works.root / "share") as disk:
        works.source["path"] = f"{disk}/*"
        works.source["after"] = {"action": action} | ({"to": str(works.root / "done")} if action == "move" else {})
        (disk / "a.pdf").write_bytes(b"a")
        os.utime(disk / "a.pdf", (1, 1))
        remount(disk, "ro")
        for _again in range(3):
            code, counts = works.run()
            assert (code, len(counts["errors"]), counts["settled"]) == (counts["quarantined"] or code, 1, 0)
            assert code in {1, 3}
        assert works.arrived() == Counter([b"a"])
        assert (disk / "a.pdf").read_bytes() == b"a"
        remount(disk, "rw")
        assert works.run()[0] == 0
        assert list(disk.iterdir()) == []
    assert works.items() == {"settled": 1}
    assert works.arrived() == Counter([b"a"])


def test_a_folder_that_is_gone_is_unavailable(works: Works) -> None:
    works.incoming.rmdir()
    code, counts = works.run()
    assert (code, len(counts["errors"])) == (3, 1)
    assert str(works.incoming) in counts["errors"][0]


def test_the_stage_lost_a_document_that_is_owed(works: Works) -> None:
    works.put("a.pdf", b"a")
    works.waiting["s1"].rename(works.root / "away")
    works.run()
    (works.root / "away").rename(works.waiting["s1"])
    for blob in (works.home / "stage" / "blobs").glob("*/*"):
        blob.unlink()
    assert works.run()[1]["sent"] == {}
    assert works.run()[1]["sent"] == {"s1": 1}
    assert works.arrived() == Counter([b"a"])
    assert works.items() == {"settled": 1}


def test_the_same_file_in_another_folder_is_another_item(works: Works) -> None:
    works.source |= {"path": f"{works.incoming}/*", "subfolders": True}
    works.put("a/x.pdf", b"same")
    works.put("b/x.pdf", b"same")
    assert works.run()[1]["sent"] == {"s1": 2}


def test_a_backup_of_files_holds_what_was_taken(works: Works) -> None:
    works.launcher["backup"] = {"keep_days": 30}
    moved(works)
    works.put("reçu n°1.pdf", b"r")
    works.run()
    files = [p for p in (works.home / "backup").rglob("*") if p.is_file()]
    assert [(p.name, p.read_bytes()) for p in files] == [("reçu n°1.pdf", b"r")]


def test_at_most_so_many_a_minute(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    from ezcold_operators.rooms import fetch

    slept: list[float] = []
    monkeypatch.setattr(fetch, "time", SimpleNamespace(sleep=slept.append, monotonic=time.monotonic))
    works.launcher["limits"] = {"per_minute": 2}
    for n in range(5):
        works.put(f"{n}.pdf", str(n).encode())
    assert works.run()[1]["fetched"] == 5
    assert [50 < one <= 60 for one in slept] == [True, True]


def test_a_stage_that_turns_read_only_is_a_sentence_in_every_room(works: Works) -> None:
    moved(works)
    works.launcher["backup"] = {"keep_days": 1}
    works.ledger_url = f"sqlite:///{works.root}/ledger.db"
    with small_disk(works.home) as disk:
        works.put("a.pdf", b"a")
        works.waiting["s1"].rename(works.root / "away")
        works.run()
        works.put("b.pdf", b"b")
        (works.root / "away").rename(works.waiting["s1"])
        remount(disk, "ro")
        code, counts = works.run()
        assert (code, counts["sent"], counts["settled"], counts["quarantined"]) == (3, {"s1": 1}, 0, 0)
        assert sorted(p.name for p in works.incoming.iterdir()) == ["a.pdf", "b.pdf"]
        remount(disk, "rw")
        assert works.run()[0] == 0
    assert works.arrived() == Counter([b"a", b"b"])
    assert works.items() == {"settled": 2}
