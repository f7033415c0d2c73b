"""Archives: every member under its name, byte for byte, or a sentence that names it; nothing outside, no bomb."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import tempfile
import unicodedata
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ezcold_operators.decoding.archive import _XZ_MEMORY
from ezcold_operators.decoding.base import Limits
from ezcold_operators.decoding.sniff import container_kind
from tests.decoding import builders_archives as make
from tests.decoding.builders_archives import KINDS
from tests.decoding.openers import open_bytes

PDF = b"%PDF-1.7\n" + bytes(range(256)) * 30
FILES = [
    ("facture été.pdf", PDF),
    ("dossier/sous/annexe.txt", b"annexe"),
    ("vide.txt", b""),
    ("a b/名前.bin", b"\0\r\n"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_members_come_out_with_their_bytes(tmp_path: Path, kind: str) -> None:
    opened = open_bytes(tmp_path, KINDS[kind](FILES), "archive")
    assert sorted(opened.paths.items()) == sorted((f"1/{name}", data) for name, data in FILES)
    assert sorted(name or "" for name, _ in opened.files) == sorted(name.rpartition("/")[2] for name, _ in FILES)
    assert opened.quarantined is None


@pytest.mark.parametrize("outer", KINDS)
@pytest.mark.parametrize("inner", ["zip", "tar.gz", "7z"])
def test_archives_in_archives(tmp_path: Path, outer: str, inner: str) -> None:
    raw = KINDS[outer]([("in.arc", KINDS[inner]([("a.pdf", PDF)])), ("b.txt", b"b")])
    assert open_bytes(tmp_path, raw, "archive").paths == {"1/in.arc/a.pdf": PDF, "1/b.txt": b"b"}


@pytest.mark.parametrize(
    ("raw", "name", "inner"),
    [
        (gzip.compress(PDF), "a.pdf.gz", "a.pdf"),
        (bz2.compress(PDF), "a.pdf.BZ2", "a.pdf"),
        (lzma.compress(PDF), "a.pdf.xz", "a.pdf"),
        (lzma.compress(PDF[:9]) + bytes(8) + lzma.compress(PDF[9:]), "a.pdf.xz", "a.pdf"),
        (gzip.compress(PDF[:9]) + gzip.compress(PDF[9:]), "a.pdf.gz", "a.pdf"),
        (gzip.compress(PDF), "data", "data"),
    ],
)
def test_one_compressed_file(tmp_path: Path, raw: bytes, name: str, inner: str) -> None:
    opened = open_bytes(tmp_path, raw, "archive", name=name)
    assert opened.paths == {f"1/{inner}": PDF}
    assert opened.files == [(inner, PDF)]
    assert opened.quarantined is None


def test_the_name_that_gzip_kept(tmp_path: Path) -> None:
    out = io.BytesIO()
    with gzip.GzipFile("rapport.csv", "wb", fileobj=out) as stream:
        stream.write(PDF)
    assert open_bytes(tmp_path, out.getvalue(), "archive", name="x").files == [("rapport.csv", PDF)]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../../evil.txt", "outside"),
        ("a/../../evil.txt", "outside"),
        ("..\\..\\evil.txt", "outside"),
        ("/etc/evil.txt", "absolute"),
        ("C:\\evil.txt", "absolute"),
        ("\\\\srv\\evil.txt", "absolute"),
        ("c:evil.txt", "absolute"),
        ("x" * 5000, "longer"),
    ],
)
@pytest.mark.parametrize("kind", ["zip", "tar pax"])
def test_names_that_lead_outside(tmp_path: Path, kind: str, name: str, reason: str) -> None:
    opened = open_bytes(tmp_path, KINDS[kind]([("a.txt", b"a"), (name, b"evil"), ("b.txt", b"b")]), "archive")
    assert opened.files == [("a.txt", b"a"), ("b.txt", b"b")]
    assert reason in (opened.quarantined or "")
    assert not list(tmp_path.rglob("evil*"))
    assert all(found.file.parent == opened.session.workdir for found in opened.documents)


def test_7z_names_that_lead_outside(tmp_path: Path) -> None:
    good = make.sevenzipped([("aaaaaaaaaaa.txt", b"a"), ("b.txt", b"b")])
    opened = open_bytes(tmp_path, _renamed_7z(good, "aaaaaaaaaaa.txt", "../../evil1.txt"), "archive")
    assert opened.files == [("b.txt", b"b")]
    assert "outside" in (opened.quarantined or "")
    assert not list(tmp_path.rglob("evil*"))


def _renamed_7z(raw: bytes, old: str, new: str) -> bytes:
    """Rename in the header of a 7z, which py7zr compresses: the header is written anew, uncompressed."""
    import py7zr

    out = io.BytesIO()
    with py7zr.SevenZipFile(out, "w") as archive:
        archive.set_encoded_header_mode(False)
        archive.writestr(b"a", old)
        archive.writestr(b"b", "b.txt")
    plain = bytearray(out.getvalue().replace(old.encode("utf-16-le"), new.encode("utf-16-le")))
    offset, size = struct.unpack_from("<QQ", plain, 12)
    struct.pack_into("<I", plain, 28, zlib.crc32(plain[32 + offset : 32 + offset + size]))
    struct.pack_into("<I", plain, 8, zlib.crc32(plain[12:32]))
    return bytes(plain)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar(tmp_path: Path, kind: bytes) -> None:
    opened = open_bytes(tmp_path, make.tar_special(kind), "archive")
    assert opened.files == [("a.txt", b"x"), ("b.txt", b"x")]
    assert "special: it is a" in (opened.quarantined or "")


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
def test_links_and_devices_in_a_zip(tmp_path: Path, mode: int) -> None:
    opened = open_bytes(tmp_path, make.zip_special(mode | 0o777), "archive", unpack=("archive",))
    assert "special: it is a" in (opened.quarantined or "")
    assert [name for name, _ in opened.files] == ["part"]


def test_folders_macintosh_forks_and_names_twice(tmp_path: Path) -> None:
    fork = b"\x00\x05\x16\x07\x00\x02\x00\x00" + bytes(20)
    files = [("d/", b""), ("d/a.pdf", PDF), ("__MACOSX/d/._a.pdf", fork), ("__MACOSX/b.txt", b"b"), ("d\\a.pdf", b"2")]
    opened = open_bytes(tmp_path, make.zipped(files), "archive")
    assert opened.paths == {"1/d/a.pdf": PDF, "1/__MACOSX/b.txt": b"b", "1/d/a.pdf#2": b"2"}
    assert opened.quarantined is None


@pytest.mark.parametrize(
    ("raw", "flags", "extra", "name"),
    [
        ("reçu.txt".encode(), 0x800, b"", "reçu.txt"),
        ("reçu.txt".encode(), 0, b"", "reçu.txt"),
        ("reçu à payer.txt".encode("cp437"), 0, b"", "reçu à payer.txt"),
        ("REÇU À PAYER.txt".encode("cp850"), 0, b"", "REÇU À PAYER.txt"),
        (unicodedata.normalize("NFD", "été.txt").encode(), 0x800, b"", "été.txt"),
        (b"d:x", 0x800, b"", None),
        (b"\xff\xfe.txt", 0x800, b"", None),
    ],
)
def test_names_in_a_zip(tmp_path: Path, raw: bytes, flags: int, extra: bytes, name: str | None) -> None:
    opened = open_bytes(tmp_path, make.raw_zip(raw, b"x", zlib.crc32(b"x"), 1, flags, extra=extra), "archive")
    if name is None:
        assert opened.quarantined
    else:
        assert opened.files == [(name, b"x")]
        assert opened.quarantined is None


def test_the_unicode_name_of_info_zip(tmp_path: Path) -> None:
    raw = "?.txt".encode("cp437")
    body = b"\x01" + struct.pack("<I", zlib.crc32(raw)) + "名前.txt".encode()
    extra = struct.pack("<HH", 0x7075, len(body)) + body
    opened = open_bytes(tmp_path, make.raw_zip(raw, b"x", zlib.crc32(b"x"), 1, extra=extra), "archive")
    assert opened.files == [("名前.txt", b"x")]


@pytest.mark.parametrize(
    "files",
    [
        [("[Content_Types].xml", b"<x/>"), ("word/document.xml", b"<x/>")],
        [("word/document.xml", b"<x/>"), ("[Content_Types].xml", b"<x/>")],
        [("mimetype", b"application/vnd.oasis.opendocument.text"), ("content.xml", b"<x/>")],
        [("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0"), ("A.class", b"x")],
    ],
)
def test_office_documents_stay_whole(tmp_path: Path, files: make.Files) -> None:
    raw = make.zipped(files, zipfile.ZIP_STORED)
    opened = open_bytes(tmp_path, raw, "archive", name="lettre.docx")
    assert opened.files == [("lettre.docx", raw)]
    assert opened.quarantined is None


@pytest.mark.parametrize(
    ("raw", "passwords", "expected"),
    [
        (make.legacy_zipped(b"a.txt", PDF, b"geheim"), ("falsch", "geheim"), True),
        (make.legacy_zipped(b"a.txt", PDF, "é".encode()), ("é",), True),
        (make.legacy_zipped(b"a.txt", PDF, "é".encode("cp850")), ("é",), True),
        (make.legacy_zipped(b"a.txt", PDF, b"geheim"), ("falsch",), False),
        (make.legacy_zipped(b"a.txt", PDF, b"geheim"), (), False),
        (make.aes_zipped([("a.txt", PDF)], b"geheim"), ("falsch", "geheim"), True),
        (make.aes_zipped([("a.txt", PDF)], b"geheim"), ("falsch",), False),
        (make.aes_zipped([("a.txt", PDF)], b"geheim"), (), False),
        (make.sevenzipped([("a.txt", PDF)], "geheim"), ("falsch", "geheim"), True),
        (make.sevenzipped([("a.txt", PDF)], "geheim", True), ("falsch", "geheim"), True),
        (make.sevenzipped([("a.txt", PDF)], "geheim"), ("falsch",), False),
        (make.sevenzipped([("a.txt", PDF)], "geheim", True), (), False),
    ],
)
def test_passwords(tmp_path: Path, raw: bytes, passwords: tuple[str, ...], expected: bool) -> None:
    opened = open_bytes(tmp_path, raw, "archive", name="a.arc", passwords=passwords)
    if expected:
        assert opened.files == [("a.txt", PDF)]
        assert opened.quarantined is None
    else:
        assert "encrypted" in (opened.quarantined or "")
        assert all(word not in (opened.quarantined or "") for word in ("geheim", "falsch"))
        assert all(data == raw for _, data in opened.files)


@pytest.mark.parametrize(("method", "name"), [(9, "Deflate64"), (98, "PPMd"), (93, "Zstandard"), (1, "Shrink")])
def test_methods_that_cannot_be_read(tmp_path: Path, method: int, name: str) -> None:
    opened = open_bytes(tmp_path, make.raw_zip(b"a.txt", b"x", zlib.crc32(b"x"), 1, method=method), "archive")
    assert f"a.txt: it is compressed by {name}" in (opened.quarantined or "")


BOMB = bytes(40_000_000)


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.xz", "tar.bz2", "7z"])
def test_bombs_name_the_ratio(tmp_path: Path, kind: str) -> None:
    opened = open_bytes(tmp_path, KINDS[kind]([("first.txt", b"1"), ("bomb.bin", BOMB)]), "archive")
    assert "max_ratio" in (opened.quarantined or "")
    assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) < 10_000_000


@pytest.mark.parametrize("kind", ["zip stored", "tar pax", "7z"])
def test_too_many_bytes(tmp_path: Path, kind: str) -> None:
    import random

    noise = random.Random(1).randbytes(4_000_000)
    limits = Limits(max_item_mb=1)
    opened = open_bytes(tmp_path, KINDS[kind]([(f"{n}.bin", noise) for n in range(4)]), "archive", limits=limits)
    assert "max_item_mb" in (opened.quarantined or "")


@pytest.mark.parametrize("kind", ["zip", "tar pax", "7z"])
def test_too_many_members(tmp_path: Path, kind: str) -> None:
    raw = KINDS[kind]([(f"{n}.txt", b"x") for n in range(30)])
    opened = open_bytes(tmp_path, raw, "archive", limits=Limits(max_documents=20))
    assert "max_documents" in (opened.quarantined or "")
    assert len(opened.documents) <= 20


def test_too_deep(tmp_path: Path) -> None:
    raw = b"x"
    for _ in range(12):
        raw = make.zipped([("in.zip", raw)], zipfile.ZIP_STORED)
    opened = open_bytes(tmp_path, raw, "archive", limits=Limits(max_depth=5))
    assert "max_depth" in (opened.quarantined or "")


@pytest.mark.parametrize("kind", KINDS)
def test_cut_off_anywhere_is_never_silent(tmp_path: Path, kind: str) -> None:
    files = [("a.txt", b"A" * 700), ("b.txt", PDF), ("c.txt", b"C")]
    raw = KINDS[kind](files)
    end = len(raw) - (1024 if kind.startswith("tar ") else 0)
    end = min(end, len(raw.rstrip(b"\0")) + 512) if kind.startswith("tar ") else end
    for size in range(1, end, max(1, end // 12)):
        opened = open_bytes(tmp_path, raw[:size], "archive", name="a.arc")
        assert opened.quarantined, size
        for name, data in opened.files:
            assert (name, data) in [*files, ("a.arc", raw[:size])]


@pytest.mark.parametrize("kind", ["zip", "tar pax", "tar gnu"])
def test_damage_in_the_middle_is_never_silent(tmp_path: Path, kind: str) -> None:
    files = [(f"{n}.txt", bytes([n]) * 600) for n in range(5)]
    raw = KINDS[kind](files)
    for place in range(0, len(raw.rstrip(b"\0")), 61):
        damaged = bytearray(raw)
        damaged[place] ^= 0x55
        opened = open_bytes(tmp_path, bytes(damaged), "archive")
        assert opened.quarantined or len(opened.documents) == 5, place


def test_a_crc_that_differs_is_said(tmp_path: Path) -> None:
    opened = open_bytes(tmp_path, make.raw_zip(b"a.txt", b"x", 1, 1), "archive")
    assert "a.txt: cannot be read (BadZipFile)" in (opened.quarantined or "")


def test_a_tar_header_beyond_all_measure(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 900_000_000
    opened = open_bytes(tmp_path, gzip.compress(info.tobuf() + bytes(10_000)), "archive")
    assert "beyond all measure" in (opened.quarantined or "")


def test_an_xz_dictionary_beyond_all_measure(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 2 * _XZ_MEMORY}]
    raw = bytearray(lzma.compress(PDF, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}]))
    # The block header's properties byte says the dictionary's size (xz format 5.3.1); its checksum is made anew.
    block = (raw[12] + 1) * 4
    at = raw.index(b"\x21\x01", 12) + 2
    raw[at] = 36
    struct.pack_into("<I", raw, 12 + block - 4, zlib.crc32(raw[12 : 12 + block - 4]))
    opened = open_bytes(tmp_path, bytes(raw), "archive", name="a.xz")
    assert filters
    assert "LZMAError" in (opened.quarantined or "")


def test_an_unknown_kind(tmp_path: Path) -> None:
    opened = open_bytes(tmp_path, b"Rar!\x1a\x07\x00" + bytes(600), "archive", name="a.rar")
    assert "unknown kind" in (opened.quarantined or "")
    assert [name for name, _ in opened.files] == ["a.rar"]


NOT_PLAIN = (".", "..", "__MACOSX", "mimetype", "[Content_Types].xml", "AndroidManifest.xml")
segment = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zs"), exclude_characters="/\\:#"), min_size=1, max_size=8
)
place = st.lists(segment.filter(lambda one: one not in NOT_PLAIN), min_size=1, max_size=3).map("/".join)
contents = st.binary(max_size=300).filter(lambda data: container_kind(data, None, "", None) is None)
trees = st.dictionaries(place, contents, max_size=6)


@settings(max_examples=60, deadline=None)
@given(trees, st.sampled_from([kind for kind in KINDS if kind != "7z"]), st.booleans())
def test_any_tree_decodes_to_what_was_built(tree: dict[str, bytes], kind: str, nested: bool) -> None:
    tree = {unicodedata.normalize("NFC", name): data for name, data in tree.items()}
    raw = KINDS[kind](list(tree.items()))
    before = "1/"
    if nested:
        raw, before = make.zipped([("in.arc", raw)]), "1/in.arc/"
    with tempfile.TemporaryDirectory() as folder:
        opened = open_bytes(Path(folder), raw, "archive", unpack=("archive",), limits=Limits(max_ratio=10_000))
        if tree:
            assert opened.paths == {before + name: data for name, data in tree.items()}
            assert opened.quarantined is None
