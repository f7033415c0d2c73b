"""What the files of a drop folder say of each other: an envelope names its messages, a message its act and annexes, a
Pastell deposit its files. Only names are read, from a bounded part of each file, without parsing; decoding has the last
word.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

HEAD = 16_384
"""Bytes that show what a file is."""
WHOLE = 2_000_000
"""A file that names others is small; a larger one is taken by itself."""

Kind = Literal["names", "answer", "carrier", "archive", "other"]

_PROLOG = re.compile(rb"\s*(?:<\?.*?\?>|<!--.*?-->|\s+)", re.DOTALL)
_ROOT = re.compile(rb"\s*<(?:[\w.-]+:)?([A-Za-z_][\w.-]*)")
_FILE_NAME = re.compile(rb"<(?:[\w.-]+:)?NomFichier\s*>([^<]{1,500})<")
_FLUX_FILE = re.compile(rb"""<file\s[^>]*?content\s*=\s*(?:"([^"]{1,500})"|'([^']{1,500})')""")
_YAML_ITEM = re.compile(r"""^\s*-\s+["']?(.{1,500}?)["']?\s*$""", re.MULTILINE)
_ACTES = b"interieur.gouv.fr/ACTES"
_CARRIERS = (b"PES_Aller", b"PES_Retour", b"Invoice", b"CreditNote", b"CrossIndustryInvoice")
_FIELDS = ("metadata.json", "metadata.txt")


@dataclass(frozen=True, slots=True)
class Content:
    """What one file is to its neighbours.

    names: it names files that belong to it. answer: an acknowledgement or an anomaly, an item of its own whenever it
    comes. carrier: a PES or an invoice, complete in itself; a file of the same root name (its PDF) belongs to it.
    archive: it holds its files itself.
    """

    kind: Kind
    names: tuple[str, ...] = ()


OTHER = Content("other")


def content(name: str, head: bytes, whole: bytes | None) -> Content:
    """What a file is.

    :param head: its first bytes. :param whole: all of it, or None when it is longer than `WHOLE`.
    """
    if name.rpartition("/")[2].lower() in _FIELDS and whole is not None:
        return Content("names", _fields(name, whole))
    if _is_archive(head):
        return Content("archive")
    root = _root(head)
    if root is None:
        return OTHER
    if _ACTES in head:
        return _actes(root, whole)
    if root == b"flux" and whole is not None:
        names = [_text(double or single) for double, single in _FLUX_FILE.findall(whole)]
        return Content("names", tuple(_stored(found) for found in names)) if names else OTHER
    if root == b"PES_ACQUIT" or root == b"CPPStatut":
        return Content("answer")
    return Content("carrier") if root in _CARRIERS or root.startswith(b"CPPFacture") else OTHER


def _is_archive(head: bytes) -> bool:
    """Zip, gzip, tar; an office document is a zip that says so in its first member (OPC, ODF)."""
    if head.startswith(b"PK\x03\x04"):
        return head[30:49] != b"[Content_Types].xml" and head[30:38] != b"mimetype"
    return head.startswith(b"\x1f\x8b") or head[257:262] == b"ustar"


def _root(head: bytes) -> bytes | None:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        head = head.decode("utf-16", "replace").encode("utf-8", "replace")
    position = 3 if head.startswith(b"\xef\xbb\xbf") else 0
    while (skipped := _PROLOG.match(head, position)) is not None:
        position = skipped.end()
    found = _ROOT.match(head, position)
    return found.group(1) if found else None


def _actes(root: bytes, whole: bytes | None) -> Content:
    if root.startswith((b"AR", b"Anomalie")):
        return Content("answer")
    names = [_text(found) for found in _FILE_NAME.findall(whole or b"")]
    return Content("names", tuple(_stored(name) for name in names)) if names else Content("answer")


def _fields(name: str, whole: bytes) -> tuple[str, ...]:
    """The files that a Pastell deposit in JSON or YAML names: its lists."""
    text = whole.decode("utf-8-sig", "replace")
    if not name.lower().endswith(".json"):
        return tuple(_stored(found) for found in _YAML_ITEM.findall(text))
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    lists = [value for value in fields.values() if isinstance(value, list)] if isinstance(fields, dict) else []
    return tuple(_stored(found) for values in lists for found in values if isinstance(found, str) and found)


def _text(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    return html.unescape(text).strip()


def _stored(name: str) -> str:
    """The name under which a platform stores a file: NFC, no path."""
    return unicodedata.normalize("NFC", name.replace("\\", "-").replace("/", "-"))
