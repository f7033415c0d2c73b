"""What .msg and TNEF have in common: an attachment's properties and content become documents of the item."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ezcold_operators.i18n import _

from ..errors import Undecodable
from . import mapi, rtf
from .cfb import CompoundFile, Entry
from .mapi import Content, Properties
from .ole_object import ObjectFile, file_in_native, file_in_storage
from .unfolding import UNNAMED_TYPE, Unfolding, join

_SIGNED_CLASSES = ("IPM.NOTE.SMIME", "IPM.NOTE.SECURE")


def media_type_of(properties: Properties) -> str:
    """The declared media type, lower case."""
    text = mapi.clean(properties.text(mapi.MIME_TAG) or "").lower()
    return text if "/" in text else UNNAMED_TYPE


def add_value(properties: Properties, content: Content, path: str, html: str, session: Unfolding) -> None:
    """An attachment that is a file: a document, or a container opened in its turn."""
    session.descend(
        session.scratch(content.pieces()),
        name=mapi.name_of(properties),
        path=path,
        media_type=media_type_of(properties),
        inline=mapi.cited(properties, html),
    )


def add_reference(properties: Properties, path: str, session: Unfolding) -> None:
    """An attachment that only says where its file lies: listed with its link, never fetched."""
    target = mapi.reference_of(properties)
    session.add(
        b"",
        name=mapi.name_of(properties),
        path=path,
        media_type=media_type_of(properties),
        role="reference",
        metadata={"link": target},
    )


def add_object(properties: Properties, found: ObjectFile, path: str, session: Unfolding) -> None:
    """The file inside an OLE object, under its own name, else the attachment's with a suitable extension."""
    name = found.name
    if name is None:
        shown = mapi.name_of(properties) or "object"
        name = shown if "." in shown[-6:] else shown + found.extension
    inline = found.extension in (".bmp", ".emf", ".wmf")
    session.descend(session.scratch(found.pieces), name=name, path=path, inline=inline)


def add_storage(properties: Properties, file: CompoundFile, entry: Entry, path: str, session: Unfolding) -> None:
    """The file inside an OLE storage."""
    add_object(properties, file_in_storage(file, entry, session.workdir), path, session)


def rich_text(properties: Properties, path: str, session: Unfolding) -> bytes:
    """A message's rich text, b"" if it has none; one that cannot be read may hide objects, hence a quarantine."""
    try:
        raw = properties.binary(mapi.RTF, rtf.MAX_RTF)
        return rtf.decompress(raw) if raw else b""
    except Undecodable as error:
        session.quarantine(f"{path or 'body'}: {error}")
        return b""


def add_embedded(text: bytes, path: str, session: Unfolding) -> None:
    """Objects and pictures that lie in the rich text itself rather than in the list of attachments."""
    number = 0
    found = rtf.embedded(text)
    while True:
        try:
            one = next(found, None)
            if one is None:
                return
            number += 1
            inner = join(path, f"rtf.{number}")
            if one.kind == "object":
                made = file_in_native(one.data, one.class_name, session.workdir)
                name = made.name or f"object{number}{made.extension}"
                session.descend(session.scratch(made.pieces), name=name, path=inner)
            else:
                extension = "jpg" if one.kind == "jpeg" else one.kind
                name, media_type = f"image{number}.{extension}", f"image/{one.kind}"
                session.add(one.data, name=name, path=inner, media_type=media_type, inline=True)
        except Undecodable as error:
            if getattr(error, "whole", False):
                raise
            session.quarantine(f"{path or 'body'}: {error}")
            return


def add_bodies(properties: Properties, html: bytes, text: bytes, path: str, session: Unfolding) -> None:
    """The message's own text, as HTML, else rich text; and as plain text, when the launcher asks for bodies."""
    if not session.options.want_body:
        return
    plain = properties.text(mapi.BODY) or ""
    if html:
        session.add(html, name="body.html", path=join(path, "body.html"), media_type="text/html", role="body")
    elif text:
        session.add(text, name="body.rtf", path=join(path, "body.rtf"), media_type="application/rtf", role="body")
    if plain.strip():
        raw = plain.encode("utf-8", "replace")
        session.add(raw, name="body.txt", path=join(path, "body.txt"), media_type="text/plain", role="body")


def is_signed(properties: Properties) -> bool:
    """Whether the message's one attachment holds the whole mail ([MS-OXOSMIME] 2.1)."""
    return (properties.text(mapi.MESSAGE_CLASS) or "").upper().startswith(_SIGNED_CLASSES)


def open_signed(properties: Properties, content: Content, path: str, session: Unfolding) -> None:
    """The attachment of a signed or encrypted message: CMS as it is, or a MIME entity with its own header."""
    written = session.scratch(content.pieces())
    is_cms = written.head[:1] == b"\x30"
    session.descend(
        written,
        name=mapi.name_of(properties) or "smime.p7m",
        path=path,
        media_type="application/pkcs7-mime" if is_cms else "multipart/signed",
        kind="smime" if is_cms else "mail",
    )


def in_file(file: Path, offset: int, size: int) -> Content:
    """A range of a file.

    :raises Undecodable: while read, if the file is shorter.
    """

    def pieces() -> Iterator[bytes]:
        with file.open("rb") as stream:
            stream.seek(offset)
            left = size
            while left > 0:
                piece = stream.read(min(left, 1 << 20))
                if not piece:
                    raise Undecodable(_("the file ends {left} bytes early").format(left=left))
                left -= len(piece)
                yield piece

    return Content(size, pieces)
