"""The judgement: every document gets exactly one verdict, by rules that a person can check by hand."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ezcold_operators import filtering
from ezcold_operators.config.launcher import Launcher
from ezcold_operators.filtering import Candidate, Judgement, effective_name, extension, judge

SCENARIOS = ["s1", "s2", "s3"]


def launcher(**over: Any) -> Launcher:
    routes = over.pop("routes", [{"extensions": ["*"], "send_to": ["s1"]}])
    source = over.pop("source", {"protocol": "imap", "connection": "c", "path": "INBOX"})
    return Launcher.model_validate({"launcher": "l1", "source": source, "routes": routes} | over)


def candidate(name: str | None = "a.pdf", **over: Any) -> Candidate:
    values = {"media_type": "application/pdf", "sniffed": None, "role": "attachment", "inline": False, "size": 100_000}
    return Candidate(name, **(values | over))  # type: ignore[arg-type]


def route(*extensions: str, to: list[str] | None = None) -> dict[str, Any]:
    return {"extensions": list(extensions), "send_to": to or ["s1"]}


ROUTES = [route("pdf", to=["s1"]), route("xml", "zip", to=["s2", "s3"]), route("*", to=["s3"])]
names = st.text(max_size=40) | st.sampled_from(["", ".pdf", "a.PDF", "b.tar.gz", "x\\y.xml", "dir/", " a.pdf ", "a."])
kinds = st.sampled_from(["application/pdf", "image/png", "text/plain", "application/zip", "no/such", ""])
candidates = st.builds(
    Candidate,
    name=st.none() | names,
    media_type=kinds,
    sniffed=st.none() | kinds,
    role=st.sampled_from(["attachment", "signature", "reference", "message", "index"]),
    inline=st.booleans(),
    size=st.integers(0, 200_000),
    envelope=st.none() | st.sampled_from(["acte", "helios", "chorus_fact", "other"]),
    link=st.text(max_size=5),
)
launchers = st.builds(
    lambda star, take, inline, mismatch, filters: launcher(
        routes=ROUTES if star else ROUTES[:2], take=take, inline=inline, mismatch=mismatch, filters=filters
    ),
    star=st.booleans(),
    take=st.sampled_from([["attachments"], ["message"], ["attachments", "message"]]),
    inline=st.sampled_from(["documents", "all", "none"]),
    mismatch=st.sampled_from(["accept", "quarantine"]),
    filters=st.lists(st.sampled_from(["/.*\\.(?!db).*/", "/(?!brouillon).*/", "/.*/", "/x/i"]), max_size=3),
)


@settings(max_examples=400, deadline=None)
@given(launchers, candidates)
def test_every_document_gets_one_verdict_with_its_scenarios_or_its_reason(of: Launcher, one: Candidate) -> None:
    judged = judge(of, one)
    assert judged.verdict in {"accepted", "rejected", "quarantined"}
    assert bool(judged.scenarios) == (judged.verdict == "accepted") == (not judged.reason)
    assert set(judged.scenarios) <= set(of.scenarios)
    assert len(set(judged.scenarios)) == len(judged.scenarios)
    assert judged == judge(of, one)


@settings(max_examples=300, deadline=None)
@given(candidates)
def test_a_name_is_one_component_and_never_empty(one: Candidate) -> None:
    name = effective_name(one)
    assert name.strip()
    assert "/" not in name
    assert "\\" not in name


@settings(max_examples=300, deadline=None)
@given(names, st.sampled_from(["pdf", "PDF", "Pdf"]))
def test_extensions_have_no_case(name: str, written: str) -> None:
    assert extension(f"x{name}.{written}") == "pdf"
    assert judge(launcher(routes=[route("pdf")]), candidate("x." + written)).verdict == "accepted"


@pytest.mark.parametrize(
    ("name", "found"),
    [("a.pdf", "pdf"), ("a.tar.gz", "gz"), ("pdf", ""), (".pdf", ""), ("a.", ""), ("a.b c", "b c"), ("", "")],
)
def test_an_extension_is_what_follows_the_last_dot(name: str, found: str) -> None:
    assert extension(name) == found


@pytest.mark.parametrize(
    ("name", "kind", "sniffed", "expected"),
    [
        (None, "application/pdf", None, "document.pdf"),
        ("", "image/jpeg", None, "document.jpg"),
        ("   ", "application/octet-stream", "application/pdf", "document.pdf"),
        (None, "no/such", None, "document.bin"),
        (None, "message/rfc822", None, "document.eml"),
        ("../../etc/passwd", "text/plain", None, "passwd"),
        ("C:\\Users\\anne\\scan.pdf", "application/pdf", None, "scan.pdf"),
        ("dir/", "application/pdf", None, "document.pdf"),
    ],
)
def test_the_name_that_filters_see(name: str | None, kind: str, sniffed: str | None, expected: str) -> None:
    assert effective_name(candidate(name, media_type=kind, sniffed=sniffed)) == expected


def test_the_first_group_that_fits_takes_it() -> None:
    of = launcher(routes=ROUTES)
    assert judge(of, candidate("a.PDF")) == Judgement("accepted", ("s1",))
    assert judge(of, candidate("a.zip")) == Judgement("accepted", ("s2", "s3"))
    assert judge(of, candidate("a.doc")) == Judgement("accepted", ("s3",))
    assert judge(of, candidate("noextension")) == Judgement("accepted", ("s3",))


def test_without_a_star_what_no_group_takes_is_rejected_with_that_reason() -> None:
    judged = judge(launcher(routes=ROUTES[:2]), candidate("a.doc"))
    assert (judged.verdict, judged.scenarios) == ("rejected", ())
    assert ".doc" in judged.reason


def test_a_scenario_named_twice_gets_it_once() -> None:
    assert judge(launcher(routes=[route("pdf", to=["s1", "s2", "s1"])]), candidate()).scenarios == ("s1", "s2")


@pytest.mark.parametrize(
    ("name", "passes"),
    [
        ("facture.pdf", True), ("Thumbs.db", False), ("a.1.db", True), ("brouillon1.pdf", False),
        ("Brouillon.pdf", True), ("sans_point", False), ("mon brouillon.pdf", True),
    ],
)  # fmt: skip
def test_filters_in_ezgeds_notation(name: str, passes: bool) -> None:
    """The two of launcher.md; both must pass."""
    judged = judge(launcher(filters=["/.*\\.(?!db).*/", "/(?!brouillon).*\\..*/"]), candidate(name))
    assert judged.verdict == ("accepted" if passes else "rejected")
    if not passes:
        assert "/.*" in judged.reason or "/(?!" in judged.reason


def test_names_are_compared_in_nfc() -> None:
    composed = unicodedata.normalize("NFC", "été.pdf")
    decomposed = unicodedata.normalize("NFD", composed)
    for written in (composed, decomposed):
        of = launcher(filters=[f"/{written[:-4]}.*/"])
        for name in (composed, decomposed):
            assert judge(of, candidate(name)).verdict == "accepted"
        assert judge(of, candidate("ete.pdf")).verdict == "rejected"


def test_a_filter_that_finds_no_answer_in_time_quarantines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ezcold_operators.config.filters.MATCH_SECONDS", 0.01)
    of = launcher(filters=["/(?:a|aa|aaa)*b$/"])
    judged = judge(of, candidate("a" * 60 + "bx.pdf"))
    assert judged.verdict == "quarantined"
    assert "(?:a|aa|aaa)*b$" in judged.reason


def test_filters_come_before_routes_and_see_the_last_component() -> None:
    of = launcher(filters=["/scan/"], routes=[route("pdf")])
    assert judge(of, candidate("dossier/scan.pdf")).verdict == "accepted"
    assert "/scan/" in judge(of, candidate("scan_dossier/facture.pdf")).reason
    assert "/scan/" in judge(of, candidate("facture.doc")).reason


def adullact(**over: Any) -> Launcher:
    routes = [route("acte", to=["s1"]), route("helios", to=["s2"])]
    return launcher(source={"protocol": "adullact", "path": "/data/in"}, routes=over.pop("routes", routes), **over)


def test_an_envelope_is_routed_by_its_type_alone() -> None:
    for name in ("a.pdf", "a.xml", "helios", "a.acte"):
        assert judge(adullact(), candidate(name, envelope="acte")) == Judgement("accepted", ("s1",))
    judged = judge(adullact(), candidate("a.pdf", envelope="chorus_fact"))
    assert judged.verdict == "rejected"
    assert "chorus_fact" in judged.reason
    assert judge(adullact(filters=["/b/"]), candidate("a.pdf", envelope="acte")).verdict == "rejected"


def test_the_old_word_for_an_envelope_is_the_new_one() -> None:
    of = adullact(routes=[route("acte_nature")])
    assert judge(of, candidate("a.pdf", envelope="acte")).verdict == "accepted"


@pytest.mark.parametrize(
    ("setting", "inline", "kind", "size", "verdict"),
    [
        ("documents", True, "image/png", filtering.SMALL_IMAGE_BYTES - 1, "rejected"),
        ("documents", True, "image/png", filtering.SMALL_IMAGE_BYTES, "accepted"),
        ("documents", False, "image/png", 10, "accepted"),
        ("documents", True, "application/pdf", 10, "accepted"),
        ("all", True, "image/png", 10, "accepted"),
        ("none", True, "application/pdf", 1_000_000, "rejected"),
        ("none", False, "image/png", 10, "accepted"),
    ],
)
def test_parts_shown_inside_the_text(setting: str, inline: bool, kind: str, size: int, verdict: str) -> None:
    for media_type, sniffed in ((kind, None), ("application/octet-stream", kind)):
        one = candidate("x.bin", media_type=media_type, sniffed=sniffed, inline=inline, size=size)
        assert judge(launcher(inline=setting), one).verdict == verdict


@pytest.mark.parametrize(
    ("name", "sniffed", "fits"),
    [
        ("a.pdf", "application/pdf", True), ("a.PDF", "application/pdf", True), ("a.pdf", None, False),
        ("a.pdf", "image/png", False), ("a.doc", "application/pdf", False), ("a.jpg", "image/jpeg", True),
        ("a.jpeg", "image/jpeg", True), ("a.pdf", "application/zip", False), ("a.docx", "application/zip", True),
        ("a.txt", None, True), ("a.png", "text/plain", False), ("a.csv", "text/plain", True),
        ("facture.pdf.exe", "application/x-dosexec", True), ("facture.pdf", "application/x-dosexec", False),
    ],
)  # fmt: skip
def test_content_against_extension(name: str, sniffed: str | None, fits: bool) -> None:
    judged = judge(launcher(mismatch="quarantine"), candidate(name, sniffed=sniffed))
    assert judged.verdict == ("accepted" if fits else "quarantined")
    assert fits or name in judged.reason
    assert judge(launcher(mismatch="accept"), candidate(name, sniffed=sniffed)).verdict == "accepted"


def test_what_is_no_document_is_left_out_with_its_reason() -> None:
    assert "signature" in judge(launcher(), candidate("smime.p7s", role="signature")).reason
    link = judge(launcher(), candidate("plan.dwg", role="reference", link="https://x.example/plan"))
    assert (link.verdict, "https://x.example/plan" in link.reason) == ("rejected", True)


def test_only_the_mail_itself_or_only_its_attachments() -> None:
    mail, attachment = candidate("m.eml", role="message"), candidate()
    both = launcher(take=["attachments", "message"])
    assert [judge(both, one).verdict for one in (mail, attachment)] == ["accepted", "accepted"]
    assert judge(launcher(take=["message"]), attachment).verdict == "rejected"
    assert judge(launcher(take=["message"]), mail).verdict == "accepted"


@pytest.mark.parametrize(("protocol", "path"), [("folder", "/data/in/*"), ("pop", None)])
def test_the_same_judgement_for_every_protocol(protocol: str, path: str | None) -> None:
    source = {"protocol": protocol} | ({"path": path} if path else {"connection": "c"})
    assert judge(launcher(source=source), candidate()).verdict == "accepted"
