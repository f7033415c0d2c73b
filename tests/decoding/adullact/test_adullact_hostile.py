# ruff: noqa: E501
"""One row per way to be wrong: one sentence names the rule, what exists is handed on, nothing outside is read or written."""

from __future__ import annotations

import base64
import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from ezcold_operators.decoding.base import Limits
from tests.decoding.adullact import corpus
from tests.decoding.adullact.corpus import Acte, ChorusPj, Pj
from tests.decoding.adullact.opening import must_open, opened

SECRET = b"le secret de la machine"


def tar_with(*infos: tarfile.TarInfo, files: dict[str, bytes] | None = None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in (files or Acte().files()).items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in infos:
            archive.addfile(info, io.BytesIO(b"\0" * info.size) if info.size else None)
    return gzip.compress(out.getvalue())


def special(name: str, kind: bytes, target: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, size
    return info


def zip_with(name: str, mode: int = 0, data: bytes = b"x") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for member, content in Acte().files().items():
            archive.writestr(member, content)
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, data)
    return out.getvalue()


def with_doctype(xml: bytes, subset: str) -> bytes:
    head, _, body = xml.partition(b"\n")
    return head + b"\n<!DOCTYPE x " + subset.encode() + b">\n" + body


def without(files: dict[str, bytes], name: str) -> dict[str, bytes]:
    return {key: value for key, value in files.items() if key != name}


BOMB = (
    '[<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(8))
    + "]"
)
ACTE = Acte(annexes=("annexe.pdf",))
GOOD = Pj("PJ9", "bonne.pdf", corpus.pdf("bonne"))

ROWS: dict[str, tuple[bytes, str, list[str]]] = {
    # XML
    "entity bomb": (with_doctype(corpus.pes_depense(), BOMB), "DOCTYPE", []),
    "external entity": (with_doctype(corpus.pes_depense(), '[<!ENTITY e SYSTEM "file:///etc/passwd">]'), "DOCTYPE", []),
    "external DTD": (with_doctype(corpus.acquit(), 'SYSTEM "http://192.0.2.1/x.dtd"'), "DOCTYPE", []),
    "parameter entity": (with_doctype(corpus.cii(), '[<!ENTITY % p SYSTEM "http://192.0.2.1/p">%p;]'), "DOCTYPE", []),
    "bomb in an archive": (
        corpus.targz({**ACTE.files(), ACTE.message_name: with_doctype(ACTE.message(), BOMB)}),
        "DOCTYPE",
        ["annexe.pdf", ACTE.document],
    ),
    "absurd depth": (
        corpus.pes_depense(pjs=[GOOD], extra="<a>" * 3000 + "</a>" * 3000),
        "deeper than 100",
        ["bonne.pdf"],
    ),
    "giant attribute": (
        corpus.pes_depense(pjs=[GOOD], extra=f'<a b="{"x" * 9_000_000}"/>'),
        "more than 4 MB",
        ["bonne.pdf"],
    ),
    "truncated PES": (corpus.pes_depense(pjs=[GOOD])[:-20], "not well formed", ["bonne.pdf"]),
    "truncated within a piece": (corpus.pes_depense(pjs=[Pj()])[:-150], "not well formed", []),
    "truncated pivot": (corpus.pivot({"F": [ChorusPj()]})[:-60], "not well formed", ["Facture 24-001.pdf"]),
    "undeclared entity": (
        corpus.pes_depense(pjs=[GOOD], extra="<a>&inconnue;</a>"),
        "not well formed",
        ["bonne.pdf"],
    ),
    # base64, gzip, zip around pieces
    "bad base64": (corpus.pes_depense(pjs=[Pj(fichier="pas du base64 !"), GOOD]), "PJ 1 (PJ0001): its base64", ["bonne.pdf"]),
    "prose instead of base64": (
        corpus.pes_depense(pjs=[Pj(fichier="Ceci est un test " * 400), GOOD]),
        "its base64",
        ["bonne.pdf"],
    ),
    "base64 cut short": (corpus.pes_depense(pjs=[Pj(fichier="QUJDRA"), GOOD]), "its base64", ["bonne.pdf"]),
    "text after padding": (corpus.pes_depense(pjs=[Pj(fichier="QQ==QUJD"), GOOD]), "its base64", ["bonne.pdf"]),
    "corrupt gzip": (
        corpus.pes_depense(pjs=[Pj(fichier=base64.b64encode(gzip.compress(os.urandom(900))[:-300]).decode()), GOOD]),
        "its gzip wrapping",
        ["bonne.pdf"],
    ),
    "gzip with a wrong checksum": (
        corpus.pes_depense(
            pjs=[Pj(fichier=base64.b64encode(gzip.compress(b"abc")[:-8] + b"\1" * 8).decode()), GOOD]
        ),
        "its gzip wrapping",
        ["bonne.pdf"],
    ),
    "named piece without content": (corpus.pes_depense(pjs=[Pj(fichier=""), GOOD]), "Fichier is empty", ["bonne.pdf"]),
    "bad base64 in a pivot": (
        corpus.pivot({"F": [ChorusPj(contenu="???"), ChorusPj("b.pdf")]}),
        "facture 1, PJ 1 (Facture 24-001.pdf): its base64",
        ["b.pdf"],
    ),
    "corrupt zip in a pivot": (
        corpus.pivot({"F": [ChorusPj(contenu=base64.b64encode(b"PK\3\4" + b"x" * 90).decode()), ChorusPj("b.pdf")]}),
        "the zip archive is damaged",
        ["b.pdf"],
    ),
    "gzip bomb as a piece": (
        corpus.pes_depense(
            pjs=[Pj(fichier=base64.b64encode(gzip.compress(bytes(60_000_000))).decode()), GOOD]
        ),
        "max_ratio",
        ["bonne.pdf"],
    ),
    # signatures
    "signature of nothing": (
        corpus.pes_depense(pjs=[GOOD], signature=corpus.xmldsig("#absent")),
        "refers to #absent",
        ["bonne.pdf"],
    ),
    "empty signature": (
        corpus.pes_depense(pjs=[GOOD], signature=corpus.xmldsig(value="")),
        "SignatureValue",
        ["bonne.pdf"],
    ),
    # ACTES
    "missing act": (
        corpus.targz(without(ACTE.files(), ACTE.document)),
        f"Acte names a file that is missing: {ACTE.document!r}",
        ["annexe.pdf"],
    ),
    "missing annex": (corpus.zip_of(without(ACTE.files(), "annexe.pdf")), "'annexe.pdf'", [ACTE.document]),
    "missing message": (
        corpus.targz(without(ACTE.files(), ACTE.message_name)),
        "EnveloppeCLMISILL names a file that is missing",
        ["annexe.pdf", ACTE.document],
    ),
    "@Nombre says more": (
        corpus.targz(Acte(annexes=("annexe.pdf",), nombre=2).files()),
        "@Nombre says 2, 1 are listed",
        ["annexe.pdf", ACTE.document],
    ),
    "two files of one name": (
        tar_with(special("annexe.pdf", tarfile.REGTYPE, size=4), files=ACTE.files()),
        "two different files named 'annexe.pdf'",
        ["annexe.pdf", "annexe.pdf", ACTE.document],
    ),
    "a Pastell deposit without its file": (
        corpus.zip_of({"metadata.xml": corpus.flux({"acte_nature": "1"}, {"arrete": ["absent.pdf"]}), "b.pdf": b"b"}),
        "metadata.xml names a file that is missing: 'absent.pdf'",
        ["b.pdf"],
    ),
    # archives
    "truncated archive": (
        corpus.targz({**ACTE.files(), "annexe.pdf": os.urandom(200_000)})[:-90_000],
        "cut short",
        [ACTE.document],
    ),
    "tar: parent folder": (tar_with(special("../../dehors.xml", tarfile.REGTYPE, size=4)), "points outside", [Acte().document]),
    "tar: absolute": (tar_with(special("/tmp/dehors.xml", tarfile.REGTYPE, size=4)), "points outside", [Acte().document]),
    "tar: symbolic link": (tar_with(special("lien.xml", tarfile.SYMTYPE, "/etc/passwd")), "no regular file", [Acte().document]),
    "tar: hard link": (tar_with(special("lien.xml", tarfile.LNKTYPE, "/etc/passwd")), "no regular file", [Acte().document]),
    "tar: device": (tar_with(special("null", tarfile.CHRTYPE)), "no regular file", [Acte().document]),
    "tar: fifo": (tar_with(special("tube", tarfile.FIFOTYPE)), "no regular file", [Acte().document]),
    "zip: parent folder": (zip_with("../../dehors.pdf"), "points outside", [Acte().document]),
    "zip: absolute": (zip_with("/tmp/dehors.pdf"), "points outside", [Acte().document]),
    "zip: Windows path": (zip_with("..\\..\\dehors.pdf"), "points outside", [Acte().document]),
    "zip: drive": (zip_with("C:\\dehors.pdf"), "points outside", [Acte().document]),
    "zip: symbolic link": (zip_with("lien", 0o120777, b"/etc/passwd"), "no regular file", [Acte().document]),
    "zip cut short": (corpus.zip_of(ACTE.files())[:-80], "cut short", []),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_ways_to_be_wrong(row: str) -> None:
    raw, sentence, names = ROWS[row]
    found = opened(raw, "envoi.xml")
    assert found is not None
    assert found.quarantined is not None
    assert sentence in found.quarantined
    assert "\n" not in found.quarantined
    assert sorted(name or "" for name, _ in found.pieces) == sorted(names)


def test_an_external_entity_reads_no_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    for subset, use in ((f'[<!ENTITY e SYSTEM "{secret.as_uri()}">]', "&e;"), (f'SYSTEM "{secret.as_uri()}"', "")):
        raw = with_doctype(corpus.pes_depense(extra=f"<a>{use}</a>"), subset)
        found = opened(raw)
        assert found is not None
        assert SECRET.decode() not in str(found)


def test_xinclude_is_only_an_element(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    include = f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{secret.as_uri()}" parse="text"/>'
    acte = Acte(annexes=("annexe.pdf",))
    files = {
        **acte.files(),
        acte.message_name: acte.message().replace(b"<actes:Objet>", b"<actes:Objet>" + include.encode()),
    }
    found = must_open(corpus.targz(files))
    assert SECRET.decode() not in str(found.metadata)
    assert found.metadata["objet"] == acte.objet or "objet" in found.metadata


def test_nothing_is_written_where_an_archive_points(tmp_path: Path) -> None:
    """Absolute names are the dangerous ones that a temporary directory cannot see."""
    target = tmp_path / "dehors.pdf"
    for raw in (tar_with(special(str(target), tarfile.REGTYPE, size=4)), zip_with(str(target))):
        opened(raw)
        assert not target.exists()


class TestEncodings:
    @pytest.mark.parametrize(
        ("encoding", "declared"),
        [
            ("ISO-8859-1", "ISO-8859-1"),
            ("ISO-8859-1", "UTF-8"),
            ("windows-1252", "ISO-8859-1"),
            ("windows-1252", "UTF-8"),
            ("UTF-8", "ISO-8859-1"),
            ("UTF-8", "UTF-8"),
            ("UTF-8", "us-ascii"),
            ("ISO-8859-1", "us-ascii"),
            ("UTF-8", "encodage-inconnu"),
            ("UTF-8", "UTF-8-W/O-BOM"),
            ("ISO-8859-1", "encodage-inconnu"),
            ("UTF-16", "UTF-16"),
            ("ISO-8859-15", "ISO-8859-15"),
        ],
    )
    def test_a_wrong_declaration_survives(self, encoding: str, declared: str) -> None:
        objet = "Élection à Nîmes – prix en €" if encoding != "ISO-8859-1" else "Élection à Nîmes"
        if encoding == "ISO-8859-15":
            objet = "Élection à Nîmes, prix en €"
        acte = Acte(objet=objet)
        raw = acte.message(encoding, declared)
        found = must_open(corpus.targz({**acte.files(), acte.message_name: raw}))
        assert found.metadata["objet"] == objet
        assert (acte.message_name, raw) in found.envelopes

    def test_a_byte_order_mark(self) -> None:
        raw = b"\xef\xbb\xbf" + corpus.pes_depense(encoding="UTF-8")
        assert must_open(raw).metadata["libelle_col_bud"] == "COMMUNE DE SAINT-ÉTIENNE-D'ESSAI"

    def test_zip_names_of_windows(self) -> None:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("p.xml", corpus.pes_depense(pjs=[]))
            archive.writestr("XXXXXXXX.pdf", b"x")
        raw = out.getvalue().replace(b"XXXXXXXX", "Décisión".encode("cp850"))
        assert must_open(raw).pieces == [("Décisión.pdf", b"x")]


class TestLimits:
    def test_too_many_documents_hands_on_those_before(self) -> None:
        pjs = [Pj(f"PJ{i}", f"{i}.pdf", corpus.pdf(str(i))) for i in range(20)]
        found = opened(corpus.pes_depense(pjs=pjs), limits=Limits(max_documents=5))
        assert found is not None
        assert found.quarantined is not None
        assert "max_documents" in found.quarantined
        assert len(found.pieces) == 4

    def test_archive_bomb(self) -> None:
        found = opened(corpus.targz({"a.xml": bytes(60_000_000)}))
        assert found is not None
        assert found.quarantined is not None
        assert "max_ratio" in found.quarantined

    def test_archives_without_end(self) -> None:
        raw = corpus.zip_of({"a.pdf": b"x"})
        for _ in range(12):
            raw = corpus.zip_of({"a.zip": raw})
        found = opened(raw, limits=Limits(max_depth=4))
        assert found is not None
        assert found.quarantined is not None
        assert "max_depth" in found.quarantined

    def test_a_giant_pax_header(self) -> None:
        info = tarfile.TarInfo("a")
        info.type, info.size = tarfile.XHDTYPE, 3_000_000_000
        raw = gzip.compress(info.tobuf(tarfile.PAX_FORMAT) + b"9999 path=" + b"a" * 100_000)
        found = opened(raw)
        assert found is not None
        assert found.quarantined is not None
        assert "header of more than 4 MB" in found.quarantined


def test_the_second_member_s_wrong_checksum_leaves_the_first() -> None:
    raw = bytearray(corpus.zip_of({"p.xml": corpus.pes_depense(pjs=[]), "b.pdf": b"b" * 200}))
    with zipfile.ZipFile(io.BytesIO(bytes(raw))) as archive:
        offset = archive.infolist()[1].header_offset
    raw[offset + 30 + len("b.pdf")] ^= 0xFF
    found = opened(bytes(raw))
    assert found is not None
    assert found.type == "helios"
    assert found.quarantined is not None
    assert "damaged" in found.quarantined
