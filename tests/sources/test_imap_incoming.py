"""Answers to FETCH as servers spell them, and any literal whatever stands in it."""

from __future__ import annotations

import datetime as dt
import imaplib
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ezcold_operators.sources.imap_incoming import CHUNK, LONGEST, Incoming
from ezcold_operators.sources.imap_line import uid_set
from ezcold_operators.sources.imap_parse import Fetched, Malformed, date

TEXT = st.one_of(st.binary(max_size=40), st.sampled_from([b")", b"(", b"{3}", b" UID 9", b'"', b"NIL", b""]))


class Wire:
    """A stream as imaplib has it, that comes in pieces of some size."""

    abort, error = imaplib.IMAP4.abort, imaplib.IMAP4.error

    def __init__(self, data: bytes, size: int = 1_000_000) -> None:
        self.file, self._stream, self._size = self, io.BytesIO(data), size
        self._get_line: Any = None

    def read1(self, size: int) -> bytes:
        return self._stream.read(min(size, self._size))


def parse(data: bytes, size: int = 1_000_000) -> dict[int, Fetched]:
    """What is heard up to the line that is no answer to FETCH."""
    wire = Wire(data + b"A1 OK done\r\n", size)
    incoming = Incoming(wire)
    assert wire._get_line() == b"A1 OK done"
    return incoming.taken()


@given(messages=st.dictionaries(st.integers(1, 2**32), st.tuples(TEXT, TEXT), max_size=5), size=st.integers(1, 300))
def test_any_literals_in_any_pieces(messages: dict[int, tuple[bytes, bytes]], size: int) -> None:
    sent = b""
    for number, (uid, (head, body)) in enumerate(messages.items(), 1):
        sent += b"* %d FETCH (UID %d RFC822.SIZE %d BODY[HEADER]<0> {%d}\r\n" % (number, uid, len(body), len(head))
        sent += head + b" BODY[] {%d}\r\n" % len(body) + body + b")\r\n"
    assert parse(sent, size) == {
        uid: {b"UID": uid, b"RFC822.SIZE": len(body), b"BODY[HEADER]<0>": head, b"BODY[]": body}
        for uid, (head, body) in messages.items()
    }


def test_other_spellings() -> None:
    sent = (
        b'* 1 FETCH (FLAGS (\\Seen (x) "a)b") uid 7 INTERNALDATE " 1-Jan-2026 01:02:03 -0130" BODY[] "a\\"b" '
        b"BODY[HEADER] NIL)\r\n"
        b"* 2 FETCH (FLAGS (\\Seen))\r\n"
        b"* 3 fetch (X-LIST (a {3}\r\n) ( b) BODY[HEADER.FIELDS (From To)] {3}\r\n))) MODSEQ (12) UID 8)\r\n"
        b"* 3 FETCH (FLAGS () UID 8)\r\n"
    )
    zone = dt.timezone(-dt.timedelta(hours=1, minutes=30))
    assert parse(sent) == {
        7: {
            b"UID": 7,
            b"INTERNALDATE": dt.datetime(2026, 1, 1, 1, 2, 3, tzinfo=zone),
            b"BODY[]": b'a"b',
            b"BODY[HEADER]": None,
        },
        8: {b"UID": 8, b"BODY[HEADER.FIELDS (FROM TO)]": b")))"},
    }


@pytest.mark.parametrize("text", [b"", b"31-Feb-2026 00:00:00 +0000", b"1-Jan-2026", b"1-Foo-2026 00:00:00 +0000"])
def test_dates_that_are_none(text: bytes) -> None:
    assert date(text) is None


@pytest.mark.parametrize(
    "sent",
    [b"1 FETCH (UID 7", b"1 FETCH (UID 7 BODY[] {1}\r\nx", b"1 FETCH UID 7", b"1 FETCH (UID)", b"1 FETCH ({1}\r\nx 7)",
     b"1 FETCH (FLAGS (x UID 7)"],
)  # fmt: skip
def test_answers_that_are_none(sent: bytes) -> None:
    with pytest.raises(Malformed):
        parse(b"* " + sent + b"\r\n")
    assert parse(b"* 1 FETCH (UID 7)\r\n") == {7: {b"UID": 7}}


@pytest.mark.parametrize("opening", [b'"', b'"\\', b"[", b"a[", b"{1", b"("])
def test_a_line_of_openings_is_read_once(opening: bytes) -> None:
    """A second look from each of them would outlive the test's own time limit."""
    with pytest.raises(Malformed):
        parse(b"* 1 FETCH (UID 7 X " + opening * (LONGEST // 2) + b"\r\n")


@pytest.mark.parametrize("sent", [b"", b"* OK", b"* OK\n", b"* 1 FETCH (UID 7 BODY[] {9}\r\nabc"])
def test_a_stream_that_ends(sent: bytes) -> None:
    wire = Wire(sent, 2)
    Incoming(wire)
    with pytest.raises(imaplib.IMAP4.abort, match=r"^socket error"):
        wire._get_line()


def test_a_line_too_long_is_not_gathered() -> None:
    wire = Wire(b"* OK " + b"x" * (LONGEST + 2 * CHUNK))
    Incoming(wire)
    with pytest.raises(imaplib.IMAP4.error, match="more than"):
        wire._get_line()


@given(st.sets(st.integers(1, 60)))
def test_sets_are_exact(uids: set[int]) -> None:
    read = set()
    for run in filter(None, uid_set(uids).split(",")):
        first, _, last = run.partition(":")
        read |= set(range(int(first), int(last or first) + 1))
    assert read == uids
