"""What a file is, by its content; names prove nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ezcold_operators.decoding.adullact import xml
from ezcold_operators.decoding.adullact.tables import ACTES_NAMESPACE, HELIOS_ROOTS
from ezcold_operators.decoding.adullact.work import looks_like_xml

Container = Literal["gzip", "tar", "zip"]
EnvelopeType = Literal["acte", "helios", "chorus_fact"]
Root = tuple[str, str]


def container_of(head: bytes) -> Container | None:
    """Which kind of archive begins with these bytes (512 are enough)."""
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head[257:262] == b"ustar" or (len(head) >= 512 and head[257:265].strip(b"\0 ") == b"" and _old_tar(head)):
        return "tar"
    return None


def is_container(file: Path) -> bool:
    """Whether a file is an archive of any kind that envelopes travel in."""
    with file.open("rb") as source:
        return container_of(source.read(1024)) is not None


def _old_tar(head: bytes) -> bool:
    """A tar header older than `ustar` shows itself by its checksum only (POSIX.1-1988)."""
    stated = head[148:156].strip(b"\0 ")
    if not stated.isdigit() or not head[0]:
        return False
    return int(stated, 8) == sum(head[:148]) + 8 * 32 + sum(head[156:512]) if set(stated) <= set(b"01234567") else False


def is_pdf(head: bytes) -> bool:
    """The header may stand a little way into the file (ISO 32000-1, annex H)."""
    return b"%PDF-" in head[:1024]


def root(file: Path, head: bytes) -> Root | None:
    """(namespace, local name) of an XML file, None for anything else.

    :raises XmlRefused: it begins with a DOCTYPE.
    """
    return xml.root_of(file) if looks_like_xml(head) else None


def type_of(found: Root | None) -> EnvelopeType | None:
    """The type of envelope that a root element shows."""
    if found is None:
        return None
    namespace, local = found
    if namespace.startswith(ACTES_NAMESPACE):
        return "acte"
    if local in HELIOS_ROOTS:
        return "helios"
    return "chorus_fact" if local.startswith("CPPFacture") or local == "CPPStatut" or is_invoice(found) else None


def is_invoice(found: Root | None) -> bool:
    """UBL, CII, or the CII of ZUGFeRD 1."""
    if found is None:
        return False
    namespace, local = found
    if local in ("Invoice", "CreditNote"):
        return namespace.startswith("urn:oasis:names:specification:ubl:schema:xsd:")
    return local in ("CrossIndustryInvoice", "CrossIndustryDocument")
