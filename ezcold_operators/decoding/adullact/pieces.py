"""Pieces inside XML: base64 that arrives in fragments, straight to a file; gzip or zip around them is taken off."""

from __future__ import annotations

import binascii
import re

from ezcold_operators.decoding.adullact.bundle import Broken, single_member
from ezcold_operators.decoding.adullact.work import GZIP_ERRORS, Work, Writer
from ezcold_operators.decoding.limits import LimitExceeded
from ezcold_operators.decoding.unfolding import Written
from ezcold_operators.i18n import _

_BLANKS = {ord(c): None for c in " \t\r\n"}
_BATCH = 1 << 16
_PROSE = re.compile(r"(?:[^\s]{1,15} ){3}")
"""Blanks come from wrapped lines; three short words in a row are a text, which without blanks may pass for base64."""


class Base64Sink:
    """Decodes the base64 text of one element into a file of the work directory (RFC 4648, blanks ignored).

    After `end`, either `blob` holds the bytes (None when there were none), or `error` says what is wrong.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._pending = ""
        self._writer: Writer | None = None
        self._padded = False
        self.blob: Written | None = None
        self.error: str | None = None

    def text(self, piece: str) -> None:
        if self.error is not None:
            return
        if " " in piece and _PROSE.search(piece):
            self._abandon(_("its base64 is wrong"))
            return
        self._pending += piece.translate(_BLANKS)
        if len(self._pending) >= _BATCH:
            whole = len(self._pending) - len(self._pending) % 4
            self._decode(self._pending[:whole])
            self._pending = self._pending[whole:]

    def end(self) -> None:
        if self.error is None and self._pending:
            self._decode(self._pending)
        self._pending = ""
        if self._writer is not None and self.error is None:
            self.blob = self._writer.close()

    def _decode(self, text: str) -> None:
        try:
            if self._padded:
                raise ValueError("data after the padding")
            data = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
            self._padded = text.endswith("=")
            if self._writer is None:
                self._writer = self._work.writer()
            self._writer.write(data)
        except LimitExceeded:
            self._abandon(_("the limits of the item are exceeded"))
            raise
        except ValueError:
            self._abandon(_("its base64 is wrong"))

    def _abandon(self, error: str) -> None:
        self.error = error
        if self._writer is not None:
            self._writer.abandon()


def gunzipped(blob: Written, work: Work) -> Written:
    """The bytes within gzip, or the bytes themselves when they are not gzip.

    :raises Broken: the gzip is damaged or cut short.
    """
    if not blob.head.startswith(b"\x1f\x8b"):
        return blob
    try:
        inner = work.gunzip(blob)
    except GZIP_ERRORS as error:
        raise Broken(
            _("its gzip wrapping is damaged or cut short ({error})").format(error=type(error).__name__)
        ) from None
    work.discard(blob)
    return inner


def unzipped(blob: Written, name: str, work: Work) -> tuple[Written, str | None]:
    """The bytes within a zip of one member, with that member's name; or the bytes themselves.

    :raises Broken: the zip is damaged.
    """
    if not blob.head.startswith(b"PK\x03\x04"):
        return blob, None
    found = single_member(blob, name, work)
    if found is None:
        return blob, None
    work.discard(blob)
    return found
