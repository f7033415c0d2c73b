"""Answers to FETCH as servers spell them, and any literal whatever stands in it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ezcold_operators.sources.imap_line import uid_set
from ezcold_operators.sources.imap_parse import Malformed, date, parse

TEXT = st.one_of(st.binary(max_size=40), st.sampled_from([b")", b"(", b"{3}", b" UID 9", b'"', b"NIL", b""]))


@given(messages=st.dictionaries(st.integers(1, 2**32), st.tuples(TEXT, TEXT), max_size=5))
def test_any_literals(messages: dict[int, tuple[bytes, bytes]]) -> None:
    pieces: list[Any] = []
    for number, (uid, (head, body)) in enumerate(messages.items(), 1):
        pieces.append((b"%d (UID %d RFC822.SIZE %d BODY[HEADER]<0> {%d}" % (number, uid, len(body), len(head)), head))
        pieces.append((b" BODY[] {%d}" % len(body), body))
        pieces.append(b")")
    assert parse(pieces) == {
        uid: {b"UID": uid, b"RFC822.SIZE": len(body), b"BODY[HEADER]<0>": head, b"BODY[]": body}
        for uid, (head, body) in messages.items()
    }


def test_other_spellings() -> None:
    pieces: list[Any] = [
        b'1 (FLAGS (\\Seen (x) "a)b") uid 7 INTERNALDATE " 1-Jan-2026 01:02:03 -0130" BODY[] "a\\"b" BODY[HEADER] NIL)',
        b"2 (FLAGS (\\Seen))",
        (b"3 (BODY[HEADER.FIELDS (From To)] {3}", b")))"),
        b" MODSEQ (12) UID 8)",
        b"3 (FLAGS () UID 8)",
    ]
    zone = dt.timezone(-dt.timedelta(hours=1, minutes=30))
    assert parse(pieces) == {
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


@pytest.mark.parametrize("pieces", [[b"1 (UID 7"], [(b"1 (UID 7 BODY[] {1}", b"x")]])
def test_answers_that_do_not_end(pieces: list[Any]) -> None:
    with pytest.raises(Malformed):
        parse(pieces)


@given(st.sets(st.integers(1, 60)))
def test_sets_are_exact(uids: set[int]) -> None:
    read = set()
    for run in filter(None, uid_set(uids).split(",")):
        first, _, last = run.partition(":")
        read |= set(range(int(first), int(last or first) + 1))
    assert read == uids
