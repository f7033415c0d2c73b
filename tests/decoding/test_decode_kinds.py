"""What an item is decides how it is opened: a mail, a file, nobody says; limits name themselves."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from ezcold_operators.decoding import Decoded, Limits, Options, decode, decode_any
from ezcold_operators.decoding.sniff import looks_like_mail, sniff
from ezcold_operators.decoding.wire import decoded_from, decoded_to, options_from, options_to

PDF = b"%PDF-1.4\n%%EOF\n"
MAIL = (
    b"From: =?utf-8?Q?Ren=C3=A9?= <r@example.fr>\r\nTo: a@example.fr\r\nCc: b@example.fr\r\n"
    b"Subject: =?utf-8?B?RsOpdnJpZXI=?=\r\n\t 2026\r\n"
    b"Date: Tue, 03 Feb 2026 09:15:00 +0100\r\nMessage-ID: <1@example.fr>\r\n"
    b"Content-Type: application/pdf; name=a.pdf\r\n\r\n" + PDF
)


def zipped(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def run(folder: Path, raw: bytes, options: Options) -> Decoded:
    (folder / "work").mkdir()
    (folder / "raw").write_bytes(raw)
    return decode(folder / "raw", folder / "work", options)


def files(answer: Decoded) -> list[tuple[str | None, bytes]]:
    return [(one.name, one.file.read_bytes()) for one in answer.documents]


@pytest.mark.parametrize("raw", [PDF, MAIL, zipped(a=b"x"), b"", b"Bonjour"])
def test_a_file_is_its_own_document_unless_something_opens_it(tmp_path: Path, raw: bytes) -> None:
    answer = run(tmp_path, raw, Options(kind="file", name="x.bin", unpack=()))
    assert files(answer) == [("x.bin", raw)]
    assert answer.quarantined is None


def test_a_file_is_opened_by_its_content(tmp_path: Path) -> None:
    assert files(run(tmp_path, zipped(a=b"x"), Options(kind="file", name="z", unpack=("archive",)))) == [("a", b"x")]


def test_a_mail_file_is_opened(tmp_path: Path) -> None:
    assert files(run(tmp_path, MAIL, Options(kind="file", name="m", unpack=("mail",)))) == [("a.pdf", PDF)]


def test_a_note_is_no_mail(tmp_path: Path) -> None:
    note = b"Date: lundi\nBonjour, ceci est une note.\n"
    assert files(run(tmp_path, note, Options(kind="file", name="n.txt", unpack=("mail",)))) == [("n.txt", note)]


@pytest.mark.parametrize(
    ("raw", "expected"), [(MAIL, ("a.pdf", PDF)), (zipped(a=b"x"), ("a", b"x")), (PDF, ("raw", PDF))]
)
def test_nobody_says_what_it_is(tmp_path: Path, raw: bytes, expected: tuple[str, bytes]) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "raw").write_bytes(raw)
    assert files(decode_any(tmp_path / "raw", tmp_path / "work")) == [expected]


def test_headers(tmp_path: Path) -> None:
    headers = run(tmp_path, MAIL, Options()).headers
    assert headers is not None
    assert headers.sender == "René <r@example.fr>"
    assert headers.recipients == "a@example.fr, b@example.fr"
    assert headers.subject == "Février 2026"
    assert headers.date == datetime(2026, 2, 3, 9, 15, tzinfo=timezone(timedelta(hours=1)))
    assert headers.message_id == "<1@example.fr>"


@pytest.mark.parametrize(
    ("field", "date"),
    [
        (b"Tue, 03 Feb 2026 09:15:00 -0000", datetime(2026, 2, 3, 9, 15, tzinfo=UTC)),
        (b"3 Feb 2026 9:15", datetime(2026, 2, 3, 9, 15, tzinfo=UTC)),
        (b"hier", None),
        (b"Tue, 99 Feb 2026 99:15:00 +9999", None),
        (b"\xff" * 3000, None),
        (b"", None),
    ],
)
def test_dates(tmp_path: Path, field: bytes, date: datetime | None) -> None:
    headers = run(tmp_path, b"Date: " + field + b"\r\nSubject: x\r\n\r\n", Options()).headers
    assert headers is not None
    assert headers.date == date


def test_a_subject_is_bounded_and_in_one_line(tmp_path: Path) -> None:
    headers = run(tmp_path, b"Subject: a\x00\x1b[31m" + b"x" * 100_000 + b"\r\nFrom: a\r\n\r\n", Options()).headers
    assert headers is not None
    assert headers.subject.isprintable()
    assert len(headers.subject) <= 1000


def test_documents_limit(tmp_path: Path) -> None:
    many = zipped(**{f"f{n}": b"x" for n in range(20)})
    answer = run(tmp_path, many, Options(kind="file", unpack=("archive",), limits=Limits(max_documents=5)))
    assert len(answer.documents) == 5
    assert "max_documents" in (answer.quarantined or "")


def test_ratio_limit(tmp_path: Path) -> None:
    bomb = zipped(bomb=bytes(30_000_000))
    answer = run(tmp_path, bomb, Options(kind="file", unpack=("archive",)))
    assert answer.documents == ()
    assert "max_ratio" in (answer.quarantined or "")
    assert list((tmp_path / "work").iterdir()) == []


def test_ratio_of_a_bomb_in_a_mail_leaves_its_neighbour(tmp_path: Path) -> None:
    bomb = base64.encodebytes(zipped(bomb=bytes(30_000_000)))
    raw = (
        b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: application/zip; name=z.zip\n"
        + (
            b"Content-Transfer-Encoding: base64\n\n"
            + bomb
            + b"\n--b\nContent-Type: application/pdf; name=a.pdf\n\nx\n--b--\n"
        )
    )
    answer = run(tmp_path, raw, Options(unpack=("mail", "archive")))
    assert files(answer) == [("a.pdf", b"x")]
    assert "max_ratio" in (answer.quarantined or "")


def test_depth_limit_keeps_what_stays_closed(tmp_path: Path) -> None:
    inner = zipped(a=b"x")
    for _ in range(4):
        inner, kept = zipped(z=inner), inner
    answer = run(tmp_path, inner, Options(kind="file", unpack=("archive",), limits=Limits(max_depth=3)))
    assert "max_depth" in (answer.quarantined or "")
    assert len(answer.documents) == 1
    assert kept


def test_a_container_that_cannot_be_read_is_listed_and_quarantined(tmp_path: Path) -> None:
    broken = zipped(a=b"x" * 1000)[:-30]
    answer = run(tmp_path, broken, Options(kind="file", name="z.zip", unpack=("archive",)))
    assert answer.quarantined is not None
    assert files(answer) == [("z.zip", broken)]


def test_the_pipe_carries_everything(tmp_path: Path) -> None:
    options = Options(kind="file", name="é", unpack=("mail",), limits=Limits(max_depth=2), passwords=("a", "b"))
    assert options_from(json.loads(json.dumps(options_to(options)))) == options
    answer = run(tmp_path, MAIL, Options())
    assert decoded_from(json.loads(json.dumps(decoded_to(answer)))) == answer


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"%PDF-1.7", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"II*\x00", "image/tiff"),
        (b"MM\x00*", "image/tiff"),
        (b"PK\x03\x04" + bytes(26), "application/zip"),
        (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
        (b"\x1f\x8b\x08\0", "application/gzip"),
        (b"MZ\x90\0", "application/x-msdownload"),
        (b"\x78\x9f\x3e\x22\1", "application/ms-tnef"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
        (b"0\x82\1\0\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02", "application/pkcs7-mime"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>', "application/xml"),
        (b"\n <!DOCTYPE html>", "text/html"),
        (b"bonjour", None),
        (b"", None),
    ],
)
def test_first_bytes(head: bytes, media_type: str | None) -> None:
    assert sniff(head) == media_type


def test_office_documents_are_more_than_archives() -> None:
    names = {"word/document.xml": b"", "[Content_Types].xml": b""}
    assert str(sniff(zipped(**names))).endswith("wordprocessingml.document")
    odt = io.BytesIO()
    with zipfile.ZipFile(odt, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text", zipfile.ZIP_STORED)
    assert sniff(odt.getvalue()) == "application/vnd.oasis.opendocument.text"


@pytest.mark.parametrize(("head", "mail"), [(MAIL, True), (b"To: do\nbuy: milk\n", False), (b"http://x: y\n", False)])
def test_what_looks_like_a_mail(head: bytes, mail: bool) -> None:
    assert looks_like_mail(head) is mail
