"""Building blocks of the corpus: raw mails by hand, with what must be found in them said beside each."""

from __future__ import annotations

import base64
import hashlib
import quopri
from dataclasses import dataclass, field
from typing import Any

HEAD = b"From: Marie Dupont <marie@example.fr>\r\nTo: ged@example.fr\r\nSubject: Factures\r\n" + (
    b"Date: Tue, 03 Mar 2026 09:15:00 +0100\r\nMessage-ID: <c1@example.fr>\r\nMIME-Version: 1.0\r\n"
)
PDF = b"%PDF-1.4\n" + bytes(range(256)) + b"\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(255, 0, -1)) * 2
CSV = "date;montant\r\n2026-03-01;12,50 €\r\n".encode()
TEXT = b"Content-Type: text/plain; charset=utf-8\r\n\r\nBonjour"
HTML = b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>Bonjour</p>"


@dataclass(frozen=True)
class Document:
    """A document that must be found."""

    name: str | None
    data: bytes
    path: str
    role: str = "attachment"
    inline: bool = False

    def plain(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {
            "name": self.name,
            "path": self.path,
            "size": len(self.data),
            "sha256": hashlib.sha256(self.data).hexdigest(),
            "role": self.role,
            "inline": self.inline,
        }


@dataclass(frozen=True)
class Case:
    """One mail of the corpus.

    :param quarantined: a piece of the reason that must be given; None: no quarantine at all.
    """

    name: str
    raw: bytes
    documents: tuple[Document, ...] = ()
    quarantined: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    why: str = ""

    def expected(self) -> dict[str, Any]:
        """What stands in the JSON beside the mail."""
        return {
            "why": self.why,
            "options": self.options,
            "documents": [document.plain() for document in self.documents],
            "quarantined": self.quarantined,
        }


def doc(name: str | None, data: bytes, path: str, role: str = "attachment", inline: bool = False) -> Document:
    """Shorthand."""
    return Document(name, data, path, role, inline)


def b64(data: bytes, width: int = 76, eol: bytes = b"\r\n") -> bytes:
    """Base64 in lines."""
    text = base64.b64encode(data)
    return eol.join(text[at : at + width] for at in range(0, len(text), width))


def qp(data: bytes) -> bytes:
    """Quoted-printable with CR LF; CR and LF of the data are escaped, so that they survive."""
    escaped = quopri.encodestring(data.replace(b"\r", b"\x00CR").replace(b"\n", b"\x00LF"), quotetabs=True)
    return escaped.replace(b"=00CR", b"=0D").replace(b"=00LF", b"=0A").replace(b"\n", b"\r\n")


def part(header: str | bytes, body: bytes) -> bytes:
    """A part of given header lines."""
    header = header if isinstance(header, bytes) else header.encode()
    return header.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") + b"\r\n\r\n" + body


def pdf(name: str = "facture.pdf", data: bytes = PDF) -> bytes:
    """An ordinary attachment."""
    return part(
        f'Content-Type: application/pdf; name="{name}"\nContent-Transfer-Encoding: base64\n'
        f'Content-Disposition: attachment; filename="{name}"',
        b64(data),
    )


def named(disposition: bytes, data: bytes = PDF, content_type: bytes = b"application/pdf") -> bytes:
    """An attachment whose Content-Disposition (and type) are given as raw bytes."""
    return part(b"Content-Type: " + content_type + b"\nContent-Transfer-Encoding: base64\n" + disposition, b64(data))


def multipart(*parts: bytes, subtype: str = "mixed", boundary: bytes = b"=_frontiere_1", end: bool = True) -> bytes:
    """A multipart with its Content-Type line, to be put after HEAD or inside another one."""
    header = f"Content-Type: multipart/{subtype}; ".encode() + b'boundary="' + boundary + b'"\r\n\r\n'
    body = b"".join(b"--" + boundary + b"\r\n" + each + b"\r\n" for each in parts)
    return header + body + (b"--" + boundary + b"--\r\n" if end else b"")


def mail(*parts: bytes, **how: Any) -> bytes:
    """A whole mail of some parts."""
    return HEAD + multipart(*parts, **how)
