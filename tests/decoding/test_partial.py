"""A mail cut into message/partial pieces and put together again."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from ezcold_operators.decoding import Options, decode
from ezcold_operators.decoding.partial import Partial, complete, read_partial, reassemble
from ezcold_operators.errors import Undecodable

DATA = bytes(range(256)) * 40
WHOLE = b'Subject: entier\r\nMIME-Version: 1.0\r\nContent-Type: application/pdf; name="a.pdf"\r\n' + (
    b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(DATA).replace(b"\n", b"\r\n")
)


def cut(folder: Path, pieces: int) -> list[Path]:
    """The mail as so many parts; only the last one says how many there are."""
    size = len(WHOLE) // pieces + 1
    files = []
    for n in range(pieces):
        total = b"; total=%d" % pieces if n == pieces - 1 else b""
        header = b"From: a@example.fr\r\nSubject: partie %d\r\n" % (n + 1) + (
            b'Content-Type: message/partial; id="x@example.fr"; number=%d' % (n + 1) + total + b"\r\n\r\n"
        )
        files.append(folder / f"part{n}")
        files[-1].write_bytes(header + WHOLE[n * size : (n + 1) * size])
    return files


def test_three_parts_become_one_mail(tmp_path: Path) -> None:
    files = cut(tmp_path, 3)
    parts = [read_partial(file) for file in files]
    assert parts[0] == Partial("x@example.fr", 1, None)
    assert complete(part for part in parts if part)
    reassemble(files, tmp_path / "whole")

    (tmp_path / "work").mkdir()
    answer = decode(tmp_path / "whole", tmp_path / "work", Options())
    assert answer.quarantined is None
    assert [(one.name, one.file.read_bytes()) for one in answer.documents] == [("a.pdf", DATA)]
    assert answer.headers is not None
    assert (answer.headers.subject, answer.headers.sender) == ("entier", "a@example.fr")


@pytest.mark.parametrize("present", [(0, 1), (0, 2), (1, 2), (0,), ()])
def test_incomplete(tmp_path: Path, present: tuple[int, ...]) -> None:
    files = cut(tmp_path, 3)
    assert not complete(part for n in present if (part := read_partial(files[n])))


def test_two_totals_are_not_complete() -> None:
    assert not complete([Partial("x", 1, 1), Partial("x", 2, 2)])


def test_another_mail_is_no_part(tmp_path: Path) -> None:
    (tmp_path / "mail").write_bytes(WHOLE)
    assert read_partial(tmp_path / "mail") is None
    with pytest.raises(Undecodable):
        reassemble([tmp_path / "mail"], tmp_path / "whole")
