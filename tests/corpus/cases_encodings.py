"""Transfer encodings, whole and broken: RFC 2045 6, and what preceded MIME."""

from __future__ import annotations

import base64
import binascii

from build import CSV, HEAD, PDF, TEXT, Case, Document, b64, doc, mail, part, qp

BINHEX = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr"
STANDARD = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def leaf(encoding: bytes, body: bytes, media_type: bytes = b"application/pdf") -> bytes:
    """A mail with one attachment whose Content-Transfer-Encoding line is given."""
    header = b"Content-Type: " + media_type + b'; name="a.pdf"\nContent-Disposition: attachment; filename="a.pdf"'
    return mail(TEXT, part(header + (b"\n" + encoding if encoding else b""), body))


def one(
    name: str, encoding: bytes, body: bytes, data: bytes = PDF, quarantined: str | None = None, why: str = ""
) -> Case:
    """A case of one attachment a.pdf at 2."""
    return Case(name, leaf(encoding, body), (doc("a.pdf", data, "2"),), quarantined, why=why)


CTE = b"Content-Transfer-Encoding: "


def base64_cases() -> list[Case]:
    """Base64 of every shape."""
    text = b64(PDF)
    two = b"ab" * 40
    return [
        one("b64_trailing_blank", CTE + b"base64 ", text),
        one("b64_upper_case", CTE + b"BASE64", text),
        one("b64_comment", CTE + b"base64 (de Marie)", text),
        one("b64_quoted", CTE + b'"base64"', text),
        one("b64_semicolon", CTE + b"base64;", text),
        one("b64_dash", CTE + b"base-64", text),
        one("b64_blank_before_colon", b"Content-Transfer-Encoding : base64", text),
        one("b64_folded", b"Content-Transfer-Encoding:\n base64", text),
        one("b64_one_line", CTE + b"base64", base64.b64encode(PDF)),
        one("b64_odd_lines", CTE + b"base64", b64(PDF, 61)),
        one("b64_lf_lines", CTE + b"base64", b64(PDF, eol=b"\n")),
        one("b64_blank_lines", CTE + b"base64", b"\r\n\r\n" + text.replace(b"\r\n", b"\r\n\r\n") + b"\r\n\r\n"),
        one("b64_blanks_in_lines", CTE + b"base64", text.replace(b"\r\n", b" \t\r\n  ")),
        one("b64_no_padding", CTE + b"base64", b64(two).rstrip(b"="), two),
        one("b64_too_much_padding", CTE + b"base64", b64(two) + b"===", two),
        one("b64_bad_length", CTE + b"base64", b64(PDF * 3) + b"A", PDF * 3, why="a stray last symbol makes no byte"),
        one("b64_bad_length_short", CTE + b"base64", b"QUJDR", b"ABC"),
        one("b64_junk", CTE + b"base64", text[:100] + b"!?*" + text[100:]),
        one("b64_high_bytes", CTE + b"base64", text[:100] + b"\xe9\xa0" + text[100:]),
        one("b64_nul", CTE + b"base64", text[:100] + b"\0\0" + text[100:]),
        one("b64_stray_padding", CTE + b"base64", text[:100] + b"=" + text[100:]),
        one("b64_in_chunks", CTE + b"base64", b64(two[:40]) + b"\r\n" + b64(two[40:]), two,
            why="each chunk encoded by itself, with padding in the middle"),
        one("b64_footer", CTE + b"base64", b64(two) + b"\r\n\r\n-- \r\nListe des clients, pour en sortir", two),
        one("b64_footer_of_words", CTE + b"base64", b64(two) + b"\r\nSent from my iPhone", two),
        one("b64_empty", CTE + b"base64", b"", b""),
        one("b64_only_blanks", CTE + b"base64", b"\r\n \r\n", b""),
        Case("b64_cut_off", leaf(CTE + b"base64", text).split(b"\r\nJVBE")[0] + b"\r\nJVBERi0xLjQKAAE",
             (doc("a.pdf", base64.b64decode("JVBERi0xLjQKAAE="), "2"),), "cut off"),
    ]  # fmt: skip


def other_cases() -> list[Case]:
    """Quoted-printable, identity, unknown."""
    return [
        one("qp", CTE + b"quoted-printable", qp(PDF)),
        one("qp_upper_case", CTE + b"Quoted-Printable", qp(PDF)),
        one("qp_blank_after", CTE + b"quoted-printable  ", qp(PDF)),
        one("qp_lower_hex", CTE + b"quoted-printable", b"caf=c3=a9", "café".encode()),
        one("qp_soft_break_at_end", CTE + b"quoted-printable", b"caf=C3=A9=", "café".encode()),
        one("qp_soft_break_blanks", CTE + b"quoted-printable", b"caf= \t\r\n=C3=A9", "café".encode()),
        one("qp_wrong_escape", CTE + b"quoted-printable", b"50=ZZ 100=", b"50=ZZ 100"),
        one("qp_lone_equals", CTE + b"quoted-printable", b"a = b", b"a = b"),
        one("qp_long_line", CTE + b"quoted-printable", b"=41" * 5000, b"A" * 5000),
        one("qp_lf", CTE + b"quoted-printable", b"caf=\n=C3=A9\nx", "café\nx".encode()),
        one("qp_utf8_not_encoded", CTE + b"quoted-printable", "café=20".encode(), "café ".encode()),
        one("bit7", CTE + b"7bit", b"%PDF-1.4 sept", b"%PDF-1.4 sept"),
        one("bit8", CTE + b"8bit", CSV.rstrip(), CSV.rstrip()),
        one("binary", CTE + b"binary", PDF, PDF),
        one("no_encoding", b"", CSV.rstrip(), CSV.rstrip()),
        one("empty_encoding", CTE, b"abc", b"abc"),
        one("unknown_encoding", CTE + b"x-maison", b"abc", b"abc", why="an unknown word means the bytes as they are"),
        one("final_line_end_kept", CTE + b"8bit", b"a\r\nb\r\n", b"a\r\nb\r\n"),
        one("final_cr_kept", CTE + b"binary", b"a\r\r", b"a\r\r"),
        one("two_encodings", CTE + b"base64\n" + CTE + b"8bit", b64(PDF)),
    ]


def uu(data: bytes, name: bytes = b"a.pdf", end: bytes = b"`\r\nend\r\n") -> bytes:
    """A uuencoded file."""
    lines = [binascii.b2a_uu(data[at : at + 45]).rstrip(b"\n") for at in range(0, len(data), 45)]
    return b"begin 644 " + name + b"\r\n" + b"".join(line + b"\r\n" for line in lines) + end


def yenc(data: bytes, crc: int | None = None) -> bytes:
    """A yEnc file in one part."""
    coded = bytearray()
    for byte in data:
        value = (byte + 42) & 255
        coded += bytes([61, (value + 64) & 255]) if value in (0, 10, 13, 61) else bytes([value])
    lines, line = [], b""
    for at in range(0, len(coded), 128):
        line = bytes(coded[at : at + 128])
        lines.append(line)
    text = b"".join(lines)
    crc = binascii.crc32(data) if crc is None else crc
    return b"=ybegin line=128 size=%d name=a.pdf\r\n%s\r\n=yend size=%d crc32=%08x\r\n" % (
        len(data),
        text,
        len(data),
        crc,
    )


def binhex(data: bytes, name: bytes = b"a.pdf") -> bytes:
    """A BinHex 4.0 file with an empty resource fork."""
    header = bytes([len(name)]) + name + b"\0PDF CARO\0\0" + len(data).to_bytes(4, "big") + bytes(4)
    packed = header + binascii.crc_hqx(header, 0).to_bytes(2, "big")
    packed += data + binascii.crc_hqx(data, 0).to_bytes(2, "big") + bytes(2)
    packed = packed.replace(b"\x90", b"\x90\0")
    text = base64.b64encode(packed).rstrip(b"=").translate(bytes.maketrans(STANDARD, BINHEX))
    lines = b"\r\n".join((b":" + text + b":")[at : at + 64] for at in range(0, len(text) + 2, 64))
    return b"(This file must be converted with BinHex 4.0)\r\n\r\n" + lines + b"\r\n"


def text_cases() -> list[Case]:
    """Files in texts."""
    hqx = binhex(PDF).rstrip()
    wanted = {"unpack": ["mail", "uuencode"]}
    found: tuple[Document, ...] = (doc("a.pdf", PDF, "1/1"),)
    head = HEAD + b"Content-Type: text/plain\r\n\r\nVoici :\r\n\r\n"
    return [
        one("uu_transfer_encoding", CTE + b"x-uuencode", uu(PDF)),
        one("uu_transfer_encoding_uue", CTE + b"uue", b"un mot avant\r\n" + uu(PDF)),
        Case("uu_in_text_is_text", head + uu(PDF), why="off by default"),
        Case("uu_in_text", head + uu(PDF) + b"Merci", found, options=wanted),
        Case("uu_two", head + uu(PDF) + uu(CSV, b"b.csv"), (*found, doc("b.csv", CSV, "1/2")), options=wanted),
        Case("uu_no_mime", b"From: a@b\r\nSubject: x\r\n\r\n" + uu(PDF), found, options=wanted),
        Case("uu_no_end", head + uu(PDF, end=b""), found, "no end", options=wanted),
        Case("uu_not_one", head + b"begin 600 new lives today.\r\nI mean it, this line is long.\r\n", options=wanted),
        Case("yenc_in_text", head + yenc(PDF), found, options=wanted),
        Case("yenc_bad_checksum", head + yenc(PDF, 1), found, "checksum", options=wanted),
        Case("binhex_in_text", head + binhex(PDF), found, options=wanted),
        Case("binhex_part", mail(TEXT, part("Content-Type: application/mac-binhex40; name=a.hqx", hqx)),
             (doc("a.hqx", hqx, "2"),)),
    ]  # fmt: skip


def cases() -> list[Case]:
    """All of them."""
    return [*base64_cases(), *other_cases(), *text_cases()]
