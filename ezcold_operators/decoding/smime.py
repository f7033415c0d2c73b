"""S/MIME in one piece (RFC 8551, CMS RFC 5652): the content of signed, compressed and, with a key, encrypted mail.

Nothing is said about a signature's validity: the content is taken out, not trusted.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from ezcold_operators.i18n import _

from ..errors import Undecodable
from .ber import SEQUENCE, Ber, Element
from .sniff import looks_like_mail
from .transfer import base64_pieces
from .unfolding import Unfolding, Written, join

_DATA, _SIGNED, _ENVELOPED, _DIGESTED = (f"1.2.840.113549.1.7.{number}" for number in (1, 2, 3, 5))
_SHARED_KEY = "1.2.840.113549.1.7.6"
_COMPRESSED, _AUTH_ENVELOPED = "1.2.840.113549.1.9.16.1.9", "1.2.840.113549.1.9.16.1.23"
_ZLIB = "1.2.840.113549.1.9.16.3.8"
_PIECE = 1 << 20
_ARMOUR = re.compile(rb"-----[^-\r\n]{1,80}-----")
_MIME_HEADER = re.compile(rb"\A\s*(?:MIME-Version|Content-[A-Za-z-]+)[ \t]*:", re.IGNORECASE)
_ENDINGS = (".p7m", ".p7s", ".p7c", ".p7z")


def open_smime(part: Path, name: str | None, path: str, session: Unfolding) -> None:
    """Open application/pkcs7-mime: signed, compressed or encrypted; in base64 or PEM by mistake as well.

    :raises Undecodable: it is damaged, or encrypted and no configured key opens it.
    """
    with part.open("rb") as stream:
        head = stream.read(4096)
    if head[:1] == b"\x30":
        return _open_cms(part, name, path, session)
    written = session.scratch(_bytes(part))
    if _MIME_HEADER.match(head):
        return session.descend(written, name=name, path=path, kind="mail")
    binary = session.scratch(base64_pieces(_without_armour(part)))
    written.file.unlink()
    try:
        if binary.head[:1] != b"\x30":
            raise Undecodable(_("the S/MIME part holds neither CMS data nor their base64"))
        _open_cms(binary.file, name, path, session)
    finally:
        binary.file.unlink(missing_ok=True)


def _open_cms(part: Path, name: str | None, path: str, session: Unfolding) -> None:
    with part.open("rb") as stream:
        ber = Ber(stream)
        kind, body = _typed(ber, ber.element(0))
        if body is None:
            raise Undecodable(_("the CMS data have no content"))
        if kind in (_SIGNED, _DIGESTED):
            content = _encapsulated(ber, body)
            if content is None:
                session.add(_bytes(part), name=name, path=path, media_type="application/pkcs7-mime", role="signature")
                return
            pieces = ber.octets(content)
        elif kind == _COMPRESSED:
            pieces = _inflated(ber, body)
        elif kind in (_ENVELOPED, _AUTH_ENVELOPED):
            from .smime_decrypt import decrypted

            pieces = decrypted(ber, body, kind == _AUTH_ENVELOPED, session.options.smime_key_pem)
        elif kind == _DATA:
            pieces = ber.octets(body)
        elif kind == _SHARED_KEY:
            raise Undecodable(_("encrypted (S/MIME) with a shared secret, which cannot be opened here"))
        else:
            raise Undecodable(_("the CMS data are of the unknown type {kind}").format(kind=kind))
        written = session.scratch(pieces)
    _give(written, name, path, session)


def _give(written: Written, name: str | None, path: str, session: Unfolding) -> None:
    """The content is a MIME entity, further CMS data, or a signed file (invoice.pdf.p7m)."""
    generic = (name or "smime.p7m").lower() == "smime.p7m"
    if looks_like_mail(written.head, least=1 if generic else 2):
        return session.descend(written, name=None, path=path, kind="mail")
    inner = name
    if name and name.lower().endswith(_ENDINGS) and len(name) > 4:
        inner = name[:-4]
    kind = "smime" if written.head[:1] == b"\x30" and (name or "").lower().endswith(".p7m.p7m") else None
    session.descend(written, name=inner, path=join(path, inner or "1"), kind=kind)


def _typed(ber: Ber, outer: Element) -> tuple[str, Element | None]:
    """Type and content of a ContentInfo or an EncapsulatedContentInfo: SEQUENCE {type, [0] content}."""
    if outer.tag != SEQUENCE:
        raise Undecodable(_("the S/MIME part holds no CMS data"))
    parts = ber.children(outer)
    kind = ber.oid(_next(parts))
    wrapper = next(parts, None)
    if wrapper is None or not wrapper.is_context(0):
        return kind, None
    return kind, next(ber.children(wrapper), None)


def _encapsulated(ber: Ber, body: Element) -> Element | None:
    """The content of SignedData or DigestedData: {version, algorithms, {type, [0] content}, ...}; None if detached."""
    parts = ber.children(body)
    _next(parts), _next(parts)
    return _typed(ber, _next(parts))[1]


def _inflated(ber: Ber, body: Element) -> Iterator[bytes]:
    parts = ber.children(body)
    _next(parts)
    algorithm = ber.oid(_next(ber.children(_next(parts))))
    content = _typed(ber, _next(parts))[1]
    if algorithm != _ZLIB or content is None:
        raise Undecodable(_("the S/MIME part is compressed in a way that is not known"))
    inflater = zlib.decompressobj()
    try:
        for piece in ber.octets(content):
            data = piece
            while data and not inflater.eof:
                yield inflater.decompress(data, _PIECE)
                data = inflater.unconsumed_tail
        while not inflater.eof and (rest := inflater.decompress(b"", _PIECE)):
            yield rest
    except zlib.error as error:
        raise Undecodable(_("the compressed S/MIME part is damaged")) from error
    if not inflater.eof:
        raise Undecodable(_("the compressed S/MIME part is cut off"))


def _next(parts: Iterator[Element]) -> Element:
    found = next(parts, None)
    if found is None:
        raise Undecodable(_("the CMS data lack a field"))
    return found


def _bytes(part: Path) -> Iterator[bytes]:
    with part.open("rb") as stream:
        while piece := stream.read(_PIECE):
            yield piece


def _without_armour(part: Path) -> Iterator[bytes]:
    """PEM's first and last line removed; they stand at the file's ends."""
    last = part.stat().st_size // _PIECE
    for number, piece in enumerate(_bytes(part)):
        yield _ARMOUR.sub(b"", piece) if number in (0, last) else piece
