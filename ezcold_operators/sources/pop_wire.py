"""Lines and multi-line answers of POP3 (RFC 1939), read in blocks: exact bytes, any length of line, any number of
commands sent ahead (PIPELINING, RFC 2449).

poplib logs in; from then on it is not asked: it refuses lines above 2,048 bytes and is out of step afterwards, it takes
a CR off the head of a line, and it builds a list of all the lines of a mail.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

BLOCK = 262144
LINE_LIMIT = 65536


class Ended(ConnectionError):
    """The server closed the connection, or speaks something else."""


class Refusal(Exception):
    """-ERR; the words are the server's."""

    def __init__(self, line: bytes) -> None:
        super().__init__(line.decode("utf-8", "replace").removeprefix("-ERR").strip())


class Wire:
    """The socket after the login. Answers must be read in the order of the commands.

    :param eol: what ended the greeting; the odd server sends bare LF.
    """

    def __init__(self, sock: socket.socket, eol: bytes = b"\r\n") -> None:
        self._socket = sock
        self._eol = eol
        self._buffer = bytearray()

    def send(self, *commands: str) -> None:
        """Send commands in one write."""
        self._socket.sendall("".join(command + "\r\n" for command in commands).encode("utf-8"))

    def answer(self) -> bytes:
        """The words after +OK.

        :raises Refusal: the server said -ERR. :raises Ended: the connection is lost.
        """
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > LINE_LIMIT:
                raise Ended("an answer has no end")
            self._fill()
        line = bytes(self._buffer[:end]).rstrip(b"\r")
        del self._buffer[: end + 1]
        if line.startswith(b"+"):
            return line.removeprefix(b"+OK").strip()
        if line.startswith(b"-ERR"):
            raise Refusal(line)
        raise Ended(f"an answer that is none: {line[:60]!r}")

    def lines(self) -> list[bytes]:
        """The lines of a multi-line answer, e.g. to UIDL."""
        self.answer()
        return b"".join(self.body()).split(self._eol)[:-1]

    def body(self) -> Iterator[bytes]:
        """A multi-line answer's text in blocks, after `answer`: dots taken off, without the line that ends it."""
        eol = self._eol
        stuffed, plain, end = eol + b"..", eol + b".", eol + b"." + eol
        self._buffer[:0] = eol  # so that the first line is found like any other
        skip = len(eol)
        while (found := self._buffer.find(end)) < 0:
            cut = max(0, len(self._buffer) - len(end))
            near = self._buffer.rfind(eol, max(0, cut - len(stuffed)), cut + len(eol))
            cut = near if near >= 0 else cut
            if cut > skip:
                yield bytes(self._buffer[:cut]).replace(stuffed, plain)[skip:]
                del self._buffer[:cut]
                skip = 0
            self._fill()
        rest = bytes(self._buffer[:found]) + eol
        del self._buffer[: found + len(end)]
        last = rest.replace(stuffed, plain)[skip:]
        if last:
            yield last

    def _fill(self) -> None:
        block = self._socket.recv(BLOCK)
        if not block:
            raise Ended("the server closed the connection")
        self._buffer += block
