"""A mail's leaves become documents: which is a body, which a file, which a container to open."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

from .base import Role
from .names import clean, decode_bytes, parameter
from .raw import Raw
from .structure import Leaf, Message, Tree, content_id, file_name
from .transfer import base64_pieces, encoding_of, quoted_printable_pieces
from .unfolding import Unfolding

BODY_TYPES = ("text/plain", "text/html")
SIGNATURE_TYPES = ("application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature")
_REFERENCE = re.compile(rb"(?:cid:|src\s*=\s*[\"']?(?!cid:))([^\"'\s>)]{1,1000})", re.IGNORECASE)
MOST_HTML = 8_000_000
"""Decoded bytes of HTML in which references are looked for."""


def write_leaves(raw: Raw, tree: Tree, session: Unfolding) -> None:
    """Write every leaf of the tree that is a document, open those that are containers."""
    for path in tree.encrypted:
        session.quarantine(f"encrypted: part {path} is encrypted to someone else")
    references: dict[int, set[str]] = {}
    for leaf in tree.leaves:
        write_leaf(raw, tree, leaf, session, references)


def write_leaf(raw: Raw, tree: Tree, leaf: Leaf, session: Unfolding, references: dict[int, set[str]]) -> None:
    name, disposition = file_name(leaf)
    if leaf.fields.too_long:
        session.quarantine(f"part {leaf.path} has a header field too long to be read")
    if is_body(leaf, name, disposition):
        if session.options.want_body:
            session.add(
                decoded(raw, leaf),
                name=None,
                path=leaf.path,
                media_type=leaf.media_type,
                role="body",
                metadata={"charset": parameter(leaf.parameters.get("charset")) or ""},
            )
        return
    if leaf.media_type == "message/partial":
        number, total = parameter(leaf.parameters.get("number")), parameter(leaf.parameters.get("total"))
        session.quarantine(f"message/partial: part {number or '?'} of {total or '?'}")
        return
    identity = content_id(leaf)
    inline = bool(identity or leaf.fields.first(b"content-location")) and refers(raw, tree, leaf, references)
    metadata = {"content_id": identity} if identity else {}
    role: Role = "attachment"
    if leaf.media_type in SIGNATURE_TYPES:
        role = "signature"
    if role != "attachment":
        session.add(
            decoded(raw, leaf), name=name, path=leaf.path, media_type=leaf.media_type, role=role, metadata=metadata
        )
        return
    session.descend(
        session.scratch(decoded(raw, leaf)),
        name=name,
        path=leaf.path,
        media_type=leaf.media_type,
        inline=inline,
        metadata=metadata,
    )


def is_body(leaf: Leaf, name: str | None, disposition: str) -> bool:
    """Whether a leaf is text to read rather than a file: plain or HTML, without a name and not marked attachment."""
    return leaf.media_type in BODY_TYPES and name is None and disposition != "attachment"


def decoded(raw: Raw, leaf: Leaf) -> Iterator[bytes]:
    """A leaf's bytes with its transfer encoding undone, in pieces."""
    encoding = encoding_of(leaf.fields.first(b"content-transfer-encoding"))
    pieces = raw.pieces(leaf.start, leaf.end)
    if encoding == "base64":
        return base64_pieces(pieces)
    if encoding == "quoted-printable":
        return quoted_printable_pieces(pieces)
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
