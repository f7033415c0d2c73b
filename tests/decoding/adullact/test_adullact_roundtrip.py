"""Properties: an envelope that is built from facts gives these facts and these files back."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ezcold_operators.decoding.adullact import decode_envelope
from ezcold_operators.decoding.base import Options
from tests.decoding.adullact import corpus
from tests.decoding.adullact.corpus import Acte, Bordereau, ChorusPj, Pj
from tests.decoding.adullact.opening import must_open, opened

LATIN = st.characters(
    min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f", exclude_categories=("Cc", "Cf")
)


def plainly_latin(text: str) -> bool:
    """Not one of the rare texts whose Latin-1 bytes are UTF-8 by chance: those are taken for UTF-8 wrongly declared."""
    try:
        return text.isascii() or not text.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return True


WORDS = st.text(LATIN, min_size=1, max_size=40).map(str.strip).filter(bool).filter(plainly_latin)
FILE_NAMES = st.text(st.sampled_from("abcdéèçÀ019 '&()-_"), min_size=1, max_size=12).map(lambda s: f"f{s.strip()}.pdf")
DATA = st.binary(min_size=1, max_size=300).filter(lambda d: d[:2] not in (b"\x1f\x8b", b"PK"))
NUMBERS = st.from_regex(r"[A-Z0-9_]{1,15}", fullmatch=True)


@given(
    objet=WORDS,
    numero=NUMBERS,
    nature=st.sampled_from("123456"),
    matieres=st.lists(st.from_regex(r"[1-9]", fullmatch=True), min_size=1, max_size=5),
    annexes=st.lists(FILE_NAMES, max_size=4, unique_by=str.casefold),
    pack=st.sampled_from([corpus.targz, corpus.tar_of, corpus.zip_of, corpus.bundle]),
)
@settings(max_examples=60, deadline=None)
def test_acte(objet, numero, nature, matieres, annexes, pack) -> None:
    acte = Acte(objet=objet, numero=numero, nature=nature, matieres=tuple(matieres), annexes=tuple(annexes))
    files = acte.files()
    found = must_open(pack(files))
    assert found.metadata["objet"] == objet
    assert found.metadata["numero_interne"] == numero
    assert found.metadata["classification"] == ".".join(matieres)
    assert found.metadata["id_acte"].endswith(f"-{numero}-{['DE', 'AR', 'AI', 'CC', 'BF', 'AU'][int(nature) - 1]}")
    assert dict(found.pieces) == {acte.document: files[acte.document], **{a: files[a] for a in annexes}}
    assert len(found.pieces) + len(found.envelopes) == len(files)


@given(
    bordereaux=st.lists(
        st.builds(
            Bordereau,
            id_bord=st.from_regex(r"[0-9]{1,7}", fullmatch=True),
            pieces=st.lists(
                st.tuples(st.from_regex(r"[0-9]{1,8}", fullmatch=True), st.lists(NUMBERS, max_size=3).map(tuple)),
                max_size=3,
            ).map(tuple),
        ),
        max_size=4,
    ),
    pjs=st.lists(st.builds(Pj, id_unique=NUMBERS, nom=FILE_NAMES, data=DATA), max_size=5),
    encoding=st.sampled_from(["ISO-8859-1", "UTF-8", "windows-1252"]),
)
@settings(max_examples=60, deadline=None)
def test_helios(bordereaux, pjs, encoding) -> None:
    raw = corpus.pes_depense(bordereaux, pjs, encoding=encoding)
    found = must_open(raw)
    assert found.pieces == [(pj.nom, pj.data) for pj in pjs]
    assert found.envelopes[0][1] == raw
    assert [b.get("pieces", []) for b in found.metadata.get("bordereaux", [])] == [
        [number for number, _ in b.pieces] for b in bordereaux
    ]
    assert found.metadata.get("pj_refs", []) == [ref for b in bordereaux for _, refs in b.pieces for ref in refs]
    for number, pj in enumerate(pjs, 1):
        links = [(link["bordereau"], link["piece"]) for link in found.facts[f"PJ/{number}"].get("liens", [])]
        expected = [(b.id_bord, p) for b in bordereaux for p, refs in b.pieces for ref in refs if ref == pj.id_unique]
        assert links == list(dict.fromkeys(expected))


@given(
    units=st.dictionaries(
        NUMBERS,
        st.lists(st.builds(ChorusPj, nom=FILE_NAMES, data=DATA, wrapping=st.sampled_from(["zip", "raw"])), max_size=3),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=60, deadline=None)
def test_chorus(units) -> None:
    found = must_open(corpus.pivot(units))
    assert [facture["numero"] for facture in found.metadata["factures"]] == list(units)
    assert found.pieces == [(pj.nom, pj.data) for pjs in units.values() for pj in pjs]


ENVELOPES = [
    corpus.targz(Acte(annexes=("annexe.pdf",)).files()),
    corpus.pes_depense(signature=corpus.xmldsig()),
    corpus.pivot({"F-1": [ChorusPj(), ChorusPj("b.pdf", wrapping="raw")]}),
    corpus.zip_of({"a.xml": corpus.pes_depense(), "ack.xml": corpus.acquit()}),
    corpus.facturx(corpus.cii()),
    corpus.ubl(),
]


@given(
    raw=st.sampled_from(ENVELOPES),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8),
    cut=st.one_of(st.none(), st.floats(0, 1)),
)
@settings(max_examples=300, deadline=None)
def test_damage_never_raises(raw, changes, cut) -> None:
    """Whatever the bytes: documents, a named rule, or no envelope; never an exception, never a file elsewhere."""
    damaged = bytearray(raw)
    for place, value in changes:
        damaged[int(place * (len(damaged) - 1))] = value
    opened(bytes(damaged[: int(cut * len(damaged))] if cut is not None else damaged))


def test_decoding_twice_gives_the_same_paths() -> None:
    """The ledger knows documents by their path."""
    raw = ENVELOPES[0]

    def paths() -> list[tuple[str, str]]:
        with tempfile.TemporaryDirectory() as place:
            source, work = Path(place) / "raw", Path(place) / "work"
            source.write_bytes(raw)
            work.mkdir()
            decoded = decode_envelope(source, work, Options(kind="adullact", name="a.tar.gz"))
            assert decoded is not None
            return [(found.path, found.sha256) for found in decoded.documents]

    assert paths() == paths()
