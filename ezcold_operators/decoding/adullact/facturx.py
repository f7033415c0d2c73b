"""Factur-X and ZUGFeRD: the XML invoice embedded in a PDF/A-3 (extra `adullact`: pypdf, imported when needed)."""

from __future__ import annotations

import io
import logging
from pathlib import Path

from ezcold_operators.decoding.adullact.recognise import is_invoice, root
from ezcold_operators.decoding.adullact.work import CHUNK, Work
from ezcold_operators.decoding.adullact.xml import XmlRefused
from ezcold_operators.decoding.unfolding import Written
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _

_NAMES = (b"factur-x.xml", b"zugferd-invoice.xml", b"xrechnung.xml")
_MAX_XML = 50_000_000


def embedded_invoice(file: Path, work: Work) -> tuple[str, Written] | None:
    """(name, bytes) of the first embedded XML that is an invoice (CII or UBL), or None: an ordinary or unreadable PDF.

    :raises ConfigurationError: the PDF seems to be a Factur-X, and pypdf is not installed.
    """
    try:
        from pypdf import PdfReader
    except ImportError:
        if _seems_facturx(file):
            raise ConfigurationError(_("Reading Factur-X needs pypdf: install ezcold[adullact].")) from None
        return None
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it tells of every oddity of every PDF
    try:
        for name, contents in PdfReader(file, strict=False).attachments.items():
            for content in contents:
                found = _invoice(content, work)
                if found is not None:
                    return name, found
    except (RecursionError, MemoryError):
        return None
    except XmlRefused as refused:
        work.problem(_("the XML embedded in the PDF: {refused}").format(refused=refused))
    except Exception:  # noqa: S110 - pypdf raises anything on a damaged PDF; such a PDF is no Factur-X
        pass
    return None


def _invoice(content: bytes, work: Work) -> Written | None:
    if len(content) > _MAX_XML or b"<" not in content[:200]:
        return None
    blob = work.keep(io.BytesIO(content))
    try:
        if is_invoice(root(blob.file, blob.head)):
            return blob
    except XmlRefused:
        work.discard(blob)
        raise
    work.discard(blob)
    return None


def _seems_facturx(file: Path) -> bool:
    tail = b""
    with file.open("rb") as source:
        while data := source.read(CHUNK):
            window = (tail + data).lower()
            if any(name in window for name in _NAMES):
                return True
            tail = data[-64:]
    return False
