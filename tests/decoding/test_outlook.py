"""Outlook messages: every attachment under its name and byte for byte, or a sentence that says which one is missing."""

from __future__ import annotations

import io
import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ezcold_operators.decoding import cfb_write
from ezcold_operators.decoding.base import Limits
from ezcold_operators.decoding.cfb import CompoundFile
from ezcold_operators.decoding.cfb_write import Node
from ezcold_operators.decoding.rtf import decompress
from tests.decoding import builders_rtf as rtf
from tests.decoding.builders_msg import Attachment, Message, build, stream, tree
from tests.decoding.openers import open_bytes

BIG = bytes(range(256)) * 700
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 3
SIGNED = (
    b'Content-Type: multipart/signed; micalg=sha-256; protocol="application/pkcs7-signature"; boundary=b\r\n\r\n'
    b"--b\r\nContent-Type: application/pdf; name=facture.pdf\r\n"
    b"Content-Disposition: attachment; filename=facture.pdf\r\n"
    b"\r\n%PDF-1.7 signed\r\n--b\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n"
    b"Content-Disposition: attachment; filename=smime.p7s\r\n\r\n0sig\r\n--b--\r\n"
)


def test_attachments_come_out_in_order_with_their_bytes(tmp_path: Path) -> None:
    names = ["facture été.pdf", "vide.txt", "grand.bin", "名前.txt"]
    data = [PDF, b"", BIG, b"\x00\r\n\n\x00"]
    raw = build(Message(attachments=[Attachment(n, d) for n, d in zip(names, data, strict=True)]))
    opened = open_bytes(tmp_path, raw, "outlook")
    assert opened.files == list(zip(names, data, strict=True))
    assert opened.quarantined is None
    assert list(opened.paths) == ["1/1", "1/2", "1/3", "1/4"]


@pytest.mark.parametrize(
    ("attachment", "name"),
    [
        (Attachment("long name.pdf", PDF, short="LONGNA~1.PDF"), "long name.pdf"),
        (Attachment(None, PDF, short="SHORT.PDF", shown="shown.pdf"), "SHORT.PDF"),
        (Attachment(None, PDF, shown="shown.pdf"), "shown.pdf"),
        (Attachment("e\u0301te\u0301.pdf", PDF), "été.pdf"),
        (Attachment("a\r\nb\x00c.pdf", PDF), "a b"),
        (Attachment(None, PDF), None),
        (Attachment("without method.pdf", PDF, method=None), "without method.pdf"),
    ],
)
def test_names(tmp_path: Path, attachment: Attachment, name: str | None) -> None:
    opened = open_bytes(tmp_path, build(Message(attachments=[attachment])), "outlook")
    assert opened.files == [(name, PDF)]
    assert opened.quarantined is None


@pytest.mark.parametrize(
    ("codepage", "locale", "name"),
    [
        (1252, None, "reçu à payer €.pdf"),
        (1251, None, "счёт.pdf"),
        (932, None, "請求書.pdf"),
        (65001, None, "請求書 €.pdf"),
        (1250, None, "příloha.pdf"),
    ],
)
def test_8_bit_names_follow_the_code_page(tmp_path: Path, codepage: int, locale: int | None, name: str) -> None:
    opened = open_bytes(tmp_path, build(Message(attachments=[Attachment(name, PDF)], codepage=codepage)), "outlook")
    assert opened.files == [(name, PDF)]


def test_headers_of_a_message_that_is_the_item(tmp_path: Path) -> None:
    from ezcold_operators.decoding.base import Options
    from ezcold_operators.decoding.outlook import open_outlook
    from ezcold_operators.decoding.unfolding import Unfolding

    file = tmp_path / "a.msg"
    file.write_bytes(build(Message(subject="Facture n° 7")))
    session = Unfolding(tmp_path, Options(), file.stat().st_size)
    open_outlook(file, "a.msg", "", session)
    assert session.headers is not None
    assert session.headers.subject == "Facture n° 7"
    assert session.result().quarantined is None


def test_embedded_messages_at_any_depth(tmp_path: Path) -> None:
    inner = Message(attachments=[Attachment("deep.pdf", PDF), Attachment("big.bin", BIG)])
    middle = Message(attachments=[Attachment("m", message=inner, method=5), Attachment("mid.txt", b"mid")])
    raw = build(Message(attachments=[Attachment("top.txt", b"top"), Attachment("m", message=middle, method=5)]))
    opened = open_bytes(tmp_path, raw, "outlook")
    assert opened.paths == {"1/1": b"top", "1/2/1/1": PDF, "1/2/1/2": BIG, "1/2/2": b"mid"}
    assert opened.quarantined is None


def test_embedded_messages_stop_at_the_depth_limit_and_say_so(tmp_path: Path) -> None:
    message = Message(attachments=[Attachment("deep.pdf", PDF)])
    for level in range(6):
        message = Message(attachments=[Attachment(f"{level}.txt", b"x"), Attachment("m", message=message, method=5)])
    opened = open_bytes(tmp_path, build(message), "outlook", limits=Limits(max_depth=3))
    assert "max_depth" in (opened.quarantined or "")
    assert [name for name, _ in opened.files] == ["5.txt", "4.txt", "3.txt", "2.txt"]


def test_a_message_attached_as_file_is_opened_too(tmp_path: Path) -> None:
    inner = build(Message(attachments=[Attachment("deep.pdf", PDF)]))
    opened = open_bytes(tmp_path, build(Message(attachments=[Attachment("mail.msg", inner)])), "outlook")
    assert opened.files == [("deep.pdf", PDF)]
    kept = open_bytes(tmp_path, build(Message(attachments=[Attachment("mail.msg", inner)])), "outlook", unpack=())
    assert [name for name, _ in kept.files] == ["part"]


def package_stream(name: str, data: bytes) -> Node:
    native = rtf.package(name, data)
    return stream("\x01Ole10Native", struct.pack("<I", len(native)) + native)


def test_ole_package_gives_the_file_inside(tmp_path: Path) -> None:
    ole = Node("x", children=[package_stream("devis.xlsx", BIG), stream("\x01CompObj", b"abc")])
    opened = open_bytes(tmp_path, build(Message(attachments=[Attachment("Objet", ole=ole, method=6)])), "outlook")
    assert opened.files == [("devis.xlsx", BIG)]
    assert opened.quarantined is None


def test_ole_contents_gives_the_stream(tmp_path: Path) -> None:
    ole = Node("x", children=[stream("CONTENTS", PDF)])
    opened = open_bytes(tmp_path, build(Message(attachments=[Attachment("Acrobat", ole=ole, method=6)])), "outlook")
    assert opened.files == [("Acrobat.pdf", PDF)]


def test_ole_bitmap_gets_its_file_header(tmp_path: Path) -> None:
    dib = struct.pack("<IiiHHIIiiII", 40, 1, 1, 1, 24, 0, 4, 0, 0, 0, 0) + b"\x01\x02\x03\x00"
    ole = Node("x", children=[stream("CONTENTS", dib)])
    opened = open_bytes(tmp_path, build(Message(attachments=[Attachment("Image", ole=ole, method=6)])), "outlook")
    assert opened.files == [("Image.bmp", struct.pack("<2sIII", b"BM", len(dib) + 14, 0, 54) + dib)]


def test_ole_document_is_a_compound_file_of_its_own(tmp_path: Path) -> None:
    children = [stream("WordDocument", BIG), stream("1Table", b"t"), Node("ObjectPool", children=[stream("in", b"i")])]
    ole = Node("x", children=children, clsid=bytes(range(16)))
    opened = open_bytes(tmp_path, build(Message(attachments=[Attachment("Document", ole=ole, method=6)])), "outlook")
    [(name, raw)] = opened.files
    assert name == "Document.doc"
    file = CompoundFile(io.BytesIO(raw))
    assert file.root.clsid == bytes(range(16))
    assert b"".join(file.pieces(file.root.children["WORDDOCUMENT"])) == BIG
    assert file.read(file.root.children["OBJECTPOOL"].children["IN"], 10) == b"i"


def test_a_word_document_with_a_message_inside_is_no_message(tmp_path: Path) -> None:
    children = [stream("WordDocument", BIG), Node("ObjectPool", children=[tree(Message(), 24, "_1")])]
    out = io.BytesIO()
    cfb_write.write(Node("Root Entry", children=children), out)
    opened = open_bytes(tmp_path, out.getvalue(), "outlook", name="lettre.doc")
    assert opened.files == [("lettre.doc", out.getvalue())]
    assert opened.quarantined is None


def test_objects_and_pictures_of_the_rich_text(tmp_path: Path) -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(100)
    text = rtf.with_object(rtf.ole1("Package", rtf.package("annexe.pdf", PDF)))
    text = text[:-1] + b"{\\pict\\pngblip\\picw10 " + png.hex().encode() + b"}}"
    opened = open_bytes(tmp_path, build(Message(rtf=rtf.compressed(text))), "outlook")
    assert opened.files == [("annexe.pdf", PDF), ("image2.png", png)]
    assert [found.inline for found in opened.documents] == [False, True]


@pytest.mark.parametrize(
    ("text", "files"),
    [
        (b"{\\rtf1{\\pict\\jpegblip\\bin4 \xff}{\\}}}", [("image1.jpg", b"\xff}{\\")]),
        (b"{\\rtf1{\\object{\\objdata\\bin%d %s}{\\result{\\pict\\pngblip 89}}}}", [("annexe.pdf", PDF)]),
        (b"{\\rtf1{\\pict\\wmetafile8 0100}\\\\pngblip 00\\}}", []),
    ],
)
def test_binary_data_in_rich_text(tmp_path: Path, text: bytes, files: list[tuple[str, bytes]]) -> None:
    if b"%d" in text:
        carried = rtf.ole1("Package", rtf.package("annexe.pdf", PDF))
        text = text % (len(carried), carried)
    opened = open_bytes(tmp_path, build(Message(rtf=rtf.compressed(text))), "outlook")
    assert [(found.name, found.file.read_bytes()) for found in opened.documents] == files
    assert opened.quarantined is None


def test_rich_text_that_ends_within_an_object(tmp_path: Path) -> None:
    text = rtf.with_object(rtf.ole1("Package", rtf.package("annexe.pdf", PDF)))[:-40]
    opened = open_bytes(tmp_path, build(Message(rtf=rtf.compressed(text))), "outlook")
    assert "cut off" in (opened.quarantined or "")


def test_compressed_rich_text_of_repeated_words() -> None:
    """The example of [MS-OXRTFCP] 4.1.1, and one whose repetitions overlap (4.2.1)."""
    plain = b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    packed = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
    )
    assert decompress(packed) == plain
    overlapping = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")
    assert decompress(overlapping) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"


@pytest.mark.parametrize("cut", [10, 40])
def test_damaged_rich_text_may_hide_objects(tmp_path: Path, cut: int) -> None:
    text = rtf.compressed(rtf.with_object(rtf.ole1("Package", rtf.package("annexe.pdf", PDF))))
    message = Message(rtf=text[:cut], attachments=[Attachment("a.pdf", PDF)])
    opened = open_bytes(tmp_path, build(message), "outlook")
    assert opened.files == [("a.pdf", PDF)]
    assert "rich text" in (opened.quarantined or "")


@pytest.mark.parametrize(
    "message",
    [
        Message(html=b'<img src="CID:img1@x">'),
        Message(rtf=rtf.compressed(b'{\\rtf1\\ansi\\fromhtml1 {\\*\\htmltag84 <img src="cid:img1@x">}}')),
    ],
)
def test_what_the_html_refers_to_is_inline(tmp_path: Path, message: Message) -> None:
    message.attachments = [
        Attachment("scan.png", b"\x89PNG", content_id="<img1@x>", media_type="image/png"),
        Attachment("other.png", b"\x89PNG", content_id="img2@x", media_type="Image/PNG"),
    ]
    opened = open_bytes(tmp_path, build(message), "outlook")
    shown = [(found.name, found.inline, found.media_type) for found in opened.documents]
    assert shown == [("scan.png", True, "image/png"), ("other.png", False, "image/png")]


@pytest.mark.parametrize(("method", "link"), [(2, "C:\\a\\b.pdf"), (4, "\\\\srv\\b.pdf"), (7, "https://x/b.pdf")])
def test_a_reference_is_listed_with_its_link(tmp_path: Path, method: int, link: str) -> None:
    raw = build(Message(attachments=[Attachment("b.pdf", link=link, method=method)]))
    opened = open_bytes(tmp_path, raw, "outlook")
    [found] = opened.documents
    assert (found.name, found.role, found.size, found.metadata) == ("b.pdf", "reference", 0, {"link": link})


def test_clear_signed_message_gives_what_was_signed(tmp_path: Path) -> None:
    message = Message(kind="IPM.Note.SMIME.MultipartSigned", attachments=[Attachment("smime.p7m", SIGNED)])
    opened = open_bytes(tmp_path, build(message), "outlook")
    got = {found.name: (found.role, found.file.read_bytes()) for found in opened.documents}
    assert got["facture.pdf"] == ("attachment", b"%PDF-1.7 signed")
    assert opened.quarantined is None


def test_encrypted_message_is_quarantined_and_kept(tmp_path: Path) -> None:
    enveloped = bytes.fromhex(
        "3080 0609 2a864886f70d010703 a080 3080 0201 00 3100 3000 0000 0000 0000".replace(" ", "")
    )
    message = Message(kind="IPM.Note.SMIME", attachments=[Attachment("smime.p7m", enveloped)])
    opened = open_bytes(tmp_path, build(message), "outlook")
    assert "encrypted (S/MIME)" in (opened.quarantined or "")
    assert opened.files == [("smime.p7m", enveloped)]


def test_bodies_only_on_demand(tmp_path: Path) -> None:
    raw = build(Message(html=b"<p>corps</p>", body="corps"))
    assert open_bytes(tmp_path, raw, "outlook").session.documents == []
    opened = open_bytes(tmp_path, raw, "outlook", want_body=True)
    assert [(f.role, f.media_type, f.file.read_bytes()) for f in opened.documents] == [
        ("body", "text/html", b"<p>corps</p>"),
        ("body", "text/plain", b"corps"),
    ]


@pytest.mark.parametrize(
    ("attachment", "reason"),
    [
        (Attachment("gone.pdf", None), "gone.pdf has no bytes"),
        (Attachment("gone.msg", None, method=5), "gone.msg has no bytes"),
        (Attachment("empty", ole=Node("x"), method=6), "empty object"),
        (Attachment("cut", ole=Node("x", children=[stream("\x01Ole10Native", b"\x02")]), method=6), "OLE package"),
    ],
)
def test_an_attachment_without_bytes_is_named_and_its_neighbours_are_given(
    tmp_path: Path, attachment: Attachment, reason: str
) -> None:
    raw = build(Message(attachments=[Attachment("a.pdf", PDF), attachment, Attachment("b.pdf", BIG)]))
    opened = open_bytes(tmp_path, raw, "outlook")
    assert opened.files == [("a.pdf", PDF), ("b.pdf", BIG)]
    assert reason in (opened.quarantined or "")


def test_fewer_attachments_than_declared(tmp_path: Path) -> None:
    opened = open_bytes(tmp_path, build(Message(attachments=[Attachment("a", b"a")], declared=3)), "outlook")
    assert opened.files == [("a", b"a")]
    assert "3 attachments are declared and 1 are present" in (opened.quarantined or "")


def test_a_file_cut_off_anywhere_is_never_an_empty_success(tmp_path: Path) -> None:
    raw = build(Message(attachments=[Attachment("a.pdf", PDF), Attachment("b.bin", BIG)]))
    for size in range(0, len(raw) - 512, 4096):
        opened = open_bytes(tmp_path, raw[:size], "outlook", name="a.msg")
        assert opened.quarantined, size
        for name, data in opened.files:
            assert (name, data) in [("a.pdf", PDF), ("b.bin", BIG), ("a.msg", raw[:size])]


def test_loops_end(tmp_path: Path) -> None:
    raw = bytearray(build(Message(attachments=[Attachment("b.bin", BIG)])))
    fat = struct.unpack_from("<I", raw, 76)[0] * 512 + 512
    for place in range(128):
        looped = bytearray(raw)
        struct.pack_into("<I", looped, fat + 4 * place, place)
        opened = open_bytes(tmp_path, bytes(looped), "outlook")
        assert opened.quarantined or opened.files == [("b.bin", BIG)]


def test_a_long_allocation_table_is_followed() -> None:
    """More than 109 allocation sectors: 7 MB in sectors of 512 bytes."""
    blocks = [bytes([number]) * 65536 for number in range(120)]
    node = Node("big", size=120 * 65536, pieces=lambda: iter(blocks))
    out = io.BytesIO()
    cfb_write.write(Node("Root Entry", children=[node, stream("last", b"z" * 5000)]), out)
    file = CompoundFile(out)
    assert list(file.pieces(file.root.children["LAST"])) == [b"z" * 5000]
    assert b"".join(file.pieces(file.root.children["BIG"])) == b"".join(blocks)


def test_what_we_write_another_reader_reads() -> None:
    olefile = pytest.importorskip("olefile")
    raw = build(Message(attachments=[Attachment(f"{n}.bin", bytes([n]) * (n * 997)) for n in range(40)]))
    with olefile.OleFileIO(io.BytesIO(raw), raise_defects=olefile.DEFECT_INCORRECT) as theirs:
        assert theirs.parsing_issues == []
        for number in range(40):
            place = [f"__attach_version1.0_#{number:08X}", "__substg1.0_37010102"]
            assert theirs.openstream(place).read() == bytes([number]) * (number * 997)


attachments = st.lists(
    st.tuples(
        st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs")), min_size=1, max_size=20),
        st.binary(max_size=9000),
    ),
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(attachments, st.booleans())
def test_any_message_decodes_to_what_was_built(given_attachments: list[tuple[str, bytes]], nested: bool) -> None:
    import unicodedata

    message = Message(attachments=[Attachment(name, data, media_type="x/y") for name, data in given_attachments])
    if nested:
        message = Message(attachments=[Attachment("m", message=message, method=5)])
    with tempfile.TemporaryDirectory() as folder:
        opened = open_bytes(
            Path(folder), build(message), "outlook", unpack=("outlook",), limits=Limits(max_ratio=10_000)
        )
        assert opened.quarantined is None
        assert opened.files == [(unicodedata.normalize("NFC", name), data) for name, data in given_attachments]
