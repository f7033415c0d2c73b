"""What every decoder takes and gives: an item's raw bytes in a file go in, the documents found come out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

Kind = Literal["mail", "file", "adullact", "any"]
"""How an item reached us: by a mail protocol, as a file, as an envelope; any: nobody says, look at the bytes."""

Role = Literal["attachment", "body", "message", "signature", "piece", "envelope", "reference"]
"""attachment: a file part of a mail (or a plain file). body: a mail's own text or HTML, offered only when asked for.
message: the mail itself. signature: a detached S/MIME or PGP signature. piece, envelope: adullact.
reference: a file that is only named, not carried (cloud attachment, message/external-body): no bytes, rejected with its
link."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one item may unfold into; the reasons of quarantine name them as here (launcher.md, `limits`)."""

    max_item_mb: int = 150
    max_documents: int = 5000
    max_depth: int = 10
    max_ratio: int = 200

    @property
    def max_unfolded_bytes(self) -> int:
        """Bytes that all documents of one item may hold together."""
        return max(self.max_item_mb, 1) * 1_000_000 * 10


@dataclass(frozen=True, slots=True)
class Options:
    """How to decode; plain data, so that it crosses into the child process as JSON."""

    kind: Kind = "mail"
    name: str = ""
    """The item's own name: a file's name, '' for a mail."""
    unpack: tuple[str, ...] = ("mail", "outlook", "tnef", "smime")
    """Of: mail, outlook, tnef, smime, archive, envelope, uuencode (uuencode, yEnc, BinHex in texts; off by default)."""
    want_message: bool = False
    """Also give the mail itself, byte for byte, as a document of role `message`."""
    want_body: bool = False
    """Also give text and HTML bodies as documents of role `body`."""
    validate_xsd: bool = False
    limits: Limits = field(default_factory=Limits)
    passwords: tuple[str, ...] = field(default=(), repr=False)
    """For AES and legacy zip, 7z; from a Connection, never logged."""
    smime_key_pem: str = field(default="", repr=False)
    """Private key and certificate, PEM, for S/MIME decryption."""


@dataclass(frozen=True, slots=True)
class Found:
    """One document: its bytes are in `file`, a new file in the work directory whose name is ours, not the sender's."""

    name: str | None
    """As sent, in NFC, not made safe for a disk; None if it has none."""
    path: str
    """Where in the item: MIME part numbers joined by dots ("1.2"), containers by "/" ("2/1.3", "2/dir/a.pdf")."""
    media_type: str
    """As declared, lower case ("application/octet-stream" when nothing was declared)."""
    size: int
    sha256: str
    file: Path
    sniffed: str | None = None
    """The type that the first bytes show, or None when they show none."""
    role: Role = "attachment"
    inline: bool = False
    """An HTML part of the same mail refers to it by Content-ID or Content-Location."""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Headers:
    """What the index and a person want to know of a mail; decoded text, control characters removed, bounded."""

    sender: str = ""
    recipients: str = ""
    subject: str = ""
    date: datetime | None = None
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Envelope:
    """An Adullact envelope: its type stands in `routes` like an extension (adullact.md, 7)."""

    type: Literal["acte", "helios", "chorus_fact"]
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Decoded:
    """The answer for one item. `quarantined` may stand beside documents: what was read is delivered all the same."""

    documents: tuple[Found, ...] = ()
    headers: Headers | None = None
    envelope: Envelope | None = None
    quarantined: str | None = None
    """One sentence: why something in this item could not be read for certain."""
