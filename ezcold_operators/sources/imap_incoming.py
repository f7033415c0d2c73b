"""What an IMAP server sends: lines and literals, answers to FETCH apart from all others, and its last words.

imaplib keeps a log of lines and tries half a dozen patterns on each; nearly all that comes is answers to FETCH, which
have a form of their own. They are taken before imaplib sees them, whichever command is under way.

A server that has to go in the middle of a literal can only send its BYE (RFC 9051, 7.1.5) among the literal's bytes. It
is then taken for a part of the mail, and what is noticed is the end of the stream; so the last bytes of the stream are
kept, whatever they were taken for.
"""

from __future__ import annotations

import imaplib
import re
from contextlib import suppress
from typing import Any

from ezcold_operators.sources import mail_common
from ezcold_operators.sources.imap_login import words_of
from ezcold_operators.sources.imap_parse import TOKEN, Fetched, Malformed, Token, message

KEPT = 1024
"""Bytes that are remembered; a BYE is one line."""
CHUNK = 64 * 1024
LONGEST = 1_000_000
"""Bytes of a line, as with imaplib."""
NUMBERED = re.compile(rb"\* \d+ (?:FETCH \(?|(EXPUNGE)\Z)", re.IGNORECASE)
"""What is told of single mails: an answer to FETCH, or that one is gone, one line for each that is moved."""
BYE = re.compile(rb"\* BYE (?P<text>[^\r\n]*)\r\n\Z", re.IGNORECASE)


class Incoming:
    """Reads for one connection, once its TLS stands: what came before that must not be believed."""

    def __init__(self, imap: Any) -> None:
        self._imap = imap
        self._buffer, self._at = b"", 0
        self._last = b""
        self._found: dict[int, Fetched] = {}
        self._malformed = False
        imap.read, imap._get_line = self._literal, self._other_line

    def taken(self) -> dict[int, Fetched]:
        """Answers to FETCH since the last call, by UID; those without one, sent unasked, are left out.

        :raises Malformed: one of them could not be understood.
        """
        found, malformed = self._found, self._malformed
        self.forget()
        if malformed:
            raise Malformed("not an answer to FETCH")
        return found

    def forget(self) -> None:
        """Drop the answers that nobody asked for."""
        self._found, self._malformed = {}, False

    def _other_line(self) -> bytes:
        """The next line that is not told of a single mail."""
        while True:
            line = self._line()
            numbered = NUMBERED.match(line)
            if numbered is None:
                return line
            if numbered[1]:  # nothing is remembered by sequence number
                continue
            try:
                values = message(self._tokens(line, numbered.end()))
            except ValueError:  # also a number of a thousand digits; told when all is read: there may come a word why
                self._malformed = True
                continue
            uid = values.get(b"UID")
            if isinstance(uid, int):
                if uid in self._found:
                    self._found[uid].update(values)
                else:
                    self._found[uid] = values

    def _tokens(self, line: bytes, start: int) -> list[Token]:
        """An answer that begins with this line, literals and all."""
        tokens: list[Any] = TOKEN.findall(line, start)
        while tokens and tokens[-1][:1] == b"{":  # a literal's length, at the end of a line
            tokens[-1] = (self._literal(int(tokens[-1][1:-1])),)
            tokens += TOKEN.findall(self._line())
        return tokens

    def _line(self) -> bytes:
        """A line without its end.

        :raises imaplib.IMAP4.abort: the stream ended. :raises imaplib.IMAP4.error: a line too long.
        """
        end = self._buffer.find(b"\n", self._at)
        while end < 0:
            have = len(self._buffer) - self._at
            part = self._receive()
            self._buffer, self._at = self._buffer[self._at :] + part, 0
            end = self._buffer.find(b"\n", have)
            if end < 0 and not part:
                raise self._imap.abort(f"socket error: {'unterminated line' if have else 'EOF'}")
            if end < 0 and have > LONGEST:
                self._buffer = b""
                raise self._imap.error(f"got more than {LONGEST} bytes")
        line, self._at = self._buffer[self._at : end], end + 1
        if line[-1:] != b"\r":
            raise self._imap.abort("socket error: unterminated line")
        return line[:-1]

    def _literal(self, size: int) -> bytes:
        """So many bytes; fewer where the stream ends."""
        data = self._buffer[self._at : self._at + size]
        self._at += len(data)
        if len(data) == size:
            return data
        parts, missing = [data], size - len(data)
        while missing and (part := self._receive()):
            parts.append(part[:missing])
            if len(part) >= missing:
                self._buffer, self._at = part, missing
            missing -= len(parts[-1])
        return b"".join(parts)

    def _receive(self) -> bytes:
        part: bytes = self._imap.file.read1(CHUNK)
        self._last = part[-KEPT:] if len(part) >= KEPT else (self._last + part)[-KEPT:]
        return part

    def words(self, exc: BaseException) -> str:
        """What the server said last; '' if it went without a word.

        :param exc: what imaplib made of the end.
        """
        if isinstance(exc.__context__, mail_common.ENDED):  # nothing could be sent: perhaps it had said why before
            with suppress(OSError, imaplib.IMAP4.error):
                while self._receive():
                    pass
        if found := BYE.search(self._last):
            return mail_common.one_line(found["text"])
        return told(exc)


def told(exc: BaseException) -> str:
    """What imaplib has from the server about an end; '' where it has only an error of the socket."""
    words = mail_common.one_line(words_of(exc))
    return "" if isinstance(exc, OSError) or words.startswith("socket error") else words
