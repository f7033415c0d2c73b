"""A mail sent in several mails: waits for all of its parts, then its document arrives once."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from ezcold_operators.rooms import partials
from tests.rooms.house import PDF, House

DATA = PDF + bytes(range(256)) * 40
WHOLE = (
    b"Subject: facture\r\nMIME-Version: 1.0\r\nContent-Type: application/pdf; name=facture.pdf\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(DATA).replace(b"\n", b"\r\n")
)


def part(number: int) -> bytes:
    third = len(WHOLE) // 3
    piece = WHOLE[third * (number - 1) : third * number if number < 3 else None]
    head = f'Subject: part {number}\r\nContent-Type: message/partial; id="abc@x"; number={number}; total=3\r\n\r\n'
    return head.encode() + piece


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, {}, {"unpack": ["mail"]})


def test_waits_for_every_part_and_arrives_once(house: House) -> None:
    for number in (3, 1):
        (house.incoming / f"{number}.eml").write_bytes(part(number))
    _code, first = house.run()
    assert (first["quarantined"], first["settled"], list(house.wait.iterdir())) == (0, 0, [])
    (house.incoming / "2.eml").write_bytes(part(2))
    _code, second = house.run()
    assert (second["sent"], second["settled"], second["quarantined"]) == ({"s1": 1}, 3, 0)
    assert [file.read_bytes() for file in house.wait.iterdir()] == [DATA]
    assert sorted(file.name for file in house.done.iterdir()) == ["1.eml", "2.eml", "3.eml"]
    assert house.run()[1]["sent"] == {}


def test_a_part_that_waited_too_long_is_quarantined(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    (house.incoming / "1.eml").write_bytes(part(1))
    assert house.run()[1]["quarantined"] == 0
    monkeypatch.setattr(partials, "WAIT_SECONDS", -1.0)
    assert house.run()[1]["quarantined"] == 1
    assert (house.incoming / "1.eml").exists()
