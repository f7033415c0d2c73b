"""YAML 1.2 scalars, lines, and what is refused."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ezcold_operators.config.yaml import MAX_BYTES, YamlError, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("0123", 123),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("2026-01-31", "2026-01-31"),
        ("=", "="),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-7", -7),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("'null'", "null"),
        ('"12"', "12"),
        ("!!str 12", "12"),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("'/.*\\.(?!db).*/'", "/.*\\.(?!db).*/"),
        ("a\u00a0b", "a\u00a0b"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    assert parse(f"a: {text}\n".encode()).data == {"a": value}


def test_not_a_number() -> None:
    assert math.isnan(parse(b"a: .nan\n").data["a"])


@pytest.mark.parametrize(
    ("raw", "line", "words"),
    [
        (b"", 1, "empty"),
        (b"# nothing\n", 1, "empty"),
        (b"---\n...\n", 1, "empty"),
        (b"a: 1\nb: 2\na: 3\n", 3, "a is written twice, first in line 1"),
        (b"a:\n  b: 1\n  b: 2\n", 3, "b is written twice, first in line 2"),
        (b"a: &x 1\n", 1, "anchors"),
        (b"a: 1\nb: *x\n", 2, "anchors"),
        (b"a: &x [1]\nb: *x\n", 1, "anchors"),
        (b"a: *.pdf\n", 1, "in quotes"),
        (b"a: [*]\n", 1, "in quotes"),
        (b"a: 1\n---\nb: 2\n", 2, "second document"),
        (b"a:\n\t- b\n", 2, "not YAML"),
        (b"a: [1, 2\nb: 3\n", 2, "not YAML"),
        (b"a: 'x\n", 2, "not YAML"),
        (b"a: 1\nb: \xe9t\xe9\n", 2, "UTF-8"),
        (b"a: 1\nb: x\x07y\n", 2, "control character"),
        ("# éééééé\nb: x\x07y\nc: 1\nd: 1\n".encode(), 2, "control character"),
        (b"a: !!python/object:os.system 1\n", 1, "tag"),
        (b"a: !!set {x}\n", 1, "tag"),
        (b"a: @x\n", 1, "quote text"),
        (b"? [a, b]\n: 1\n", 1, "field's name"),
        (b"a: " + b"[" * 50 + b"]" * 50, 1, "nested too deeply"),
        (b"x" * (MAX_BYTES + 1), 1, "larger"),
    ],
)
def test_what_is_refused_names_its_line(raw: bytes, line: int, words: str) -> None:
    with pytest.raises(YamlError) as caught:
        parse(raw)
    assert (caught.value.line, words in caught.value.text) == (line, True), caught.value.text


def test_deep_nesting_ends_without_exhausting_the_stack() -> None:
    with pytest.raises(YamlError):
        parse(b"[" * 500_000)


def test_a_byte_order_mark_and_windows_line_ends_are_fine() -> None:
    parsed = parse(b"\xef\xbb\xbfa: 1\r\nb:\r\n  - x\r\n  - y\r\n")
    assert parsed.data == {"a": 1, "b": ["x", "y"]}
    assert parsed.line(("b", 1)) == 4


def test_lines_of_keys_entries_and_of_what_is_missing() -> None:
    parsed = parse(b"a: 1\n\nb:\n  c: [x,\n      y]\n  # comment\n  d: {e: 1}\n")
    places = [("a",), ("b",), ("b", "c", 1), ("b", "d", "e"), ("b", "nothing"), ("nothing",)]
    assert [parsed.line(place) for place in places] == [1, 3, 5, 7, 3, 1]


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), plain, max_size=4))
def test_json_is_yaml_and_comes_back_as_it_was(data: dict[str, object]) -> None:
    assert reading(json.dumps(data).replace("\x7f", "\\u007f").encode()) in (
        data,
        # a key of more than 1,024 characters, which libyaml does not take for a key
        "not YAML",
    )


@given(st.binary(max_size=200))
def test_any_bytes_give_data_or_one_error(raw: bytes) -> None:
    reading(raw)


def reading(raw: bytes) -> object:
    """The data, or the first words of the only error that may come."""
    try:
        return parse(raw).data
    except YamlError as error:
        return error.text.partition(":")[0]
