"""TNEF: every attachment under its name and byte for byte, or a sentence that says what could not be reached."""

from __future__ import annotations

import io
import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ezcold_operators.decoding import cfb_write
from ezcold_operators.decoding.base import Limits, Options
from ezcold_operators.decoding.cfb_write import Node
from ezcold_operators.decoding.sniff import container_kind
from ezcold_operators.decoding.tnef import open_tnef
from ezcold_operators.decoding.unfolding import Unfolding
from tests.decoding import builders_rtf as rtf
from tests.decoding import builders_tnef as tnef
from tests.decoding.builders_msg import stream
from tests.decoding.builders_tnef import Attached, build
from tests.decoding.openers import open_bytes

PDF = b"%PDF-1.7\n" + bytes(range(256)) * 3
BIG = bytes(range(256)) * 700
METHOD, DATA, SHORT, SHOWN = 0x3705, 0x3701, 0x3704, 0x3001


def embedded(attached: list[Attached]) -> bytes:
    return tnef.binary(DATA, tnef.MESSAGE_INTERFACE + build(attached), 0x000D)


def test_attachments_come_out_in_order(tmp_path: Path) -> None:
    raw = build([Attached(b"a.pdf", PDF), Attached(b"empty.txt", b""), Attached(b"BIG~1.BIN", BIG, name="big été.bin")])
    opened = open_bytes(tmp_path, raw, "tnef")
    assert opened.files == [("a.pdf", PDF), ("empty.txt", b""), ("big été.bin", BIG)]
    assert list(opened.paths) == ["1/1", "1/2", "1/3"]
    assert opened.quarantined is None


@pytest.mark.parametrize(
    ("attached", "codepage", "name"),
    [
        (Attached("reçu €.pdf".encode("cp1252"), PDF), 1252, "reçu €.pdf"),
        (Attached("счёт.pdf".encode("cp1251"), PDF), 1251, "счёт.pdf"),
        (Attached("請求書.pdf".encode("cp932"), PDF), 932, "請求書.pdf"),
        (Attached("reçu.pdf".encode(), PDF), 65001, "reçu.pdf"),
        (Attached("reçu.pdf".encode(), PDF), 99999, "reçu.pdf"),
        (Attached("reçu.pdf".encode("cp1252"), PDF), 65001, "reçu.pdf"),
        (Attached(b"SHORT~1.PDF", PDF, name="long.pdf"), 1252, "long.pdf"),
        (Attached(None, PDF, properties=[tnef.text8(0x3707, "reçu.pdf".encode("cp1252"))]), 1252, "reçu.pdf"),
        (Attached(None, PDF, properties=[tnef.text8(SHORT, b"S.PDF"), tnef.text(SHOWN, "shown.pdf")]), 1252, "S.PDF"),
        (Attached(None, PDF, properties=[tnef.named("Schlüssel"), tnef.text(SHOWN, "s.pdf")]), 1252, "s.pdf"),
        (Attached(None, PDF), 1252, None),
    ],
)
def test_names(tmp_path: Path, attached: Attached, codepage: int, name: str | None) -> None:
    opened = open_bytes(tmp_path, build([attached], codepage=codepage), "tnef")
    assert opened.files == [(name, PDF)]
    assert opened.quarantined is None


def test_bytes_may_stand_among_the_properties(tmp_path: Path) -> None:
    opened = open_bytes(tmp_path, build([Attached(b"a.pdf", None, properties=[tnef.binary(DATA, PDF)])]), "tnef")
    assert opened.files == [("a.pdf", PDF)]


def test_data_before_the_name_and_without_a_beginning(tmp_path: Path) -> None:
    raw = build([])
    for name, data in ((b"a.txt", b"AA"), (b"b.txt", b"BB")):
        raw += tnef.attribute(2, tnef.DATA, data) + tnef.attribute(2, tnef.TITLE, name + b"\0")
    opened = open_bytes(tmp_path, raw, "tnef")
    assert opened.files == [("a.txt", b"AA"), ("b.txt", b"BB")]


def test_attributes_without_their_type(tmp_path: Path) -> None:
    raw = build([]) + tnef.attribute(2, 0x9002, b"") + tnef.attribute(2, 0x800F, PDF)
    assert open_bytes(tmp_path, raw, "tnef").files == [(None, PDF)]


def test_embedded_messages_at_any_depth(tmp_path: Path) -> None:
    inner = embedded([Attached(b"deep.pdf", PDF)])
    middle = embedded([Attached(b"mid.txt", b"mid"), Attached(None, None, properties=[tnef.integer(METHOD, 5), inner])])
    note = b"This attachment is a MAPI 1.0 embedded message and is not supported by this mail system."
    raw = build([Attached(None, note, properties=[tnef.integer(METHOD, 5), middle]), Attached(b"z.bin", BIG)])
    opened = open_bytes(tmp_path, raw, "tnef")
    assert opened.paths == {"1/1/1": b"mid", "1/1/2/1": PDF, "1/2": BIG}
    assert opened.quarantined is None


def test_depth_is_bounded(tmp_path: Path) -> None:
    attached = [Attached(b"deep.pdf", PDF)]
    for _ in range(8):
        attached = [
            Attached(b"t", b"t"),
            Attached(None, None, properties=[tnef.integer(METHOD, 5), embedded(attached)]),
        ]
    opened = open_bytes(tmp_path, build(attached), "tnef", limits=Limits(max_depth=3))
    assert "max_depth" in (opened.quarantined or "")
    assert opened.files == [("t", b"t")] * 4


def test_ole_objects(tmp_path: Path) -> None:
    out = io.BytesIO()
    native = rtf.package("devis.xlsx", BIG)
    children = [stream("\x01Ole10Native", struct.pack("<I", len(native)) + native)]
    cfb_write.write(Node("Root Entry", children=children), out)
    value = tnef.binary(DATA, tnef.STORAGE_INTERFACE + out.getvalue(), 0x000D)
    raw = build([Attached(b"Untitled", None, properties=[tnef.integer(METHOD, 6), value])])
    opened = open_bytes(tmp_path, raw, "tnef")
    assert opened.files == [("devis.xlsx", BIG)]


def test_objects_of_the_rich_text(tmp_path: Path) -> None:
    text = rtf.compressed(rtf.with_object(rtf.ole1("Package", rtf.package("annexe.pdf", PDF))))
    opened = open_bytes(tmp_path, build([Attached(b"a.txt", b"a")], own=[tnef.binary(0x1009, text)]), "tnef")
    assert opened.files == [("a.txt", b"a"), ("annexe.pdf", PDF)]


def test_headers_of_a_tnef_that_is_the_item(tmp_path: Path) -> None:
    file = tmp_path / "winmail.dat"
    file.write_bytes(build([], own=[tnef.text(0x0037, "Facture n° 7"), tnef.text(0x0C1A, "Élodie")]))
    session = Unfolding(tmp_path, Options(), file.stat().st_size)
    open_tnef(file, None, "", session)
    assert session.headers is not None
    assert (session.headers.subject, session.headers.sender) == ("Facture n° 7", "Élodie")


def test_a_reference_is_listed_with_its_link(tmp_path: Path) -> None:
    values = [tnef.integer(METHOD, 2), tnef.text(0x370D, "\\\\srv\\a.pdf")]
    [found] = open_bytes(tmp_path, build([Attached(b"a.pdf", None, properties=values)]), "tnef").documents
    assert (found.name, found.role, found.metadata) == ("a.pdf", "reference", {"link": "\\\\srv\\a.pdf"})


def test_a_wrong_checksum_and_foreign_bytes_behind_lose_nothing(tmp_path: Path) -> None:
    raw = bytearray(build([Attached(b"a.pdf", PDF)]))
    raw[-1] ^= 0xFF
    opened = open_bytes(tmp_path, bytes(raw) + b"\0\r\n-- \r\nfooter of a mailing list", "tnef")
    assert opened.files == [("a.pdf", PDF)]
    assert opened.quarantined is None


def test_the_last_checksum_may_be_missing(tmp_path: Path) -> None:
    opened = open_bytes(tmp_path, build([Attached(b"a.pdf", PDF)])[:-2], "tnef")
    assert opened.files == [("a.pdf", PDF)]
    assert opened.quarantined is None


def test_an_embedded_message_under_a_wrong_checksum(tmp_path: Path) -> None:
    raw = build([Attached(properties=[tnef.integer(METHOD, 5), embedded([Attached(b"a.pdf", PDF)])])])
    opened = open_bytes(tmp_path, raw[:-2] + b"\0\0", "tnef")
    assert opened.files == [("a.pdf", PDF)]
    assert opened.quarantined is None


def test_an_attachment_without_bytes_is_named(tmp_path: Path) -> None:
    opened = open_bytes(tmp_path, build([Attached(b"gone.pdf", None), Attached(b"b.pdf", PDF)]), "tnef")
    assert opened.files == [("b.pdf", PDF)]
    assert "gone.pdf has no bytes" in (opened.quarantined or "")


def test_cut_off_properties_are_said(tmp_path: Path) -> None:
    values = tnef.properties([tnef.text(0x3707, "long.pdf"), tnef.binary(DATA, PDF)])[:60]
    raw = build([Attached(b"a.txt", b"a")]) + tnef.attribute(2, tnef.RENDERING, bytes(14))
    opened = open_bytes(tmp_path, raw + tnef.attribute(2, tnef.ATTACHMENT, values), "tnef")
    assert opened.files == [("a.txt", b"a")]
    assert "long.pdf are cut off" in (opened.quarantined or "")


@pytest.mark.parametrize("raw", [b"", b"\x78\x9f\x3e\x22", b"\x78\x9f\x3e\x22\0\0", b"no tnef at all"])
def test_what_is_no_tnef_is_kept_and_quarantined(tmp_path: Path, raw: bytes) -> None:
    opened = open_bytes(tmp_path, raw, "tnef", name="winmail.dat")
    assert opened.files == [("winmail.dat", raw)]
    assert "TNEF" in (opened.quarantined or "")


def test_cut_within_an_attribute_is_never_silent(tmp_path: Path) -> None:
    raw = build([Attached(b"a.txt", b"A" * 40), Attached(b"b.txt", b"B" * 40)])
    ends = {6}
    at = 6
    while at < len(raw):
        at += 11 + struct.unpack_from("<I", raw, at + 5)[0]
        ends.add(at)
    for size in range(len(raw)):
        if {size, size + 1, size + 2} & (ends - {6}):
            continue  # TNEF has neither an end mark nor a count, and some senders leave the last checksum out
        opened = open_bytes(tmp_path, raw[:size], "tnef")
        complete = len([found for found in opened.documents if found.size == 40])
        assert opened.quarantined or complete == 2, size


def test_a_wrong_length_that_covers_an_attachment_is_said(tmp_path: Path) -> None:
    raw = bytearray(build([Attached(b"a.txt", b"A" * 40), Attached(b"b.txt", b"B" * 40)], [tnef.text(0x0037, "s")]))
    at = raw.index(struct.pack("<BI", 1, tnef.VERSION))
    covered = raw.index(struct.pack("<BI", 2, tnef.RENDERING), raw.index(b"A" * 40)) - at - 11
    struct.pack_into("<I", raw, at + 5, covered)
    opened = open_bytes(tmp_path, bytes(raw), "tnef")
    assert opened.files == [("b.txt", b"B" * 40)]
    assert "the TNEF is damaged" in (opened.quarantined or "")


def test_damage_before_an_attachment_is_said(tmp_path: Path) -> None:
    raw = bytearray(build([Attached(b"a.txt", b"A" * 40), Attached(b"b.txt", b"B" * 40)]))
    at = raw.rindex(struct.pack("<BI", 2, tnef.RENDERING))
    raw[at] = 9
    opened = open_bytes(tmp_path, bytes(raw), "tnef")
    assert opened.files == [("a.txt", b"A" * 40)]
    assert "cannot be reached" in (opened.quarantined or "")


names = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs"), max_codepoint=0xFFFF), min_size=1, max_size=20)


contents = st.binary(max_size=600).filter(lambda data: container_kind(data, None, "", None) is None)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(names, contents, st.booleans()), max_size=6), st.booleans())
def test_any_tnef_decodes_to_what_was_built(built: list[tuple[str, bytes, bool]], nested: bool) -> None:
    import unicodedata

    attached = [
        Attached(b"x", None, name, [tnef.binary(DATA, data)]) if among else Attached(b"x", data, name)
        for name, data, among in built
    ]
    if nested:
        inner = tnef.binary(DATA, tnef.MESSAGE_INTERFACE + build(attached, [tnef.text(0x0037, "s")]), 0x000D)
        attached = [Attached(None, None, properties=[tnef.integer(METHOD, 5), inner])]
    with tempfile.TemporaryDirectory() as folder:
        opened = open_bytes(Path(folder), build(attached, [tnef.text(0x0037, "s")]), "tnef", unpack=("tnef",))
        assert opened.files == [(unicodedata.normalize("NFC", name), data) for name, data, _ in built]
        assert opened.quarantined is None
