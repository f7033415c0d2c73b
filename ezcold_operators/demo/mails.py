"""What lies in the demo's mailbox and in its folder of scans. Firms, names and amounts are invented."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from ezcold_operators.demo.pdf import page

TO = "factures@mairie-exemple.fr"
START = datetime(2026, 11, 3, 8, 12, tzinfo=UTC)
FACTURX = """<?xml version="1.0" encoding="UTF-8"?>
<rsm:CrossIndustryInvoice xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100">
  <rsm:ExchangedDocument><ID xmlns="">F-2026-0412</ID></rsm:ExchangedDocument>
</rsm:CrossIndustryInvoice>
"""


def invoice(firm: str, number: str, amount: str) -> bytes:
    """A PDF that looks like an invoice."""
    return page(
        firm,
        [
            f"Facture n° {number}",
            "Mairie d'Exemple, service comptabilité",
            "",
            "Désignation                                   Montant HT",
            f"Prestations de novembre 2026                  {amount} €",
            "TVA 20 %, payable à trente jours",
        ],
    )


def logo() -> bytes:
    """A PNG of 48 by 16 blue pixels, as signatures carry."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    pixels = b"".join(b"\0" + b"\x1f\x4e\x9e" * 48 for _ in range(16))
    header = struct.pack(">IIBBBBB", 48, 16, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def thumbs() -> bytes:
    """What Windows Explorer leaves in folders, and people attach by accident."""
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504


def archive(files: dict[str, bytes]) -> bytes:
    """A ZIP of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in files.items():
            bundle.writestr(name, content)
    return buffer.getvalue()


def _mail(number: int, sender: str, subject: str, text: str) -> EmailMessage:
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"] = sender, TO, subject
    mail["Date"] = format_datetime(START + timedelta(hours=7 * number))
    mail["Message-ID"] = f"<demo-{number}@exemple.fr>"
    mail.set_content(text)
    return mail


def _attach(mail: EmailMessage, content: bytes, media_type: str, name: str) -> EmailMessage:
    kind, _, subtype = media_type.partition("/")
    mail.add_attachment(content, maintype=kind, subtype=subtype, filename=name)
    return mail


def _with_signature(mail: EmailMessage, text: str) -> EmailMessage:
    mail.add_alternative(f'<p>{text}</p><p><img src="cid:logo@exemple"></p>', subtype="html")
    html = mail.get_payload()[1]  # type: ignore[index]
    html.add_related(logo(), "image", "png", cid="<logo@exemple>", filename="image001.png")  # type: ignore[union-attr]
    return mail


def mails() -> Iterator[bytes]:
    """Nine mails, oldest first."""
    hello = "Bonjour,\n\nVeuillez trouver ci-joint notre facture.\n\nCordialement,\n"
    first = _mail(0, "Énergie du Littoral <factures@energie-littoral.fr>", "Votre facture de novembre", hello)
    _with_signature(first, "Veuillez trouver ci-joint notre facture.")
    _attach(first, invoice("Énergie du Littoral", "EL-88213", "1 284,60"), "application/pdf", "facture_EL-88213.pdf")
    yield first.as_bytes()

    accented = _mail(1, "Hélène Lefèvre <h.lefevre@papeterie-lefevre.fr>", "Facture n° 2026-1107 (rentrée)", hello)
    pdf = invoice("Papeterie Lefèvre", "2026-1107", "312,00")
    yield _attach(accented, pdf, "application/pdf", "Facture n° 2026-1107 été.pdf").as_bytes()

    yield _mail(2, "Marc Dubois <m.dubois@mairie-exemple.fr>", "Réunion de jeudi", "À jeudi, 14 h.\n").as_bytes()

    thumb = _mail(3, "Transports Morvan <compta@transports-morvan.fr>", "Facture et bon de livraison", hello)
    _attach(thumb, invoice("Transports Morvan", "TM-5520", "2 040,00"), "application/pdf", "TM-5520.pdf")
    yield _attach(thumb, thumbs(), "application/octet-stream", "Thumbs.db").as_bytes()

    facturx = _mail(4, "Menuiserie Roux <contact@menuiserie-roux.fr>", "Facture électronique F-2026-0412", hello)
    _attach(facturx, invoice("Menuiserie Roux", "F-2026-0412", "5 600,00"), "application/pdf", "F-2026-0412.pdf")
    yield _attach(facturx, FACTURX.encode(), "application/xml", "F-2026-0412.xml").as_bytes()

    draft = _mail(5, "Julie Garnier <j.garnier@exemple.fr>", "Devis à relire", "Ne pas diffuser.\n")
    yield _attach(draft, page("Devis", ["À relire"]), "application/pdf", "brouillon_devis_toiture.pdf").as_bytes()

    statement = _mail(6, "Banque d'Exemple <releves@banque-exemple.fr>", "Relevé du 31 octobre", "Votre relevé.\n")
    csv = "date;libellé;montant\n31/10/2026;Régie cantine;842,10\n".encode("cp1252")
    yield _attach(statement, csv, "text/csv", "relevé_2026-10.csv").as_bytes()

    forwarded = _mail(7, "Marc Dubois <m.dubois@mairie-exemple.fr>", "TR : facture oubliée", "Pour traitement.\n")
    inner = _mail(8, "Plomberie Petit <factures@plomberie-petit.fr>", "Facture PP-77", hello)
    _attach(inner, invoice("Plomberie Petit", "PP-77", "418,00"), "application/pdf", "PP-77.pdf")
    forwarded.add_attachment(inner)
    yield forwarded.as_bytes()

    bundle = _mail(9, "Cabinet Aubry <secretariat@cabinet-aubry.fr>", "Dossier complet", "Le dossier en un fichier.\n")
    files = {"plan.pdf": page("Plan", ["Rez-de-chaussée"]), "notice.txt": b"Notice"}
    yield _attach(bundle, archive(files), "application/zip", "dossier_aubry.zip").as_bytes()


def scans() -> dict[str, bytes]:
    """Files of the folder launcher, by path relative to its folder."""
    return {
        "scan_0001.pdf": page("Courrier arrivé", ["Demande de permis, dossier 2026-318"]),
        "scan_0002.pdf": page("Courrier arrivé", ["Réclamation, rue des Écoles"]),
        "état civil/acte_naissance_n°12.pdf": page("État civil", ["Extrait d'acte de naissance n° 12"]),
        "Thumbs.db": thumbs(),
        "notes.odt": archive({"mimetype": b"application/vnd.oasis.opendocument.text"}),
        "scan_0003.pdf.part": b"%PDF-1.4 (the scanner is still writing)",
    }
