"""The demo's mails and PDF are what they look like."""

from __future__ import annotations

import email
import io

import pytest

from ezcold_operators.demo.mails import archive, logo, mails, scans, thumbs
from ezcold_operators.demo.pdf import page


def test_a_page_is_a_pdf_that_a_strict_reader_opens() -> None:
    pypdf = pytest.importorskip("pypdf")
    content = page("Énergie (du) Littoral", ["Facture n° 1\\2", "1 284,60 €"])
    reader = pypdf.PdfReader(io.BytesIO(content), strict=True)
    assert reader.pages[0].extract_text().splitlines() == ["Énergie (du) Littoral", "Facture n° 1\\2", "1 284,60 €"]


def test_the_mailbox_has_one_of_each_case() -> None:
    parsed = [email.message_from_bytes(content) for content in mails()]
    names = [[part.get_filename() for part in mail.walk() if part.get_filename()] for mail in parsed]
    assert names == [
        ["image001.png", "facture_EL-88213.pdf"],
        ["Facture n° 2026-1107 été.pdf"],
        [],
        ["TM-5520.pdf", "Thumbs.db"],
        ["F-2026-0412.pdf", "F-2026-0412.xml"],
        ["brouillon_devis_toiture.pdf"],
        ["relevé_2026-10.csv"],
        ["PP-77.pdf"],
        ["dossier_aubry.zip"],
    ]


def test_the_other_files_bear_their_signatures() -> None:
    assert logo().startswith(b"\x89PNG\r\n\x1a\n")
    assert thumbs()[:4] == b"\xd0\xcf\x11\xe0"
    assert archive({"a": b"b"}).startswith(b"PK\x03\x04")
    assert "scan_0003.pdf.part" in scans()
