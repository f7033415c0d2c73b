"""What of a mail is a document: its attachments, the mail itself byte for byte, its text."""

from __future__ import annotations

from pathlib import Path

import pytest

from ezcold_operators.config.launcher import Launcher
from ezcold_operators.decoding.api import decode
from ezcold_operators.filtering import Candidate, effective_name, judge
from ezcold_operators.rooms.base import decode_options

MAIL = (
    b"From: a@example.fr\r\nSubject: devis\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/html; charset=iso-8859-1\r\n\r\n<p>\xe9t\xe9</p>\r\n"
    b"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n\r\n%PDF-1.4\r\n"
    b"--b--\r\n"
)


def launcher(*take: str) -> Launcher:
    return Launcher.model_validate(
        {"launcher": "l1", "source": {"protocol": "imap", "connection": "c"}, "take": list(take),
         "routes": [{"extensions": ["*"], "send_to": ["s1"]}]}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("take", "wanted"),
    [
        (("attachments",), {"a.pdf"}),
        (("message",), {"document.eml"}),
        (("body",), {"document.html"}),
        (("attachments", "message", "body"), {"a.pdf", "document.eml", "document.html"}),
    ],
)
def test_what_is_taken(tmp_path: Path, take: tuple[str, ...], wanted: set[str]) -> None:
    raw, work = tmp_path / "raw", tmp_path / "work"
    raw.write_bytes(MAIL)
    work.mkdir()
    config = launcher(*take)
    accepted = {}
    for one in decode(raw, work, decode_options(config, "")).documents:
        candidate = Candidate(one.name, one.media_type, one.sniffed, one.role, one.inline, one.size)
        if judge(config, candidate).verdict == "accepted":
            accepted[effective_name(candidate)] = one.file.read_bytes()
    assert set(accepted) == wanted
    if "message" in take:
        assert accepted["document.eml"] == MAIL
