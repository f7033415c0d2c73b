"""Mail built by hypothesis is decoded to what it was built from; pieces of any size give what the whole gives."""

from __future__ import annotations

import base64
import tempfile
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from ezcold_operators.decoding import Options, decode
from ezcold_operators.decoding.raw import Raw
from ezcold_operators.decoding.sniff import container_kind
from ezcold_operators.decoding.transfer import base64_pieces, quoted_printable_pieces


@dataclass(frozen=True)
class Leaf:
    name: str
    data: bytes
    encoding: str
    style: str


@dataclass(frozen=True)
class Group:
    parts: tuple[Leaf | Group, ...]
    subtype: str


LETTERS = st.characters(
    codec="utf-8", exclude_categories=("Cc", "Cs", "Cf", "Zl", "Zp", "Zs"), exclude_characters='"\\'
)


def is_plain(data: bytes) -> bool:
    """Whether it begins like no container: a broken TNEF, say, would be quarantined for good reason."""
    return container_kind(data, None, "application/pdf", None) is None


NAMES = st.text(LETTERS, min_size=1, max_size=40).map(lambda text: text + ".pdf")
LEAVES = st.builds(
    Leaf,
    name=NAMES,
    data=st.binary(max_size=3000).filter(is_plain),
    encoding=st.sampled_from(["base64", "quoted-printable", "8bit"]),
    style=st.sampled_from(["2231", "2231-parts", "2047", "raw"]),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.builds(
        Group, st.lists(inner, min_size=1, max_size=4).map(tuple), st.sampled_from(["mixed", "related", "x-new"])
    ),
    max_leaves=12,
)


def parameter(name: str, style: str) -> bytes:
    """The name as one of the ways in which mail programs write it."""
    if style == "2231":
        return b"filename*=utf-8''" + quote(name, safe="").encode()
    if style == "2231-parts":
        text = quote(name, safe="")
        # a section may end inside a character, not inside an escape
        cut = text.rfind("%", 0, len(text) // 2 + 1) if "%" in text[: len(text) // 2 + 1] else len(text) // 2
        return b"filename*1*=%s;\r\n filename*0*=utf-8''%s" % (text[cut:].encode(), text[:cut].encode())
    if style == "2047":
        return b'filename="=?utf-8?B?' + base64.b64encode(name.encode()) + b'?="'
    return b'filename="' + name.encode() + b'"'


def encoded(leaf: Leaf) -> bytes:
    if leaf.encoding == "base64":
        return base64.encodebytes(leaf.data).replace(b"\n", b"\r\n")
    if leaf.encoding == "quoted-printable":
        return quoted_printable(leaf.data)
    return leaf.data


def quoted_printable(data: bytes) -> bytes:
    """Everything escaped that a transport may change, in lines with soft breaks."""
    return b"=\r\n".join(
        text_pieces(b"".join(b"=%02X" % each if each in b"\r\n= \t" else bytes([each]) for each in data))
    )


def text_pieces(text: bytes) -> list[bytes]:
    """Lines of at most 73 bytes that do not cut an escape."""
    lines = []
    while text:
        end = 70
        while end < len(text) and b"=" in text[end - 2 : end]:
            end += 1
        lines.append(text[:end])
        text = text[end:]
    return lines or [b""]


def written(tree: Leaf | Group, counter: list[int]) -> bytes:
    if isinstance(tree, Leaf):
        header = b"Content-Type: application/pdf\r\nContent-Disposition: attachment; " + parameter(
            tree.name, tree.style
        )
        return header + b"\r\nContent-Transfer-Encoding: " + tree.encoding.encode() + b"\r\n\r\n" + encoded(tree)
    counter[0] += 1
    boundary = b"=_limite_%d_z" % counter[0]
    body = b"".join(b"--" + boundary + b"\r\n" + written(part, counter) + b"\r\n" for part in tree.parts)
    head = b"Content-Type: multipart/" + tree.subtype.encode() + b'; boundary="' + boundary + b'"\r\n\r\n'
    return head + body + b"--" + boundary + b"--\r\n"


def leaves(tree: Leaf | Group) -> list[Leaf]:
    return [tree] if isinstance(tree, Leaf) else [leaf for part in tree.parts for leaf in leaves(part)]


@settings(max_examples=150, deadline=None)
@given(TREES)
def test_a_mail_gives_what_it_was_made_of(tree: Leaf | Group) -> None:
    raw = b"From: a@example.fr\r\nSubject: x\r\nMIME-Version: 1.0\r\n" + written(tree, [0])
    with tempfile.TemporaryDirectory() as folder:
        file, work = Path(folder) / "raw", Path(folder) / "work"
        work.mkdir()
        file.write_bytes(raw)
        answer = decode(file, work, Options())
        found = [(one.name, one.file.read_bytes()) for one in answer.documents]
    assert answer.quarantined is None
    assert found == [(unicodedata.normalize("NFC", leaf.name), leaf.data) for leaf in leaves(tree)]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.integers(1, 50), st.integers(1, 60), st.binary(max_size=4))
def test_base64_in_pieces_with_junk(data: bytes, width: int, size: int, junk: bytes) -> None:
    symbols = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
    junk = junk.translate(None, symbols) or b"\r\n"
    text = base64.b64encode(data).rstrip(b"=")
    lines = junk.join(text[at : at + width] for at in range(0, len(text), width))
    assert b"".join(base64_pieces(lines[at : at + size] for at in range(0, len(lines), size))) == data


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.integers(1, 400))
def test_quoted_printable_in_pieces(data: bytes, size: int) -> None:
    text = quoted_printable(data)
    assert b"".join(quoted_printable_pieces(text[at : at + size] for at in range(0, len(text), size))) == data


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from([b"\r\n", b"\n", b"\r", b"a", b"--", b"bc", b"\r\r\n"]), max_size=80), st.integers(4, 16)
)
def test_a_window_sees_what_the_whole_file_has(pieces: list[bytes], window: int) -> None:
    data = b"".join(pieces)
    with tempfile.NamedTemporaryFile() as stream:
        Path(stream.name).write_bytes(data)
        with Raw(Path(stream.name), window) as narrow, Raw(Path(stream.name)) as whole:
            for start in range(len(data) + 1):
                assert narrow.find(b"\n--", start) == data.find(b"\n--", start)
                ends = [at for at in (data.find(b"\n--", start), data.find(b"\r--", start)) if at >= 0]
                assert narrow.dashes(start) == whole.dashes(start) == min(ends, default=-2) + 1
                assert narrow.line(start) == whole.line(start)
                assert narrow.line(start, 4)[1] == whole.line(start)[1]
                assert narrow.read(start, start + 7) == data[start : start + 7]
            assert b"".join(narrow.pieces(0, len(data))) == data
