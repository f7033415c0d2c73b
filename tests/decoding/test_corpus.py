"""The contract of the decoder, mail by mail: tests/corpus says what is in each."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ezcold_operators.decoding import Limits, Options, decode

MAILS = Path(__file__).parents[1] / "corpus" / "mails"
NAMES = sorted(file.stem for file in MAILS.glob("*.eml"))


def options_of(plain: dict[str, Any]) -> Options:
    how = dict(plain)
    if "unpack" in how:
        how["unpack"] = tuple(how["unpack"])
    return Options(**{**how, "limits": Limits(**how.get("limits", {}))})


def test_there_is_a_corpus() -> None:
    assert len(NAMES) >= 120


@pytest.mark.parametrize("name", NAMES)
def test_every_document_and_nothing_else(name: str, tmp_path: Path) -> None:
    expected = json.loads((MAILS / f"{name}.json").read_text("utf-8"))
    answer = decode(MAILS / f"{name}.eml", tmp_path, options_of(expected["options"]))

    found = [
        {
            "name": one.name,
            "path": one.path,
            "size": one.size,
            "sha256": one.sha256,
            "role": one.role,
            "inline": one.inline,
        }
        for one in answer.documents
    ]
    assert found == expected["documents"]
    if expected["quarantined"] is None:
        assert answer.quarantined is None
    else:
        assert expected["quarantined"] in (answer.quarantined or "")

    # the files are what the answer says they are, and there are no others
    for one in answer.documents:
        data = one.file.read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (one.size, one.sha256)
    assert {one.file for one in answer.documents} == set(tmp_path.iterdir())
