"""How an IMAP server ends a connection, and its last words: the text of its BYE (RFC 9051, 7.1.5).

A server that has to go in the middle of a literal can only send the BYE among the literal's bytes. imaplib takes it for
a part of the mail and then reports the end of the stream; so the last bytes of the stream are kept, whatever they were
taken for.
"""

from __future__ import annotations

import imaplib
import re
from contextlib import suppress
from typing import Any

from ezcold_operators.sources import mail_common
from ezcold_operators.sources.imap_login import words_of

KEPT = 1024
"""Bytes that are remembered; a BYE is one line."""
CHUNK = 256 * 1024
BYE = re.compile(rb"\* BYE (?P<text>[^\r\n]*)\r\n\Z", re.IGNORECASE)


class Ending:
    """Listens to one connection, so that its end can be told in the server's words."""

    def __init__(self, imap: Any) -> None:
        self._imap = imap
        self._last = b""
        self._readline = imap.readline
        imap.read, imap.readline = self._read, self._line

    def _read(self, size: int) -> bytes:
        """As imaplib's own, but what came before a reset or a timeout is known."""
        parts = []
        while size and (part := self._imap.file.read1(min(size, CHUNK))):
            self._heard(part)
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _line(self) -> bytes:
        line: bytes = self._readline()
        self._heard(line)
        return line

    def _heard(self, part: bytes) -> None:
        self._last = part[-KEPT:] if len(part) >= KEPT else (self._last + part)[-KEPT:]

    def words(self, exc: BaseException) -> str:
        """What the server said last; '' if it went without a word.

        :param exc: what imaplib made of the end.
        """
        if isinstance(exc.__context__, mail_common.ENDED):  # nothing could be sent: perhaps it had said why before
            with suppress(OSError, imaplib.IMAP4.error):
                while self._line():
                    pass
        if found := BYE.search(self._last):
            return mail_common.one_line(found["text"])
        return told(exc)


def told(exc: BaseException) -> str:
    """What imaplib has from the server about an end; '' where it has only an error of the socket."""
    words = mail_common.one_line(words_of(exc))
    return "" if isinstance(exc, OSError) or words.startswith("socket error") else words
