"""A mail's leaves become documents: which is a body, which a file, which a container to open."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from ezcold_operators.i18n import _

from .fields import read_fields
from .names import clean, decode_bytes, parameter
from .parts import MAIL_TYPES, Leaf, Message, Tree, boundary_of, content_id, file_name
from .raw import Raw
from .sniff import sniff
from .transfer import Base64Result, base64_pieces, encoding_of, quoted_printable_pieces
from .unfolding import Unfolding, Written, join
from .uudecode import embedded_files, uu_pieces

Place = dict[str, Any]
REPORT_TYPES = {"message/delivery-status", "message/disposition-notification", "message/feedback-report"}
"""The machine's half of a report (RFC 6522), read by programs as the text beside it is by people; nobody's file."""
BODY_TYPES = {"text/plain", "text/html"} | REPORT_TYPES
SIGNATURE_TYPES = ("application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature")
_REFERENCE = re.compile(rb"(?:cid:|src\s*=\s*[\"']?(?!cid:))([^\"'\s>)]{1,1000})", re.IGNORECASE)
MOST_HTML = 8_000_000
"""Decoded bytes of HTML in which references are looked for."""


def write_leaves(raw: Raw, tree: Tree, session: Unfolding) -> None:
    """Write every leaf of the tree that is a document, open those that are containers."""
    for path in tree.encrypted:
        session.quarantine(_("encrypted: part {path} is encrypted to someone else").format(path=path))
    references: dict[int, set[str]] = {}
    for leaf in tree.leaves:
        session.at(leaf.message.depth - tree.messages[0].depth)
        write_leaf(raw, tree, leaf, session, references)


def write_leaf(raw: Raw, tree: Tree, leaf: Leaf, session: Unfolding, references: dict[int, set[str]]) -> None:
    """Write one leaf, open it, or leave it as the mail's text."""
    name, disposition = file_name(leaf)
    if leaf.fields.too_long:
        session.quarantine(_("part {path} has a header field too long to be read").format(path=leaf.path))
    if is_body(leaf, name, disposition):
        return write_body(raw, leaf, session)
    if leaf.media_type == "message/partial" and not _is_whole(leaf, session):
        return
    announced = name is not None or disposition == "attachment"
    identity = content_id(leaf)
    place: Place = {
        "name": name,
        "path": leaf.path,
        "media_type": leaf.media_type,
        "inline": bool(identity or leaf.fields.first(b"content-location")) and refers(raw, tree, leaf, references),
        "metadata": {"content_id": identity} if identity else {},
    }
    if leaf.media_type == "message/external-body":
        named = {key: parameter(value) for key, value in leaf.parameters.items()}
        session.add(b"", **{**place, "role": "reference", "metadata": {"external": named}})
        return
    result = Base64Result()
    written = session.scratch(decoded(raw, leaf, result))
    if result.leftover and not leaf.whole:
        session.quarantine(_("part {path} is cut off: the mail ends in the middle of it").format(path=leaf.path))
    if leaf.media_type in SIGNATURE_TYPES:
        session.adopt(written, **{**place, "role": "signature"})
    elif leaf.media_type in MAIL_TYPES:
        write_mail(written, announced, session, place)
    elif leaf.media_type == "message/partial":
        session.descend(written, **place, kind="mail")
    elif leaf.media_type.startswith("multipart/"):
        write_multipart(leaf, written, announced, session, place)
    else:
        session.descend(written, **place)


def is_body(leaf: Leaf, name: str | None, disposition: str) -> bool:
    """Whether a leaf is text to read rather than a file: plain, HTML or a report, without a name, not an attachment."""
    return leaf.media_type in BODY_TYPES and name is None and disposition != "attachment"


def write_body(raw: Raw, leaf: Leaf, session: Unfolding) -> None:
    """A text: a document only on demand; what is hidden in it is looked for."""
    if session.options.want_body:
        session.add(
            decoded(raw, leaf),
            name=None,
            path=leaf.path,
            media_type=leaf.media_type,
            role="body",
            metadata={"charset": parameter(leaf.parameters.get("charset")) or ""},
        )
    if leaf.media_type == "text/plain":
        head = next(decoded(raw, leaf), b"")[:4096]
        if head.lstrip().startswith(b"-----BEGIN PGP MESSAGE-----"):
            session.quarantine(_("encrypted: the text of part {path} is an OpenPGP message").format(path=leaf.path))
        if session.allows("uuencode"):
            write_embedded(raw, leaf, session)


def write_embedded(raw: Raw, leaf: Leaf, session: Unfolding) -> None:
    """Files written into a text as uuencode, yEnc or BinHex."""
    for number, found in enumerate(embedded_files(decoded(raw, leaf)), 1):
        written = session.scratch(found.pieces)
        if found.complaint:
            session.quarantine(f"part {leaf.path}: {found.complaint}")
        session.descend(
            written, name=found.name, path=join(leaf.path, str(number)), metadata={"encoding": found.encoding}
        )


def write_mail(written: Written, announced: bool, session: Unfolding, place: Place) -> None:
    """A message/rfc822 that was encoded, or is no mail: opened if it has a header, else a file or a text to read."""
    if not session.allows("mail"):
        session.adopt(written, **place)
        return
    with Raw(written.file) as inner:
        mail = read_fields(inner, 0, inner.size, top=True).count > 0
    if mail:
        session.descend(written, **place, kind="mail")
    elif (announced and written.size) or b"\0" in written.head or sniff(written.head) is not None:
        session.adopt(written, **place)
    else:
        written.file.unlink()


def write_multipart(leaf: Leaf, written: Written, announced: bool, session: Unfolding, place: Place) -> None:
    """A multipart that was encoded as a whole, against RFC 2045 6.4: decoded, it is a mail without its header."""
    header = b"Content-Type: " + (leaf.fields.first(b"content-type") or b"").replace(b"\n", b" ") + b"\n\n"
    boundary = boundary_of(leaf.parameters)
    with Raw(written.file) as inner:
        if announced and (not boundary or inner.find(b"--" + boundary, 0) < 0):
            session.quarantine(
                _("part {path} announces a file, and is a multipart without parts").format(path=leaf.path)
            )
            session.adopt(written, **place)
            return
        whole = session.scratch(piece for part in ((header,), inner.pieces(0, inner.size)) for piece in part)
    written.file.unlink()
    session.descend(whole, **place, kind="mail")


def _is_whole(leaf: Leaf, session: Unfolding) -> bool:
    """Whether a message/partial is the only part (RFC 2046 5.2.2); a piece of several is a quarantine."""
    number, total, identity = (parameter(leaf.parameters.get(key)) for key in ("number", "total", "id"))
    if number == "1" and total == "1":
        return True
    session.quarantine(
        _("message/partial: part {number} of {total} of {identity}").format(
            number=number or "?", total=total or "?", identity=(identity or "?")[:200]
        )
    )
    return False


def decoded(raw: Raw, leaf: Leaf, result: Base64Result | None = None) -> Iterator[bytes]:
    """A leaf's bytes with its transfer encoding undone, in pieces."""
    encoding = encoding_of(leaf.fields.first(b"content-transfer-encoding"))
    pieces = raw.pieces(leaf.start, leaf.end)
    if encoding == "base64":
        return base64_pieces(pieces, result)
    if encoding == "quoted-printable":
        return quoted_printable_pieces(pieces)
    if encoding == "uuencode":
        return uu_pieces(pieces)
    return pieces


def refers(raw: Raw, tree: Tree, leaf: Leaf, references: dict[int, set[str]]) -> bool:
    """Whether an HTML part of the same mail refers to this part (RFC 2392, RFC 2557)."""
    key = id(leaf.message)
    if key not in references:
        references[key] = _references(raw, tree, leaf.message)
    location = clean(decode_bytes(leaf.fields.first(b"content-location") or b""))
    return content_id(leaf).lower() in references[key] or bool(location and location.lower() in references[key])


def _references(raw: Raw, tree: Tree, message: Message) -> set[str]:
    found: set[str] = set()
    for leaf in tree.leaves:
        if leaf.message is not message or leaf.media_type != "text/html":
            continue
        size, kept = 0, b""
        for piece in decoded(raw, leaf):
            size += len(piece)
            window = kept + piece
            found.update(unquote(decode_bytes(match)).lower() for match in _REFERENCE.findall(window))
            kept = window[-1100:]
            if size > MOST_HTML:
                break
    return found - {""}
