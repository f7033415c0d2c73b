"""Header blocks that are broken, and mails that are hostile."""

from __future__ import annotations

from build import HEAD, PDF, TEXT, Case, b64, doc, mail, multipart, pdf

FOUND = (doc("a.pdf", PDF, "2"),)


def broken(name: str, header: bytes, found: tuple[object, ...] = FOUND, why: str = "") -> Case:
    """An attachment with a damaged header, at 2."""
    raw = mail(TEXT, header.replace(b"\n", b"\r\n") + b64(PDF))
    return Case("header_" + name, raw, found, why=why)  # type: ignore[arg-type]


TYPE = b'Content-Type: application/pdf; name="a.pdf"\n'
CTE = b"Content-Transfer-Encoding: base64\n"


def blocks() -> list[Case]:
    """Damaged blocks of an attachment."""
    return [
        broken("blanks_line_separates", TYPE + CTE + b" \t\n"),
        broken("blank_before_colon", TYPE.replace(b":", b" :") + CTE + b"\n"),
        broken("tab_after_colon", TYPE.replace(b": ", b":\t") + CTE + b"\n"),
        broken("no_blank_after_colon", TYPE.replace(b": ", b":") + CTE + b"\n"),
        broken("junk_line", TYPE + b"ceci n'est pas un champ\n" + CTE + b"\n"),
        broken("junk_line_8bit", TYPE + "relevé\n".encode("latin-1") + CTE + b"\n"),
        broken("blank_line_before", b"\n" + TYPE + CTE + b"\n", why="the header comes after an empty line"),
        broken("fold_with_blank_line", b'Content-Type: application/pdf;\n \n name="a.pdf"\n' + CTE + b"\n"),
        broken("fold_many", b'Content-Type:\n application/pdf;\n\t\t name="a.pdf"\n' + CTE + b"\n"),
        broken("unknown_fields", TYPE + b"X-Rien: 1\nX-Rien: 2\n" + CTE + b"\n"),
        broken("field_without_value", TYPE + b"Content-Description:\n" + CTE + b"\n"),
        broken("invalid_type", b'Content-Type: pdf; name="a.pdf"\n' + CTE + b"\n"),
        broken("empty_type", b'Content-Type:\nContent-Disposition: attachment; filename=a.pdf\n' + CTE + b"\n"),
        broken("blank_in_type", b'Content-Type: application / pdf; name="a.pdf"\n' + CTE + b"\n"),
        broken("comments_first", TYPE.replace(b": ", b": (scan) ") + CTE.replace(b": ", b": (x) ") + b"\n"),
        Case("header_damaged_multipart",
             mail(TEXT, pdf("a.pdf")).replace(b"multipart/mixed", b"multipart/m\0ixed"), FOUND),
        broken("5000_fields", TYPE + b"X-Rien: 1\n" * 5000 + CTE + b"\n"),
        broken("long_field", TYPE + b"X-Rien: " + b"x" * 300_000 + b"\n" + CTE + b"\n"),
        Case("header_no_separator", HEAD + b'Content-Type: multipart/mixed; boundary="=_f"\r\n--=_f\r\n' + pdf("a.pdf")
             + b"\r\n--=_f--\r\n", (doc("a.pdf", PDF, "1"),)),
        Case("header_8bit_subject", mail(TEXT, pdf("a.pdf")).replace(b"Factures", "Été".encode("latin-1")), FOUND),
        Case("header_junk_in_main", b"ceci est du vent\r\n" + mail(TEXT, pdf("a.pdf")), FOUND),
        Case("header_date_wrong", mail(TEXT, pdf("a.pdf")).replace(b"Tue, 03 Mar 2026 09:15:00 +0100", b"hier"), FOUND),
        Case("header_no_header", multipart(TEXT, pdf("a.pdf")).partition(b"\r\n\r\n")[2], FOUND, "no header"),
        Case("header_nothing_at_all", b"Bonjour, rien de plus.\r\n", (), "not a mail"),
        Case("header_empty_file", b"", (), "not a mail"),
        Case("header_binary", bytes(range(256)) * 8, (), "not a mail"),
        Case("header_exchange_message_id", mail(TEXT, pdf("a.pdf")).replace(b"<c1@example.fr>", b"<[a@b]>"), FOUND),
    ]  # fmt: skip


def hostile() -> list[Case]:
    """What hangs or crashes readers."""
    quotes = b"Content-Disposition: attachment; filename=" + b'"' * 20_000 + b"\n"
    open_words = b'Content-Disposition: attachment; filename="' + b"=?a?q?x" * 3000 + b'"\n'
    comments = b"Content-Type: application/pdf " + b"(a" * 1000 + b"; name=a.pdf\n"
    many = b"Content-Disposition: attachment; filename=a.pdf" + b"; x=y" * 5000 + b"\n"
    return [
        broken("quotes_20000", TYPE + quotes + CTE + b"\n", (doc('"' * 19_998, PDF, "2"),)),
        broken("open_words_3000", TYPE + open_words + CTE + b"\n", (doc("=?a?q?x" * 3000, PDF, "2"),)),
        broken("comments_1000", comments + CTE + b"\n"),
        broken("parameters_5000", TYPE + many + CTE + b"\n"),
    ]


def cases() -> list[Case]:
    """All of them."""
    return [*blocks(), *hostile()]
