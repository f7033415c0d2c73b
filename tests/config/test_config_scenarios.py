"""The scenarios file: every rule broken once, and where the file is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from ezcold_operators.config.loader import find_scenarios, load_scenarios
from ezcold_operators.config.scenario import is_plain, wrong_name
from ezcold_operators.errors import ConfigurationError

EXAMPLE = """\
scenarios:
  facturesfournisseurs:
    number: 87
    description: cold facturesfournisseurs
    driver: folder
    path: /ged/ocr/wait/facturesfournisseurs
    parts: /ged/ocr/.parts
    name: "{name}"
    index: none
    group: false
  documentsclients:
    number: 69
    driver: ezged
    connection: ezged
    waitdir: documentsclients
    on_ambiguous: retry
"""


def wrong(tmp_path: Path, text: str) -> str:
    path = tmp_path / "scenarios.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_scenarios(path)
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_the_example_of_the_contract(tmp_path: Path) -> None:
    path = tmp_path / "scenarios.yaml"
    path.write_text(EXAMPLE)
    scenarios = load_scenarios(path)
    folder, ezged = scenarios["facturesfournisseurs"], scenarios["documentsclients"]
    assert (folder.id, folder.number, folder.path) == ("facturesfournisseurs", 87, "/ged/ocr/wait/facturesfournisseurs")
    assert (folder.parts, folder.name, folder.index, folder.group) == ("/ged/ocr/.parts", "{name}", "none", False)
    assert (ezged.id, ezged.waitdir, ezged.connection, ezged.on_ambiguous) == (
        "documentsclients",
        "documentsclients",
        "ezged",
        "retry",
    )


FOLDER = "scenarios:\n  a:\n    driver: folder\n    path: /w\n"
EZGED = "scenarios:\n  a:\n    driver: ezged\n    connection: c\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "scenarios.yaml:1: the file is empty"),
        ("a: 1\n", "scenarios.yaml:1: scenarios: the scenarios are expected below"),
        ("scenarios: {}\n", "scenarios.yaml:1: scenarios: "),
        ("scenarios: [a]\n", "scenarios.yaml:1: scenarios: "),
        (FOLDER + "scenario: 1\n", "scenarios.yaml:5: scenario: unknown field; did you mean scenarios?"),
        ("scenarios:\n  A-b: {driver: folder, path: /w}\n", "scenarios.yaml:2: A-b: an id is a small letter"),
        ("scenarios:\n  a:\n", "scenarios.yaml:2: a: fields are expected here"),
        (FOLDER + "    id: b\n", "scenarios.yaml:5: a.id: unknown field"),
        (FOLDER + "    pathh: /x\n", "scenarios.yaml:5: a.pathh: unknown field; did you mean path?"),
        (
            FOLDER + "    password: x\n",
            "scenarios.yaml:5: a.password: unknown field: it belongs in an Airflow Connection",
        ),
        (FOLDER + "    number: abc\n", "scenarios.yaml:5: a.number: a whole number is expected"),
        (FOLDER + "    waitdir: x\n", "scenarios.yaml:5: a.waitdir: `waitdir` belongs to driver ezged"),
        (FOLDER + "    connection: x\n", "scenarios.yaml:5: a.connection: `connection` belongs to driver ezged"),
        (FOLDER + "    parts: /w\n", "scenarios.yaml:5: a.parts: EzGED would see unfinished files"),
        (FOLDER + "    parts: /w/sub/parts\n", "scenarios.yaml:5: a.parts: EzGED would see unfinished files"),
        (FOLDER + "    parts: //w/./\n", "scenarios.yaml:5: a.parts: EzGED would see unfinished files"),
        (FOLDER + "    parts: w2\n", "scenarios.yaml:5: a.parts: an absolute path is expected"),
        (FOLDER + "    name: '{nom}'\n", "scenarios.yaml:5: a.name: {nom} is unknown: use {name}, {stem}"),
        (FOLDER + "    index: jsn\n", "scenarios.yaml:5: a.index: use none, json, csv, xml"),
        (FOLDER + "    index: none.j2\n", "scenarios.yaml:5: a.index: the template file does not exist"),
        (FOLDER + "    index_encoding: utf9\n", "scenarios.yaml:5: a.index_encoding: unknown encoding"),
        (
            FOLDER + "    on_ambiguous: ask\n",
            "scenarios.yaml:5: a.on_ambiguous: ask is not possible: use one of retry, hold",
        ),
        ("scenarios:\n  a: {driver: folder, path: w}\n", "scenarios.yaml:2: a.path: an absolute path is expected"),
        (
            "scenarios:\n  a: {driver: folder, path: /w/../x}\n",
            "scenarios.yaml:2: a.path: an absolute path is expected",
        ),
        ("scenarios:\n  a: {driver: folder}\n", "a.path: driver folder needs the waiting directory"),
        ("scenarios:\n  a: {path: /w}\n", "scenarios.yaml:2: a.driver: this field is missing"),
        (
            "scenarios:\n  a: {driver: foldr}\n",
            "scenarios.yaml:2: a.driver: foldr is not possible: use one of folder, ezged; did",
        ),
        ("scenarios:\n  a: {driver: ezged, waitdir: w}\n", "a.connection: driver ezged needs the id"),
        (EZGED, "a.waitdir: driver ezged needs the name"),
        (EZGED + "    path: /w\n    waitdir: w\n", "scenarios.yaml:5: a.path: `path` belongs to driver folder"),
        *(
            (EZGED + f"    waitdir: {bad}\n", "scenarios.yaml:5: a.waitdir: ")
            for bad in ("../x", "a/b", "'a\\b'", "'..'", "'C:'", "'a\\x07'", '"a\\x07"', "'a '", "a.", "con", "''")
        ),
    ],
)
def test_bad_scenarios(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in wrong(tmp_path, text)


def test_every_error_is_told(tmp_path: Path) -> None:
    found = wrong(tmp_path, "scenarios:\n  a: {driver: folder}\n  b: {driver: ezged, waitdir: w}\n")
    assert [line.split(": ")[1] for line in found.splitlines()] == ["a.path", "b.connection"]


def test_a_template_file_stands_beside_the_scenarios(tmp_path: Path) -> None:
    (tmp_path / "index.xml.j2").write_text("x")
    path = tmp_path / "scenarios.yaml"
    path.write_text(FOLDER + "    index: index.xml.j2\n")
    assert load_scenarios(path)["a"].index == str(tmp_path / "index.xml.j2")


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{name}", None),
        ("{date:%Y%m%d}_{stem}.{ext}", None),
        ("{launcher}-{sender}-{subject}-{message_id}", None),
        ("{{x}}{name}", None),
        ("{nom}", "{nom} is unknown"),
        ("{}", "{} is unknown"),
        ("{name.__class__}", "is unknown"),
        ("{name!r}", "takes no format"),
        ("{name:>10}", "takes no format"),
        ("{date:{name}}", "takes no format"),
        ("{date:%Y/%m}_{name}", "holds no /"),
        ("a/{name}", "holds no /"),
        ("..\\{name}", "holds no /"),
        ("{name", "brace"),
        ("name}", "brace"),
        ("facture", "same name"),
    ],
)
def test_name_templates(template: str, words: str | None) -> None:
    found = wrong_name(template)
    assert found is None if words is None else words in (found or "")


def test_plain_names() -> None:
    assert is_plain("documentsclients")
    assert is_plain("Documents clients (é)")
    assert not any(map(is_plain, ["", ".", "..", "a/b", "a\\b", "C:", "nul", "COM1.txt", "a\n", "a.", "a*"]))


def test_where_the_file_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launchers = tmp_path / "dags" / "launchers"
    launchers.mkdir(parents=True)
    (launchers / "x.yaml").write_text("launcher: x")
    with pytest.raises(ConfigurationError, match=r"no scenarios\.yaml beside .* nor one folder up"):
        find_scenarios(launchers)
    (launchers.parent / "scenarios.yaml").write_text(EXAMPLE)
    assert find_scenarios(launchers) == launchers.parent / "scenarios.yaml"
    assert find_scenarios(launchers / "x.yaml") == launchers.parent / "scenarios.yaml"
    (launchers / "scenarios.yaml").write_text(EXAMPLE)
    assert find_scenarios(launchers / "x.yaml") == launchers / "scenarios.yaml"
    monkeypatch.setenv("EZCOLD_SCENARIOS", "/elsewhere.yaml")
    assert find_scenarios(launchers) == Path("/elsewhere.yaml")
    monkeypatch.delenv("EZCOLD_SCENARIOS")
    monkeypatch.chdir(launchers)
    (launchers / "scenarios.yaml").unlink()
    assert find_scenarios(Path("x.yaml")).samefile(launchers.parent / "scenarios.yaml")
