"""A decoder that dies, hangs, chatters or is abandoned costs the item in hand and nothing else."""

from __future__ import annotations

import os
import resource
import select
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ezcold_operators.decoding import Decoded, Options
from ezcold_operators.decoding.guard import DecoderProcess
from ezcold_operators.decoding.requests import Deadline, Failure, Request
from ezcold_operators.errors import StageUnavailable

MAIL = (
    b"From: a@example.fr\r\nSubject: x\r\nContent-Type: application/pdf; name=a.pdf\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQK\r\n"
)


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    file = tmp_path / "mail"
    file.write_bytes(MAIL)
    return file


@pytest.fixture
def never(tmp_path: Path) -> Path:
    """An item whose bytes never come: whoever opens it waits."""
    file = tmp_path / "never"
    os.mkfifo(file)
    return file


def names(answers: list[tuple[Request, Decoded | Failure]]) -> list[object]:
    """Names found per item, or the reason why there are none."""
    return [
        answer.reason if isinstance(answer, Failure) else [one.name for one in answer.documents]
        for _, answer in answers
    ]


def ends(handle: int) -> bool:
    """Whether the process of this pidfd ends; waits for it, at most 20 s."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    ended = bool(poll.poll(20_000))
    os.close(handle)
    return ended


def test_many_in_order_with_their_tags(mail: Path, tmp_path: Path) -> None:
    with DecoderProcess() as decoder:
        answers = list(decoder.map(Request(mail, tmp_path / f"w{n}", tag=n) for n in range(100)))
    assert names(answers) == [["a.pdf"]] * 100
    assert [request.tag for request, _ in answers] == list(range(100))
    for n, (_, answer) in enumerate(answers):
        assert isinstance(answer, Decoded)
        assert answer.documents[0].file.parent == tmp_path / f"w{n}"
        assert answer.documents[0].file.read_bytes() == b"%PDF-1.4\n"


def test_what_hangs_is_given_up_and_its_neighbours_arrive(mail: Path, never: Path, tmp_path: Path) -> None:
    work = [Request(file, tmp_path / f"w{n}") for n, file in enumerate((mail, never, mail))]
    with DecoderProcess(Deadline(base=0.5, per_mb=0)) as decoder:
        answers = list(decoder.map(work))
    assert names(answers) == [["a.pdf"], "decoding took longer than 0.5 s", ["a.pdf"]]
    assert not any((tmp_path / "w1").iterdir())


def test_a_killed_decoder_costs_the_item_in_hand(mail: Path, never: Path, tmp_path: Path) -> None:
    work = [Request(file, tmp_path / f"w{n}") for n, file in enumerate((mail, never, mail, mail))]
    (tmp_path / "w1").mkdir()
    (tmp_path / "w1" / "left-over").write_bytes(b"partial")
    with DecoderProcess() as decoder:
        first = decoder.pid
        answers = decoder.map(work)
        found = [next(answers)]
        os.kill(first, signal.SIGKILL)
        found.extend(answers)
        assert decoder.pid != first
    assert names(found) == [["a.pdf"], "the decoder died (SIGKILL)", ["a.pdf"], ["a.pdf"]]
    assert list((tmp_path / "w1").iterdir()) == []


def test_a_decoder_killed_between_two_calls_is_started_again(mail: Path, tmp_path: Path) -> None:
    with DecoderProcess() as decoder:
        assert names(list(decoder.map([Request(mail, tmp_path / "w0")]))) == [["a.pdf"]]
        handle = os.pidfd_open(decoder.pid)
        os.kill(decoder.pid, signal.SIGKILL)
        assert ends(handle)
        answers = list(decoder.map(Request(mail, tmp_path / f"w{n}") for n in (1, 2)))
    assert names(answers) == [["a.pdf"], ["a.pdf"]]


def test_a_missing_item_is_its_own_failure(mail: Path, tmp_path: Path) -> None:
    work = [Request(tmp_path / "gone", tmp_path / "w0"), Request(mail, tmp_path / "w1")]
    with DecoderProcess() as decoder:
        answers = names(list(decoder.map(work)))
    assert "No such file" in str(answers[0])
    assert answers[1] == ["a.pdf"]


def test_more_memory_than_allowed_is_the_item_s_failure(mail: Path, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb"
    bomb.write_bytes(b"Subject: x\r\nContent-Type: text/plain; name=a\r\n\r\n" + b"x" * 3_900_000)
    with DecoderProcess(memory_mb=40) as decoder:
        answers = names(list(decoder.map([Request(bomb, tmp_path / "w0"), Request(bomb, tmp_path / "w1")])))
    assert all(isinstance(answer, str) or answer == ["a"] for answer in answers)


def test_our_own_disk_is_no_item_s_fault(tmp_path: Path) -> None:
    """A disk that takes files of 100 bytes only, as far as the decoder can tell."""
    file = tmp_path / "mail"
    file.write_bytes(b"Subject: x\r\nContent-Type: application/pdf\r\n\r\n" + b"x" * 1000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with DecoderProcess() as decoder:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            with pytest.raises(StageUnavailable, match="cannot be written"):
                list(decoder.map([Request(file, tmp_path / "w0")]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_the_child_ends_when_its_parent_is_killed(never: Path, tmp_path: Path) -> None:
    """The decoder waits for its next request; its parent dies without a word; it is gone."""
    program = textwrap.dedent(
        """
        import sys, time
        from ezcold_operators.decoding.guard import DecoderProcess
        with DecoderProcess() as decoder:
            print(decoder.pid, flush=True)
            sys.stdin.read()
        """
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    handle = os.pidfd_open(child)
    parent.kill()
    parent.wait()
    assert ends(handle)


def test_secrets_stay_off_the_command_line_and_the_environment(mail: Path, tmp_path: Path) -> None:
    options = Options(passwords=("s3cret-word",), smime_key_pem="s3cret-key")
    assert "s3cret" not in repr(options)
    with DecoderProcess() as decoder:
        list(decoder.map([Request(mail, tmp_path / "w0", options)]))
        seen = Path(f"/proc/{decoder.pid}/cmdline").read_bytes() + Path(f"/proc/{decoder.pid}/environ").read_bytes()
    assert b"s3cret" not in seen


def test_what_a_library_prints_does_not_disturb_the_protocol(mail: Path, tmp_path: Path) -> None:
    """A module that prints on import and on every item, put before the real one on the path."""
    (tmp_path / "sitecustomize.py").write_text(
        "import builtins, os\n"
        "real = os.open\n"
        "def noisy(*args, **kwargs):\n"
        "    os.write(1, b'{\"noise\": 1}\\n') if str(args[0]).endswith('mail') else None\n"
        "    return real(*args, **kwargs)\n"
        "os.open = noisy\n"
    )
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(tmp_path)
    try:
        with DecoderProcess() as decoder:
            answers = list(decoder.map(Request(mail, tmp_path / f"w{n}") for n in range(3)))
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before
    assert names(answers) == [["a.pdf"]] * 3


def test_items_share_a_directory_and_a_failed_one_takes_only_its_own_files(
    mail: Path, never: Path, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    work = [Request(file, shared, prefix=f"{n}-") for n, file in enumerate((mail, never, mail), 1)]
    shared.mkdir()
    for name in ("2-partial", "20-another's"):
        (shared / name).write_bytes(b"bytes")
    with DecoderProcess(Deadline(base=0.5, per_mb=0)) as decoder:
        answers = list(decoder.map(work))
    assert names(answers) == [["a.pdf"], "decoding took longer than 0.5 s", ["a.pdf"]]
    assert sorted(file.name.partition("-")[0] for file in shared.iterdir()) == ["1", "20", "3"]
    for _, answer in (answers[0], answers[2]):
        assert isinstance(answer, Decoded)
        assert answer.documents[0].file.read_bytes() == b"%PDF-1.4\n"
