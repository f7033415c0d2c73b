"""Names: RFC 2231, RFC 2047 where it is forbidden, raw bytes, and names that are none."""

from __future__ import annotations

import base64
import unicodedata

from build import PDF, TEXT, Case, doc, mail, named

ETE = "facture été.pdf"


def case(
    name: str, disposition: bytes, expected: str | None, content_type: bytes = b"application/pdf", why: str = ""
) -> Case:
    """One attachment whose name is what matters."""
    return Case("name_" + name, mail(TEXT, named(disposition, PDF, content_type)), (doc(expected, PDF, "2"),), why=why)


def word(text: str, charset: str = "utf-8") -> bytes:
    """One encoded word, base64."""
    return b"=?" + charset.encode() + b"?B?" + base64.b64encode(text.encode(charset)) + b"?="


def extended() -> list[Case]:
    """RFC 2231."""
    start = b"Content-Disposition: attachment; "
    return [
        case("2231", start + b"filename*=utf-8''facture%20%C3%A9t%C3%A9.pdf", ETE),
        case("2231_latin1", start + b"filename*=iso-8859-1'fr'facture%20%E9t%E9.pdf", ETE),
        case("2231_wins", start + b"filename=\"facture _t_.pdf\"; filename*=utf-8''facture%20%C3%A9t%C3%A9.pdf", ETE),
        case(
            "2231_wins_before", start + b"filename*=utf-8''facture%20%C3%A9t%C3%A9.pdf; filename=\"facture.pdf\"", ETE
        ),
        case(
            "2231_in_order",
            start + b"filename*0*=utf-8''facture%20;\n filename*1*=%C3%A9t%C3%A9;\n filename*2=.pdf",
            ETE,
        ),
        case(
            "2231_any_order", start + b"filename*2=.pdf; filename*1*=%C3%A9t%C3%A9; filename*0*=utf-8''facture%20", ETE
        ),
        case("2231_split_character", start + b"filename*0*=utf-8''facture%20%C3; filename*1*=%A9t%C3%A9.pdf", ETE),
        case("2231_plain_parts", start + b'filename*0="facture "; filename*1="mars.pdf"', "facture mars.pdf"),
        case("2231_starts_at_1", start + b'filename*1="facture "; filename*2="mars.pdf"', "facture mars.pdf"),
        case(
            "2231_twelve_parts", start + b"; ".join(b"filename*%d=%c" % (n, 97 + n) for n in range(12)), "abcdefghijkl"
        ),
        case("2231_quoted", start + b"filename*=\"utf-8''facture%20%C3%A9t%C3%A9.pdf\"", ETE),
        case("2231_no_charset", start + b"filename*=''facture%20%C3%A9t%C3%A9.pdf", ETE),
        case("2231_no_quotes", start + b"filename*=facture%20%C3%A9t%C3%A9.pdf", ETE),
        case("2231_unknown_charset", start + b"filename*=x-rien''facture%20%C3%A9t%C3%A9.pdf", ETE),
        case("2231_empty_then_plain", start + b"filename*=utf-8''; filename=a.pdf", "a.pdf"),
        case("2231_apostrophe", start + b"filename*=utf-8''l'%C3%A9t%C3%A9.pdf", "l'été.pdf"),
        case("2231_in_type", b"X: y", ETE, b"application/pdf;\n name*=utf-8''facture%20%C3%A9t%C3%A9.pdf"),
    ]


def words() -> list[Case]:
    """RFC 2047 inside parameters."""
    start = b"Content-Disposition: attachment; filename="
    whole = "relevé de compte été.pdf".encode()
    cut = whole.index("é".encode()) + 1
    halves = b"=?utf-8?B?" + base64.b64encode(whole[:cut]) + b"?=\n =?utf-8?B?" + base64.b64encode(whole[cut:]) + b"?="
    return [
        case("2047_quoted", start + b'"' + word(ETE) + b'"', ETE),
        case("2047_unquoted", start + word(ETE), ETE),
        case("2047_q", start + b'"=?iso-8859-1?Q?facture_=E9t=E9.pdf?="', ETE),
        case("2047_lower_case", start + b'"=?UTF-8?q?facture_=c3=a9t=c3=a9.pdf?="', ETE),
        case("2047_two_words", start + b'"' + word("facture ") + b"\n " + word("été.pdf") + b'"', ETE),
        case("2047_split_character", start + b'"' + halves + b'"', whole.decode()),
        case("2047_adjacent", start + b'"' + word("facture ") + word("été.pdf") + b'"', ETE),
        case(
            "2047_mixed_charsets",
            start + b'"' + word("facture ", "utf-8") + b" " + word("été.pdf", "iso-8859-15") + b'"',
            ETE,
        ),
        case("2047_with_text", start + b'"facture ' + word("été") + b'.pdf"', ETE),
        case("2047_blank_in_q", start + b'"=?utf-8?Q?facture =C3=A9t=C3=A9.pdf?="', ETE),
        case("2047_no_padding", start + b'"' + word("été!.pdf").replace(b"=?=", b"?=") + b'"', "été!.pdf"),
        case("2047_language", start + b'"=?utf-8*fr?Q?facture_=C3=A9t=C3=A9.pdf?="', ETE),
        case("2047_unknown_charset", start + b'"=?x-rien?Q?facture_=C3=A9t=C3=A9.pdf?="', ETE),
        case("2047_cp1252", start + b'"=?windows-1252?Q?facture_=80.pdf?="', "facture €.pdf"),
        case("2047_latin1_euro", start + b'"=?iso-8859-1?Q?facture_=80.pdf?="', "facture €.pdf"),
        case("2047_unfinished", start + b'"=?utf-8?Q?facture.pdf"', "=?utf-8?Q?facture.pdf"),
        case("2047_in_type", b"X: y", ETE, b'application/pdf; name="' + word(ETE) + b'"'),
        case("2047_gb2312", start + b'"' + word("发票.pdf", "gb2312") + b'"', "发票.pdf"),
        case("2047_iso2022jp", start + b'"' + word("請求書.pdf", "iso-2022-jp") + b'"', "請求書.pdf"),
        case("2047_koi8r", start + b'"' + word("счёт.pdf", "koi8-r") + b'"', "счёт.pdf"),
    ]


def plain() -> list[Case]:
    """Everything else that stands for a name."""
    start = b"Content-Disposition: attachment; filename="
    return [
        case("raw_utf8", start + b'"' + ETE.encode() + b'"', ETE),
        case("raw_latin1", start + b'"' + ETE.encode("latin-1") + b'"', ETE),
        case("raw_cp1252", start + b'"' + "facture €.pdf".encode("cp1252") + b'"', "facture €.pdf"),
        case("raw_iso2022jp", start + b'"' + "請求書.pdf".encode("iso-2022-jp") + b'"', "請求書.pdf"),
        case("raw_utf8_cut", start + b'"' + ("été" * 9).encode()[:-1] + b'"', "été" * 8 + "ét\ufffd"),
        case("nfd", start + b'"' + unicodedata.normalize("NFD", ETE).encode() + b'"', ETE, why="names are in NFC"),
        case("only_in_type", b"Content-Disposition: attachment", "a.pdf", b'application/pdf; name="a.pdf"'),
        case("disposition_first", start + b'"a.pdf"', "a.pdf", b'application/pdf; name="b.pdf"'),
        case("empty", start + b'""', None),
        case("empty_then_type", start + b'""', "a.pdf", b"application/pdf; name=a.pdf"),
        case("absent", b"Content-Disposition: attachment", None),
        case("unquoted_blanks", start + b"facture de mars.pdf", "facture de mars.pdf"),
        case("semicolon", start + b'"a; b.pdf"', "a; b.pdf"),
        case("escaped_quote", start + b'"a \\"b\\".pdf"', 'a "b".pdf'),
        case("inner_quotes", start + b'"a "b".pdf"', 'a "b".pdf'),
        case("backslashes", start + b'"C:\\Factures\\a.pdf"', "C:\\Factures\\a.pdf"),
        case("open_quote", start + b'"a.pdf', "a.pdf"),
        case("open_quote_then_size", start + b'"a.pdf; size=3', "a.pdf"),
        case("no_semicolon", b'Content-Disposition: attachment filename="a.pdf"', "a.pdf"),
        case("no_semicolon_after", start + b'"a.pdf" size=12', "a.pdf"),
        case("no_disposition_word", b'Content-Disposition: filename="a.pdf"', "a.pdf"),
        case("blanks_around", b'Content-Disposition: attachment ; filename = "a.pdf"', "a.pdf"),
        case("upper_case", b'CONTENT-DISPOSITION: ATTACHMENT; FILENAME="A.PDF"', "A.PDF"),
        case("folded", b'Content-Disposition: attachment;\n\tfilename="a.pdf"', "a.pdf"),
        case("folded_inside", start + b'"facture\n de mars.pdf"', "facture de mars.pdf"),
        case("fold_lost", b'Content-Disposition: attachment;\nfilename="a.pdf"', "a.pdf"),
        case("fold_lost_inside", start + b'"facture\nmars.pdf"', "facturemars.pdf"),
        case("comment", b'Content-Disposition: attachment (piece); filename="a.pdf" (scan)', "a.pdf"),
        case("path_up", start + b'"../../etc/passwd"', "../../etc/passwd", why="made safe for a disk elsewhere"),
        case("nul", start + b'"a\0b.pdf"', "ab.pdf"),
        case("very_long", start + b'"' + b"x" * 5000 + b'.pdf"', "x" * 5000 + ".pdf"),
        case("plus_and_equals", start + b'"a+b=c.pdf"', "a+b=c.pdf"),
        case("two_dispositions", b"Content-Disposition: inline\n" + start + b'"a.pdf"', "a.pdf"),
        case("trailing_semicolon", start + b'"a.pdf";', "a.pdf"),
        case("unknown_disposition", b'Content-Disposition: piece-jointe; filename="a.pdf"', "a.pdf"),
        case("emoji", start + '"facture 📎.pdf"'.encode(), "facture 📎.pdf"),
    ]


def cases() -> list[Case]:
    """All of them."""
    return [*extended(), *words(), *plain()]
