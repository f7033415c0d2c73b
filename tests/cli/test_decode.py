"""`ezcold decode`: one line of JSON for each file."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.place import Place
from tests.rooms.test_river_mail import archive
from tests.rooms.works import mail

KEYS = {"file", "documents", "envelope", "quarantined", "error"}
DOCUMENT = {"name", "path", "media_type", "size", "sha256"}


def test_one_line_for_each_file(place: Place) -> None:
    data = b"%PDF-1.4 \xe9!"
    files = [place.root / name for name in ("m.eml", "z.zip", "plain.txt", "none")]
    files[0].write_bytes(mail("Sujet", ("reçu.pdf", data), ("b.bin", b"b")))
    files[1].write_bytes(archive({"x/y.pdf": data}))
    files[2].write_bytes(b"text")
    answer = place.call("decode", "--json", *files)
    assert answer.code == 1
    lines = [json.loads(line) for line in answer.out.splitlines()]
    assert [one["file"] for one in lines] == [str(f) for f in files]
    assert all(set(one) >= KEYS for one in lines)
    assert all(set(d) >= DOCUMENT for one in lines for d in one["documents"])
    first = lines[0]["documents"][0]
    assert (first["name"], first["size"], first["sha256"]) == ("reçu.pdf", 11, hashlib.sha256(data).hexdigest())
    assert lines[1]["documents"][0]["sha256"] == first["sha256"]
    assert (lines[3]["documents"], lines[3]["quarantined"]) == ([], None)
    assert "none" in lines[3]["error"]
    assert [one["error"] for one in lines[:3]] == [None] * 3


def test_all_well_is_0_and_in_words(place: Place) -> None:
    file = place.root / "m.eml"
    file.write_bytes(mail("Sujet", ("reçu.pdf", b"%PDF")))
    answer = place.call("decode", file)
    assert answer.code == 0
    assert "reçu.pdf" in answer.out


def test_a_quarantined_one_is_1_and_its_neighbours_are_shown(place: Place) -> None:
    good, bad = place.root / "good.zip", place.root / "bad.zip"
    good.write_bytes(archive({"a.pdf": b"%PDF"}))
    members = {"a.pdf": b"0123456789", "b.pdf": b"%PDF b"}
    bad.write_bytes(archive(members, spoil="a.pdf"))
    answer = place.call("decode", "--json", bad, good)
    assert answer.code == 1
    first, second = (json.loads(line) for line in answer.out.splitlines())
    assert first["quarantined"]
    assert [d["name"] for d in first["documents"]] == ["b.pdf"]
    assert (second["quarantined"], [d["name"] for d in second["documents"]]) == (None, ["a.pdf"])


def test_nothing_is_left_behind(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    (tmp_path / "t").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t"))
    file = place.root / "m.eml"
    file.write_bytes(mail("Sujet", ("a.pdf", b"%PDF")))
    before = file.read_bytes(), file.stat().st_mtime_ns
    assert place.call("decode", "--json", file).code == 0
    assert list((tmp_path / "t").iterdir()) == []
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before
    assert not place.home.exists()


def test_a_file_name_that_is_no_utf8_is_still_one_line_of_json(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/re\xe7u.eml"
    Path(os.fsdecode(raw)).write_bytes(mail("S", ("a.pdf", b"%PDF")))
    command = [sys.executable, "-m", "ezcold_operators.cli", "decode", "--json", raw]
    done = subprocess.run(command, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    (line,) = done.stdout.decode("utf-8").splitlines()
    assert [d["name"] for d in json.loads(line)["documents"]] == ["a.pdf"]
