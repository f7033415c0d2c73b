"""Names at the entrance, against everything that a stranger may send."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ezcold_operators.cold.base import Outgoing
from ezcold_operators.cold.names import MOST, final_name, new_token, render, split
from ezcold_operators.errors import ConfigurationError
from tests.contracts.driver import windows_takes

TOKEN = "k7q2m9xxxxxx"
ANYTHING = st.text(st.characters(), max_size=400) | st.text("CONMLPT12345.¹ /\\:é\u202e\u0301😀", max_size=300)


def named(name: str, template: str = "{name}", media_type: str = "", **context: Any) -> str:
    """The final name under TOKEN."""
    date = datetime(2026, 3, 1, tzinfo=UTC)
    return final_name(template, Outgoing(1, Path("/x"), 1, "ab", name, media_type, context, date), TOKEN)


@given(ANYTHING, st.sampled_from(["", "application/pdf", "x/unknown", "text/plain; charset=x"]))
def test_any_name_becomes_one_that_windows_takes(name: str, media_type: str) -> None:
    found = named(name, media_type=media_type)
    assert windows_takes(found), found
    assert len(found.encode()) <= MOST
    assert f"__{TOKEN}" in found


@given(ANYTHING, ANYTHING, ANYTHING)
def test_any_template_value_becomes_one_that_windows_takes(name: str, sender: str, subject: str) -> None:
    found = named(name, "{date:%Y%m%d}_{sender}_{subject}_{stem}", sender=sender, subject=subject)
    assert windows_takes(found), found


@given(ANYTHING, st.sampled_from(["pdf", "PDF", "xml", "tar.gz", "p7m"]))
def test_the_extension_is_kept(stem: str, extension: str) -> None:
    last = extension.rpartition(".")[2]
    for template in ("{name}", "{stem}", "{sender}", "{stem}.{ext}"):
        assert named(f"{stem}a.{extension}", template, sender="M. Dupont").endswith(f"__{TOKEN}.{last}")


@given(ANYTHING)
def test_two_tokens_never_meet_whatever_the_case(name: str) -> None:
    outgoing = Outgoing(1, Path("/x"), 1, "ab", name)
    found = {final_name("{name}", outgoing, new_token()).casefold() for _ in range(20)}
    assert len(found) == 20


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("facture.pdf", f"facture__{TOKEN}.pdf"),
        ("Facture 12/2026.pdf", f"Facture 12_2026__{TOKEN}.pdf"),
        ("C:\\Users\\a\\scan.pdf", f"scan__{TOKEN}.pdf"),
        ("../../etc/passwd", f"passwd__{TOKEN}"),
        ("con.pdf", f"_con__{TOKEN}.pdf"),
        ("AUX .x.pdf", f"_AUX .x__{TOKEN}.pdf"),
        ("lpt¹", f"_lpt¹__{TOKEN}"),
        ("a.b.c.pdf", f"a.b.c__{TOKEN}.pdf"),
        ("Compte rendu du 12. mars", f"Compte rendu du 12. mars__{TOKEN}"),
        (".pdf", f"document__{TOKEN}.pdf"),
        ("...", f"document__{TOKEN}.pdf"),
        ("", f"document__{TOKEN}.pdf"),
        ("\u200b", f"document__{TOKEN}.pdf"),
        ("fin. . .", f"fin__{TOKEN}"),
        ("e\u0301te\u0301.pdf", f"été__{TOKEN}.pdf"),
        ("x" * 400 + ".pdf", "x" * (MOST - 18) + f"__{TOKEN}.pdf"),
    ],
)
def test_names(name: str, expected: str) -> None:
    assert named(name, media_type="application/pdf") == expected


def test_templates() -> None:
    context = {"sender": "Jean <jean@a.fr>", "subject": "Re: 1/2", "launcher": "mails", "scenario": "s", "number": 87}
    assert named("f.pdf", "{date:%Y%m%d}_{sender}_{name}", **context) == f"20260301_Jean _jean@a.fr__f__{TOKEN}.pdf"
    assert (
        named("f.pdf", "{number}-{launcher}-{scenario}-{subject}.{ext}", **context)
        == f"87-mails-s-Re_ 1_2__{TOKEN}.pdf"
    )
    assert named("f.pdf", "{{{stem}}}") == f"{{f}}__{TOKEN}.pdf"
    assert named("f.pdf", "{subject}") == f"document__{TOKEN}.pdf"


@pytest.mark.parametrize(
    "template",
    ["{name.__class__}", "{0}", "{}", "{password}", "{name!r}", "{name:>99999999}", "{date:{name}}", "{", "{name[0]}"],
)
def test_templates_reach_nothing_else(template: str) -> None:
    with pytest.raises(ConfigurationError):
        render(template, {"password": "x"}, "a.pdf", None)


@given(ANYTHING)
def test_split_loses_nothing(name: str) -> None:
    stem, extension = split(name)
    assert name == (f"{stem}.{extension}" if extension else name)
