"""Indexes: what they tell, in which bytes, whatever a mail or a file is called."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ezcold_operators.cold.base import Outgoing
from ezcold_operators.cold.index import FORMULA, OF_DOCUMENT, OF_ITEM, cell, extension, media_type, render
from ezcold_operators.cold.names import final_name
from ezcold_operators.config.scenario import Scenario
from ezcold_operators.errors import ConfigurationError


def scenario(index: str, **more: Any) -> Scenario:
    return Scenario(id="s1", driver="folder", path="/wait", index=index, **more)


def facts(**more: Any) -> dict[str, Any]:
    """Of one document."""
    return {
        "launcher": "l1", "scenario": "s1", "number": 87, "source": "INBOX/7", "source_name": "", "sender": "a@b.fr",
        "recipients": "c@d.fr", "subject": "Été, facture", "message_id": "<1@b.fr>", "sent": "2026-01-31T08:00:00Z",
        "received": None, "envelope": {"type": "acte", "metadata": {"objet": "Délibération", "annexes": ["x", "y"]}},
        "documents": [document()],
    } | more  # fmt: skip


def document(**more: Any) -> dict[str, Any]:
    return {
        "file": "a__k7q2m9.pdf", "name": "a.pdf", "path": "1.2", "state": "sent", "reason": "", "size": 3,
        "sha256": "ab" * 32, "media_type": "application/pdf", "metadata": {"piece": 1},
    } | more  # fmt: skip


def table(data: bytes, encoding: str = "utf-8", separator: str = ";") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(encoding), newline=""), delimiter=separator))


def test_json_tells_everything() -> None:
    told = facts()
    assert json.loads(render(scenario("json"), told)) == told
    assert "Été" in render(scenario("json"), told).decode()


def test_json_in_an_encoding_that_lacks_letters_loses_none() -> None:
    told = facts(subject="日本 €")
    data = render(scenario("json", index_encoding="iso-8859-15"), told)
    assert json.loads(data.decode("iso-8859-15")) == told


def test_csv_has_one_line_a_document_and_a_header() -> None:
    told = facts(documents=[document(), document(file="", state="rejected", reason="no; route", metadata={"b": None})])
    one, two = table(render(scenario("csv"), told))
    assert list(one)[: len(OF_DOCUMENT) + len(OF_ITEM)] == [*OF_DOCUMENT, *OF_ITEM]
    assert (one["file"], one["sender"], one["number"], one["envelope"]) == ("a__k7q2m9.pdf", "a@b.fr", "87", "acte")
    assert (one["envelope.objet"], one["envelope.annexes"]) == ("Délibération", '["x", "y"]')
    assert (one["metadata.piece"], one["metadata.b"], two["reason"], two["received"]) == ("1", "", "no; route", "")


@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-15", "cp1252"])
def test_csv_in_the_encoding_and_with_the_separator_that_were_asked_for(encoding: str, separator: str) -> None:
    data = render(scenario("csv", index_encoding=encoding, index_separator=separator), facts(subject="Œuvre; €,\t|"))
    (line,) = table(data, encoding, separator)
    assert line["subject"] == "Œuvre; €,\t|"


def test_a_letter_that_the_encoding_lacks_is_a_question_mark_but_never_in_a_files_name() -> None:
    latin = scenario("csv", index_encoding="iso-8859-15")
    assert table(render(latin, facts(subject="日本")), "iso-8859-15")[0]["subject"] == "??"
    data = render(latin, facts(documents=[document(file="日本__k.pdf")]))
    assert data.startswith(b"\xef\xbb\xbf")
    assert table(data, "utf-8-sig")[0]["file"] == "日本__k.pdf"


@given(st.text(), st.text(min_size=1))
def test_no_csv_value_is_a_formula(value: str, name: str) -> None:
    told = facts(
        subject=value, sender=value, source=value, envelope={"type": value, "metadata": {value: value}},
        documents=[document(file=name, name=value, reason=value, metadata={value: [value]})],
    )  # fmt: skip
    data = render(scenario("csv"), told)
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=";"))
    assert len(rows) == 2
    assert len(rows[0]) == len(rows[1])
    for values in rows:
        assert not any(one.lstrip(" ").startswith(FORMULA) for one in values)


@pytest.mark.parametrize("first", FORMULA)
def test_formulas_are_escaped(first: str) -> None:
    assert cell(f"{first}1+1").startswith("'")
    assert cell(f"  {first}1+1").startswith("'")
    assert cell(f"a{first.strip() or '='}1") == f"a{first.strip() or '='}1"


def test_a_file_that_begins_like_a_formula_is_still_found(tmp_path: Path) -> None:
    (line,) = table(render(scenario("csv"), facts(documents=[document(file="=1__k.pdf")])))
    assert line["file"] == "./=1__k.pdf"
    (tmp_path / "=1__k.pdf").write_bytes(b"x")
    assert (tmp_path / line["file"]).read_bytes() == b"x"


@given(st.text(), st.text())
def test_xml_is_always_xml(value: str, key: str) -> None:
    told = facts(subject=value, envelope={"type": value, "metadata": {key: value}}, documents=[document(name=value)])
    root = ElementTree.fromstring(render(scenario("xml"), told))
    assert root.findtext("documents/document/file") == "a__k7q2m9.pdf"


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-15", "utf-16", "cp1252", "us-ascii"])
def test_xml_loses_no_letter(encoding: str) -> None:
    root = ElementTree.fromstring(render(scenario("xml", index_encoding=encoding), facts(subject="É€日<&>")))
    assert root.findtext("subject") == "É€日<&>"
    assert [one.get("name") for one in root.iter("meta")] == ["annexes", "objet", "piece"]


@given(st.sampled_from(["json", "csv", "xml"]), st.text(), st.permutations(["a", "b", "c"]))
def test_the_same_facts_give_the_same_bytes(index: str, value: str, keys: list[str]) -> None:
    def told(order: list[str]) -> dict[str, Any]:
        return facts(subject=value, envelope={"type": "acte", "metadata": {key: value for key in sorted(order)}})

    assert render(scenario(index), told(keys)) == render(scenario(index), told(["a", "b", "c"]))


def test_a_template_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "indexeur.idx.j2"
    file.write_text("{{ scenario }}\n{% for d in documents %}{{ d.file }};{{ envelope.metadata.objet }}\n{% endfor %}")
    assert render(scenario(str(file)), facts()) == "s1\na__k7q2m9.pdf;Délibération\n".encode()
    assert (extension(scenario(str(file))), media_type(scenario(str(file)))) == ("idx", "text/plain")


def test_a_template_escapes_what_its_kind_needs(tmp_path: Path) -> None:
    for name, wanted in (("i.xml.j2", b"&lt;b&gt; =1"), ("i.csv", b"<b> =1"), ("i.txt", b"<b> =1")):
        (tmp_path / name).write_text("{{ subject }}")
        assert render(scenario(str(tmp_path / name)), facts(subject="<b> =1")) == wanted
    (tmp_path / "i.csv").write_text("{{ subject }}")
    assert render(scenario(str(tmp_path / "i.csv")), facts(subject="=1")) == b"'=1"


@pytest.mark.parametrize(
    "text",
    [
        "{{ nothing }}",
        "{% for",
        "{{ ''.__class__.__mro__ }}",
        "{{ documents.append(1) }}",
        "{% include '/etc/passwd' %}",
        "{{ range(100000000) | list }}",
        "{{ 1 / 0 }}",
        "{{ cycler.__init__.__globals__ }}",
    ],
)
def test_a_template_that_goes_wrong_or_too_far_is_a_configuration_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.txt").write_text("")
    checked = scenario(str(tmp_path / "bad.txt"))
    (tmp_path / "bad.txt").write_text(text)
    with pytest.raises(ConfigurationError, match=r"bad\.txt"):
        render(checked, facts())


def test_a_template_is_checked_when_the_scenario_is_read(tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_text("one\n{% for d in documents %}")
    with pytest.raises(ValueError, match="line 2 of the template"):
        scenario(str(tmp_path / "bad.txt"))
    with pytest.raises(ValueError, match="encoding"):
        scenario("csv", index_encoding="hex")


@pytest.mark.parametrize("index", ["json", "csv", "xml"])
def test_an_encoding_that_is_none_of_text_is_a_configuration_error(index: str) -> None:
    with pytest.raises(ConfigurationError, match="index_encoding"):
        render(scenario(index).model_copy(update={"index_encoding": "hex"}), facts())


def test_an_index_beside_a_document_takes_its_stem() -> None:
    def named(beside: str, name: str) -> str:
        outgoing = Outgoing(1, Path("x"), 0, "", name, context={"beside": beside})
        return final_name("{date:%Y}_{name}", outgoing, "tttttttttttt")

    assert named("2026_a__k7q2m9.pdf", "lot.json") == "2026_a__k7q2m9.json"
    assert named("2026_a__k7q2m9.json", "lot.json") == "2026_a__k7q2m9.json.json"
    assert named("2026_a__k7q2m9", "lot.xml") == "2026_a__k7q2m9.xml"
