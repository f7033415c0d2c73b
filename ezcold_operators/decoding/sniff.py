"""What the first bytes of a file show, whatever its sender called it.

Our own table: general libraries call every zip a docx, or know neither TNEF nor PKCS #7 (measured before choosing).
Sources: the formats' own specifications; MS-OXTNEF 2.1.3.1 (signature), MS-CFB 2.2, RFC 8017/5652 (DER), RFC 1952.
"""

from __future__ import annotations

import re
from pathlib import Path

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
TNEF = b"\x78\x9f\x3e\x22"
MSG_TYPE = "application/vnd.ms-outlook"

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (TNEF, "application/ms-tnef"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\x00", "application/x-xz"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"MZ", "application/x-msdownload"),
    (b"\x7fELF", "application/x-executable"),
    (b"{\\rtf", "application/rtf"),
    (b"%!PS", "application/postscript"),
)
_BEGINNINGS = tuple(signature for signature, _type in _SIGNATURES)
_OOXML = {
    b"word/": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    b"xl/": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    b"ppt/": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
_PKCS7_OIDS = tuple(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07" + bytes([n]) for n in (1, 2, 3, 6))
_CMS_AUTH = b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01"
_FIRST_LINE = re.compile(rb"(?:\xef\xbb\xbf)?(?:>?From [^\r\n]{1,500}\r{0,2}\n)?[!-9;-~]{1,80}[ \t]*:(?![/\\])")
_MAIL_FIELD = re.compile(
    rb"(?:^|[\r\n])(From|To|Cc|Subject|Date|Message-ID|MIME-Version|Received|Return-Path|Content-Type|Delivered-To|Reply-To)"
    rb"[ \t]*:",
    re.IGNORECASE,
)
_END_OF_HEADER = re.compile(rb"\r{0,2}\n\r{0,2}\n|\r\r")
_ARCHIVES = {
    "application/zip",
    "application/x-7z-compressed",
    "application/gzip",
    "application/x-bzip2",
    "application/x-xz",
    "application/x-tar",
}


def sniff(head: bytes, file: Path | None = None) -> str | None:
    """The media type that the first bytes show.

    :param head: the first few kilobytes.
    :param file: the whole, looked into only for formats whose beginning does not tell (OLE, tar).
    :return: None when nothing is certain (plain text shows nothing).
    """
    if head.startswith(_BEGINNINGS):
        return next(media_type for signature, media_type in _SIGNATURES if head.startswith(signature))
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_type(head)
    if head.startswith(OLE):
        return MSG_TYPE if file is not None and _is_msg(file) else "application/x-ole-storage"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[257:262] == b"ustar":
        return "application/x-tar"
    if head[:1] == b"\x30" and _is_pkcs7(head):
        return "application/pkcs7-mime"
    return _text_type(head)


def container_kind(head: bytes, file: Path | None, media_type: str, name: str | None) -> str | None:
    """The word of `unpack` that opens this file: mail, outlook, tnef, smime, archive; None for a plain document.

    A mail is one only if declared so: any text may look like one. The others are told by their content, S/MIME by its
    declaration, since certificates have the same first bytes.
    """
    if media_type in ("message/rfc822", "message/global", "message/news"):
        return "mail"
    found = sniff(head, file)
    if found == "application/ms-tnef":
        return "tnef"
    if found == MSG_TYPE:
        return "outlook"
    if found in _ARCHIVES:
        return "archive"
    lowered = (name or "").lower()
    if media_type in ("application/pkcs7-mime", "application/x-pkcs7-mime") or lowered.endswith(".p7m"):
        return "smime"
    return None


def looks_like_mail(head: bytes, least: int = 2) -> bool:
    """Whether a file of unknown kind begins as RFC 5322 says a message does.

    :param least: how many fields that only mails have are proof enough; Content-Type alone is.
    """
    head = head.lstrip(b"\r\n")
    if not _FIRST_LINE.match(head):
        return False
    end = _END_OF_HEADER.search(head)
    fields = {name.lower() for name in _MAIL_FIELD.findall(head[: end.start()] if end else head)}
    return len(fields) >= least or b"content-type" in fields


def _zip_type(head: bytes) -> str:
    """A zip, or what its first members' names make of it; ODF and EPUB say it in their first, stored member."""
    name_length = int.from_bytes(head[26:28], "little")
    if head[30 : 30 + name_length] == b"mimetype":
        start = 30 + name_length + int.from_bytes(head[28:30], "little")
        declared = re.match(rb"application/[\w.+-]{3,80}", head[start : start + 100])
        if declared:
            text = declared.group().decode("ascii")
            return text[:-2] if text.endswith("PK") else text
    if head[30 : 30 + name_length] in (b"[Content_Types].xml", b"_rels/.rels", b"docProps/app.xml"):
        for prefix, media_type in _OOXML.items():
            if prefix in head:
                return media_type
        return "application/vnd.openxmlformats-officedocument"
    for prefix, media_type in _OOXML.items():
        if head[30 : 30 + name_length].startswith(prefix):
            return media_type
    return "application/zip"


def _is_msg(file: Path) -> bool:
    """Whether an OLE file has an Outlook message's streams (MS-OXMSG 2.2); its directory may lie anywhere."""
    marks = ("__properties_version1.0".encode("utf-16-le"), "__nameid_version1.0".encode("utf-16-le"))
    overlap = b""
    with file.open("rb") as stream:
        while piece := stream.read(1 << 20):
            window = overlap + piece
            if any(mark in window for mark in marks):
                return True
            overlap = window[-64:]
    return False


def _is_pkcs7(head: bytes) -> bool:
    return any(oid in head[:40] for oid in _PKCS7_OIDS) or _CMS_AUTH in head[:40]


def _text_type(head: bytes) -> str | None:
    start = head[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"<?xml"):
        return "application/xml"
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "text/html"
    if start.startswith(b"-----begin pkcs7"):
        return "application/pkcs7-mime"
    if looks_like_mail(head):
        return "message/rfc822"
    return None
