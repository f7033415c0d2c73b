"""Containers with bytes changed at random: never a crash, never fewer documents than before without a reason.

What no reader can notice is left out: TNEF and gzip'd single files cut off exactly between two attributes.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.decoding import builders_archives as archives
from tests.decoding import builders_cms as cms
from tests.decoding import builders_rtf as rtf
from tests.decoding import builders_tnef as tnef
from tests.decoding.builders_msg import Attachment, Message, build
from tests.decoding.builders_tnef import Attached
from tests.decoding.openers import open_bytes

ROUNDS = int(os.environ.get("EZCOLD_FUZZ", "150"))
"""Mutants of each sample; a nightly run sets it higher."""
WORDS = (b"\xff\xff\xff\xff", bytes(4), b"\x00\x00\x00\x80", b"\x01\x00\x00\x00")


def _message() -> bytes:
    inner = Message(attachments=[Attachment("i.txt", b"inner" * 2000)])
    text = rtf.compressed(rtf.with_object(rtf.ole1("Package", rtf.package("c.txt", b"cc"))))
    files = [Attachment("a.pdf", b"%PDF" + bytes(6000)), Attachment("b.txt", b"b"), Attachment(message=inner, method=5)]
    return build(Message(attachments=files, rtf=text))


def _tnef() -> bytes:
    inner = tnef.MESSAGE_INTERFACE + tnef.build([Attached(b"i.txt", b"iii")], [tnef.text(0x0037, "s")])
    nested = Attached(properties=[tnef.integer(0x3705, 5), tnef.binary(0x3701, inner, 0x000D)])
    files = [Attached(b"a.txt", b"A" * 200, name="long a.txt"), Attached(b"b.txt", b"B" * 200), nested]
    return tnef.build(files, [tnef.text(0x0037, "s"), tnef.named("n")])


FILES = [("a.txt", b"A" * 700), ("d/b.txt", b"B"), ("c.txt", bytes(range(256)))]
SAMPLES = {
    "outlook": ("outlook", _message),
    "tnef": ("tnef", _tnef),
    "smime": ("smime", lambda: cms.signed_in_pieces([b"\xffcontent", b"more" * 50])),
    "zip": ("archive", lambda: archives.zipped(FILES)),
    "tar": ("archive", lambda: archives.tarred(FILES)),
    "tar.gz": ("archive", lambda: archives.KINDS["tar.gz"](FILES)),
    "tar.xz": ("archive", lambda: archives.KINDS["tar.xz"](FILES)),
}


def _mutant(raw: bytes, chance: random.Random) -> bytes:
    mutant = bytearray(raw)
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(mutant))
        how = chance.randrange(3)
        if how == 0:
            mutant[at] = chance.randrange(256)
        elif how == 1:
            mutant[at] ^= 1 << chance.randrange(8)
        else:
            mutant[at : at + 4] = chance.choice(WORDS)
    return bytes(mutant)


@pytest.mark.parametrize("sample", SAMPLES)
def test_nothing_is_lost_silently(tmp_path: Path, sample: str) -> None:
    kind, make = SAMPLES[sample]
    raw = make()
    whole = open_bytes(tmp_path, raw, kind, unpack=(kind,))
    assert whole.quarantined is None
    chance = random.Random(20_261_124)
    for number in range(ROUNDS):
        mutant = _mutant(raw, chance)
        opened = open_bytes(tmp_path, mutant, kind, unpack=(kind,))
        assert opened.quarantined or len(opened.documents) >= len(whole.documents), (number, mutant.hex())
        assert all(found.file.parent == opened.session.workdir for found in opened.documents)
