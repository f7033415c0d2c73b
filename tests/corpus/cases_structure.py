"""Parts and boundaries: RFC 2046 as written, and as sent."""

from __future__ import annotations

from build import CSV, HEAD, HTML, PDF, PNG, TEXT, Case, b64, doc, mail, multipart, part, pdf

OUTER, INNER = b"=_frontiere_1", b"=_frontiere_2"
FOUND = (doc("facture.pdf", PDF, "2"),)
LOGO = part(
    'Content-Type: image/png; name="logo.png"\nContent-Transfer-Encoding: base64\nContent-ID: <logo@example.fr>\n'
    'Content-Disposition: inline; filename="logo.png"',
    b64(PNG),
)
CID_HTML = b'Content-Type: text/html\r\n\r\n<img src="cid:logo@example.fr">'


def ordinary() -> list[Case]:
    """What mail programs send every day."""
    alternative = multipart(TEXT, HTML, subtype="alternative", boundary=INNER)
    related = multipart(CID_HTML, LOGO, subtype="related", boundary=INNER)
    line = b"From marie@example.fr Tue Mar  3 09:15:00 2026\r\n"
    whole = HEAD + part("Content-Type: application/pdf; name=seul.pdf\nContent-Transfer-Encoding: base64", b64(PDF))
    return [
        Case("plain_text", HEAD + TEXT),
        Case("html_only", HEAD + HTML),
        Case("one_attachment", mail(TEXT, pdf()), FOUND),
        Case("alternative_and_pdf", mail(alternative, pdf()), FOUND),
        Case("related_logo", mail(related, pdf()), (doc("logo.png", PNG, "1.2", inline=True), *FOUND)),
        Case("logo_not_referred_to", mail(HTML, LOGO), (doc("logo.png", PNG, "2"),)),
        Case("whole_mail_is_pdf", whole, (doc("seul.pdf", PDF, "1"),)),
        Case("two_same_names", mail(TEXT, pdf(), pdf(data=PDF * 2)), (*FOUND, doc("facture.pdf", PDF * 2, "3"))),
        Case("empty_attachment", mail(TEXT, pdf(data=b"")), (doc("facture.pdf", b"", "2"),)),
        Case("no_disposition", mail(TEXT, part("Content-Type: application/pdf\nContent-Transfer-Encoding: base64",
             b64(PDF))), (doc(None, PDF, "2"),), why="neither text nor HTML: a document even without a name"),
        Case("calendar", mail(multipart(TEXT, part("Content-Type: text/calendar; method=REQUEST", b"BEGIN:VCALENDAR"),
             subtype="alternative", boundary=INNER)), (doc(None, b"BEGIN:VCALENDAR", "1.2"),)),
        Case("csv_without_name", mail(TEXT, part("Content-Type: text/csv", CSV)), (doc(None, CSV, "2"),)),
        Case("second_text_is_text", mail(TEXT, pdf(), TEXT), FOUND),
        Case("text_marked_attachment", mail(TEXT, part("Content-Type: text/plain\nContent-Disposition: attachment",
             b"notes")), (doc(None, b"notes", "2"),)),
        Case("text_of_unknown_disposition",
             mail(TEXT, part("Content-Type: text/plain\nContent-Disposition: piece-jointe", b"notes")),
             (doc(None, b"notes", "2"),), why="RFC 2183 2.8: an attachment"),
        Case("text_with_name", mail(TEXT, part("Content-Type: text/plain; name=notes.txt", b"notes")),
             (doc("notes.txt", b"notes", "2"),)),
        Case("inline_text_is_body",
             mail(part("Content-Type: text/plain\nContent-Disposition: inline", b"x"), pdf()), FOUND),
        Case("format_flowed",
             mail(b"Content-Type: text/plain; format=flowed; delsp=yes\r\n\r\nBonjour \r\nMarie", pdf()), FOUND),
        Case("signed_pgp",
             mail(TEXT, part("Content-Type: application/pgp-signature; name=signature.asc", b"-----BEGIN"),
                  subtype='signed; protocol="application/pgp-signature"'),
             (doc("signature.asc", b"-----BEGIN", "2", "signature"),)),
        Case("appledouble", mail(TEXT, multipart(
             part("Content-Type: application/applefile; name=a.pdf", b"\0\5\x16\7"), pdf("a.pdf"),
             subtype="appledouble", boundary=INNER)),
             (doc("a.pdf", b"\0\5\x16\7", "2.1"), doc("a.pdf", PDF, "2.2"))),
        Case("delivery_report", mail(TEXT, part("Content-Type: message/delivery-status", b"Reporting-MTA: dns; x"),
             part("Content-Type: text/rfc822-headers", b"Subject: x"), subtype="report; report-type=delivery-status"),
             (doc(None, b"Subject: x", "3"),)),
        Case("preamble_and_epilogue",
             HEAD + multipart(TEXT, pdf()).replace(b"\r\n\r\n--", b"\r\n\r\nMIME ici.\r\n--", 1) + b"\r\nfin\r\n",
             FOUND),
        Case("lf_only", mail(TEXT, pdf()).replace(b"\r\n", b"\n"), FOUND),
        Case("cr_only", mail(TEXT, pdf()).replace(b"\r\n", b"\r"), FOUND),
        Case("cr_cr_lf", mail(TEXT, pdf()).replace(b"\r\n", b"\r\r\n"), FOUND),
        Case("mbox_from_line", line + mail(TEXT, pdf()), FOUND),
        Case("mbox_of_two", line + mail(TEXT, pdf()) + b"\r\n" + line + mail(TEXT, pdf(), boundary=INNER), FOUND,
             "mbox of several"),
        Case("mbox_of_one_that_quotes", line + mail(
             TEXT + b"\r\n\r\nFrom the start: yes\r\nFrom Marie at 12:00 in 2026\r\n", pdf()), FOUND),
        Case("escaped_from_line", b">" + line + mail(TEXT, pdf()), FOUND),
        Case("byte_order_mark", b"\xef\xbb\xbf" + mail(TEXT, pdf()), FOUND),
        Case("blank_lines_first", b"\r\n\r\n" + mail(TEXT, pdf()), FOUND),
    ]  # fmt: skip


def boundaries() -> list[Case]:
    """Boundaries reused, missing, wrong."""
    nested = multipart(TEXT, HTML, subtype="alternative", boundary=OUTER)
    reused = HEAD + multipart(nested.rstrip(), pdf(), boundary=OUTER)
    two = multipart(TEXT, pdf("a.pdf"), boundary=OUTER)
    wrong = mail(TEXT, pdf()).replace(b'boundary="=_frontiere_1"', b'boundary="autre"')
    unclosed = multipart(TEXT, HTML, subtype="alternative", boundary=INNER, end=False)
    return [
        Case("reused_boundary", reused, FOUND, why="the inner multipart uses its parent's boundary, then closes"),
        Case("reused_boundary_inside", HEAD + multipart(two.rstrip(), pdf(), boundary=OUTER),
             (doc("a.pdf", PDF, "1.2"), *FOUND)),
        Case("reused_boundary_never_closed", HEAD + multipart(
             multipart(TEXT, HTML, subtype="alternative", boundary=OUTER, end=False).rstrip(), pdf(), boundary=OUTER),
             (doc("facture.pdf", PDF, "1.3"),)),
        Case("inner_never_closed", mail(unclosed.rstrip(), pdf()), FOUND),
        Case("no_closing_boundary", mail(TEXT, pdf(), end=False), FOUND),
        Case("wrong_boundary_declared", wrong, FOUND, why="the boundary that is really used is taken"),
        Case("no_boundary_declared", mail(TEXT, pdf()).replace(b'; boundary="=_frontiere_1"', b""), FOUND),
        Case("empty_boundary", mail(TEXT, pdf()).replace(b'"=_frontiere_1"', b'""'), FOUND),
        Case("unquoted_boundary", mail(TEXT, pdf()).replace(b'"=_frontiere_1"', b"=_frontiere_1"), FOUND),
        Case("boundary_open_quote", mail(TEXT, pdf()).replace(b'"=_frontiere_1"', b'"=_frontiere_1'), FOUND),
        Case("boundary_with_blank", mail(TEXT, pdf(), boundary=b"une frontiere"), FOUND),
        Case("boundary_folded", mail(TEXT, pdf(), boundary=b"une frontiere").replace(b'"une ', b'"une\r\n '), FOUND),
        Case("boundary_rfc2231", mail(TEXT, pdf()).replace(b'boundary="=_frontiere_1"',
             b'boundary*0="=_fron"; boundary*1="tiere_1"'), FOUND),
        Case("boundary_padding", mail(TEXT, pdf()).replace(b"--=_frontiere_1\r\n", b"--=_frontiere_1 \t\r\n"), FOUND),
        Case("boundary_prefix", HEAD + multipart(multipart(TEXT, pdf("a.pdf"), boundary=b"limite_a").rstrip(), pdf(),
             boundary=b"limite"), (doc("a.pdf", PDF, "1.2"), *FOUND)),
        Case("part_after_the_end", mail(TEXT) + b"--=_frontiere_1\r\n" + pdf() + b"\r\n--=_frontiere_1--\r\n", FOUND),
        Case("missing_semicolon", mail(TEXT, pdf()).replace(b"mixed; b", b"mixed\r\n b"), FOUND),
        Case("two_content_types", HEAD + b"Content-Type: text/plain\r\n" + multipart(TEXT, pdf()), FOUND),
        Case("multipart_in_base64", HEAD + part(
             'Content-Type: multipart/mixed; boundary="=_frontiere_1"\nContent-Transfer-Encoding: base64',
             b64(multipart(TEXT, pdf()).partition(b"\r\n\r\n")[2])), (doc("facture.pdf", PDF, "1/2"),)),
        Case("multipart_that_is_a_file", HEAD + part(
             'Content-Type: multipart/mixed; boundary="=_rien"\nContent-Disposition: attachment; filename=a.pdf\n'
             "Content-Transfer-Encoding: base64", b64(PDF)), (doc("a.pdf", PDF, "1"),), "without parts"),
        Case("quoted_source_is_text",
             mail(TEXT + b"\r\n\r\n--autre\r\nContent-Type: application/pdf; name=x.pdf\r\n\r\nJVBE", pdf()), FOUND,
             why="a text that quotes a mail's source raises no alarm"),
        Case("part_outside", HEAD + b'Content-Type: multipart/mixed; boundary="x-none"\r\n\r\nContent-Type: '
             b'application/pdf; name="a.pdf"\r\n\r\nx', (), "outside every part"),
        Case("indented_part",
             mail(TEXT + b"\r\n  --=_frontiere_1\r\n  Content-Type: application/pdf; name=a.pdf\r\n\r\n  x", pdf()),
             FOUND,
             "boundary in its middle"),
        Case("dashes_in_text", mail(TEXT + b"\r\n-- \r\nMarie\r\n--\r\n----\r\n--=_frontiere\r\n", pdf()), FOUND),
        Case("parts_100", mail(TEXT, *(pdf(f"f{n}.pdf") for n in range(100))),
             tuple(doc(f"f{n}.pdf", PDF, str(n + 2)) for n in range(100))),
    ]  # fmt: skip


def deep(levels: int) -> bytes:
    """Multiparts inside each other."""
    inner = pdf()
    for level in range(levels):
        inner = multipart(TEXT, inner, boundary=f"b{level}".encode()).rstrip()
    return inner


def nesting() -> list[Case]:
    """Multiparts and mails inside each other."""
    forwarded = part("Content-Type: message/rfc822", mail(TEXT, pdf(), boundary=INNER))
    inside = mail(TEXT, pdf(), boundary=INNER)
    return [
        Case("nested_30", HEAD + deep(30), (doc("facture.pdf", PDF, ".".join("2" * 30)),)),
        Case("forwarded", mail(TEXT, forwarded), (doc("facture.pdf", PDF, "2/2"),)),
        Case("forwarded_named", mail(TEXT, part('Content-Type: message/rfc822; name="mail.eml"', inside)),
             (doc("facture.pdf", PDF, "2/2"),)),
        Case("forwarded_base64", mail(TEXT, part(
             "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64", b64(inside))),
             (doc("facture.pdf", PDF, "2/2"),)),
        Case("forwarded_of_forwarded", mail(TEXT, part("Content-Type: message/rfc822", mail(TEXT, forwarded,
             boundary=b"=_frontiere_3"))), (doc("facture.pdf", PDF, "2/2/2"),)),
        Case("forwarded_text_only", mail(TEXT, part("Content-Type: message/rfc822", HEAD + TEXT))),
        Case("forwarded_kept", mail(TEXT, part('Content-Type: message/rfc822; name="mail.eml"', HEAD + TEXT)),
             (doc("mail.eml", HEAD + TEXT, "2"),), options={"unpack": []}),
        Case("forwarded_no_mail", mail(TEXT, part('Content-Type: message/rfc822; name="m.eml"', b"rien de tel")),
             (doc("m.eml", b"rien de tel", "2"),)),
        Case("whole_mail_is_forwarded", HEAD + b"Content-Type: message/rfc822\r\n\r\n" + inside,
             (doc("facture.pdf", PDF, "1/2"),)),
        Case("digest", mail(b"\r\n" + inside, b"\r\n" + inside, subtype="digest"),
             (doc("facture.pdf", PDF, "1/2"), doc("facture.pdf", PDF, "2/2"))),
        Case("digest_without_blank_line", mail(inside, subtype="digest"), (doc("facture.pdf", PDF, "1.2"),)),
        Case("partial", HEAD + b'Content-Type: message/partial; id="a@b"; number=1; total=3\r\n\r\nSubject: x\r\n\r\ny',
             (), "part 1 of 3"),
        Case("partial_whole", HEAD + b'Content-Type: message/partial; id="a@b"; number=1; total=1\r\n\r\n' + inside,
             (doc("facture.pdf", PDF, "1/2"),)),
        Case("external_body", mail(TEXT, part(
             'Content-Type: message/external-body; access-type=URL; URL="https://example.fr/a.pdf"; name="a.pdf"',
             b"Content-Type: application/pdf\r\n\r\n")), (doc("a.pdf", b"", "2", "reference"),)),
        Case("encrypted_pgp", mail(part("Content-Type: application/pgp-encrypted", b"Version: 1"),
             part("Content-Type: application/octet-stream; name=encrypted.asc", b"-----BEGIN PGP MESSAGE-----"),
             subtype='encrypted; protocol="application/pgp-encrypted"'),
             (doc(None, b"Version: 1", "1"), doc("encrypted.asc", b"-----BEGIN PGP MESSAGE-----", "2")), "encrypted"),
        Case("encrypted_inline", HEAD + b"Content-Type: text/plain\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nhQ==", (),
             "encrypted"),
        Case("message_wanted", mail(TEXT, pdf()), (doc(None, mail(TEXT, pdf()), "0", "message"), *FOUND),
             options={"want_message": True}),
        Case("body_wanted", mail(TEXT, pdf()), (doc(None, b"Bonjour", "1", "body"), *FOUND),
             options={"want_body": True}),
        Case("too_many_documents", mail(TEXT, pdf(), pdf(), pdf()), (*FOUND, doc("facture.pdf", PDF, "3")),
             "max_documents", options={"limits": {"max_documents": 2}}),
    ]  # fmt: skip


def cases() -> list[Case]:
    """All of them."""
    return [*ordinary(), *boundaries(), *nesting(), too_deep()]


def too_deep() -> Case:
    """Mails in mails, deeper than the limit: the mail at the limit stays closed and is itself the document."""
    inner = b"Content-Type: application/pdf; name=x.pdf\r\n\r\nx"
    closed = b""
    for level in range(15):
        if level == 4:
            closed = inner
        inner = HEAD + b"Content-Type: message/rfc822\r\n\r\n" + inner
    return Case("too_deep", inner, (doc(None, closed, "/".join("1" * 11)),), "max_depth")
