"""EzGED's filters mean what Python's `re.match` means, and end in time."""

from __future__ import annotations

import re
import unicodedata
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ezcold_operators.config.filters import Filter, FilterTimeout


@pytest.mark.parametrize(
    ("text", "name", "passes"),
    [
        (r"/.*\.(?!db).*/", "Thumbs.db", False),
        (r"/.*\.(?!db).*/", "a.1.db", True),
        (r"/.*\.(?!db).*/", "facture.pdf", True),
        (r"/.*\.(?!db).*/", "facture", False),
        (r"/(?!brouillon).*\..*/", "brouillon facture.pdf", False),
        (r"/(?!brouillon).*\..*/", "Brouillon.pdf", True),
        (r"/(?!brouillon).*\..*/i", "Brouillon.pdf", False),
        (r"/(?!brouillon).*\..*/", "facture brouillon.pdf", True),
        ("facture", "facture_2026.pdf", True),
        ("facture", "une facture.pdf", False),
        ("/facture$/", "facture.pdf", False),
        ("/été/", unicodedata.normalize("NFD", "été.pdf"), True),
        (unicodedata.normalize("NFD", "/été/"), "été.pdf", True),
        ("//", "anything", True),
        ("/", "/x", True),
        ("/i", "/ix", True),
    ],
)
def test_the_notation(text: str, name: str, passes: bool) -> None:
    assert Filter(text).passes(name) is passes


@pytest.mark.parametrize("text", ["/(/", "/[a/", "/*a/", "/(?P<x/", "(?!"])
def test_what_does_not_compile_says_where(text: str) -> None:
    with pytest.raises(ValueError, match="position"):
        Filter(text)


def test_matching_is_bounded_in_time() -> None:
    with pytest.raises(FilterTimeout):
        Filter(r"/(?:a|aa|aaa)*b$/").passes("a" * 60 + "bx")


pieces = st.lists(
    st.sampled_from(
        ["a", "b", ".", r"\.", "*", "+", "?", "(?!db)", "(a|b)", "[ab]", "[^.]", "^", "$", r"\d", "x{1,2}", "é"]
    ),
    max_size=7,
).map("".join)


@given(pieces, st.text(alphabet="abx.é1D\n", max_size=8), st.booleans())
def test_passes_is_re_match_wherever_both_accept_the_pattern(pattern: str, name: str, ignore: bool) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = re.match(pattern, name, re.IGNORECASE if ignore else 0) is not None
        ours = Filter(f"/{pattern}/i" if ignore else f"/{pattern}/")
    except (re.error, ValueError):
        return
    assert ours.passes(name) is expected


def test_equal_by_text() -> None:
    assert Filter("/a/") == Filter("/a/")
    assert len({Filter("/a/"), Filter("/a/"), Filter("/b/")}) == 2
    assert (str(Filter("/a/")), repr(Filter("/a/"))) == ("/a/", "Filter('/a/')")
