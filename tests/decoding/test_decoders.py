"""Two decoder children behind one queue: every item answered once, one child's death costs the item in its hand."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from ezcold_operators.decoding import Decoded
from ezcold_operators.decoding.decoders import Decoders
from ezcold_operators.decoding.requests import AHEAD, Failure, Request
from tests.decoding.children import decoder_children

MAIL = (
    b"From: a@example.fr\r\nSubject: %d\r\nContent-Type: application/pdf; name=a%d.pdf\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQK\r\n"
)


@pytest.fixture
def requests(tmp_path: Path) -> list[Request]:
    made = []
    for n in range(3 * AHEAD):
        file = tmp_path / f"mail{n}"
        file.write_bytes(MAIL % (n, n))
        made.append(Request(file, tmp_path / f"w{n}", tag=n))
    return made


def name_of(answer: Decoded | Failure) -> str | None:
    return None if isinstance(answer, Failure) else answer.documents[0].name


def test_every_item_is_answered_once_under_its_own_tag(requests: list[Request]) -> None:
    with Decoders(2) as decoders:
        answers = {request.tag: name_of(answer) for request, answer in decoders.map(requests)}
        assert len(decoder_children()) == 2
        again = [request.tag for request, _answer in decoders.map(requests[:5])]
    assert answers == {n: f"a{n}.pdf" for n in range(3 * AHEAD)}
    assert again == list(range(5))
    assert not decoder_children()


def test_nothing_to_do_and_little_to_do_start_no_child_too_many(requests: list[Request]) -> None:
    with Decoders(2) as decoders:
        assert list(decoders.map([])) == []
        assert not decoder_children()
        assert len(list(decoders.map(requests[:20]))) == 20
        assert len(decoder_children()) == 1


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_child_costs_one_item(requests: list[Request], victim: int) -> None:
    with Decoders(2) as decoders:
        answering = decoders.map(requests)
        answers = dict([next(answering), next(answering)])
        os.kill(sorted(decoder_children())[victim], signal.SIGKILL)
        answers |= dict(answering)
    failed = [request.tag for request, answer in answers.items() if isinstance(answer, Failure)]
    assert len(answers) == 3 * AHEAD
    assert len(failed) <= 1
    assert {request.tag: name_of(answer) for request, answer in answers.items() if request.tag not in failed} == {
        n: f"a{n}.pdf" for n in range(3 * AHEAD) if n not in failed
    }
