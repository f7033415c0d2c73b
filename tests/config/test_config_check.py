"""`ezcold check` without its command line: paths in, problems out."""

from __future__ import annotations

from pathlib import Path

import pytest

from ezcold_operators.config.check import check

SCENARIOS = "scenarios:\n  s: {driver: folder, path: /wait/s}\n"
GOOD = "launcher: good\nsource: {protocol: imap, connection: c}\nroutes: [{extensions: [pdf], send_to: [s]}]\n"


@pytest.fixture
def launchers(tmp_path: Path) -> Path:
    folder = tmp_path / "launchers"
    folder.mkdir()
    (tmp_path / "scenarios.yaml").write_text(SCENARIOS)
    (folder / "good.yaml").write_text(GOOD)
    return folder


def told(*paths: Path) -> list[tuple[str, int, str, str]]:
    return [(p.file.name, p.line, p.severity, p.text) for p in check(paths)]


def test_nothing_wrong(launchers: Path) -> None:
    assert told(launchers) == []
    assert told(launchers / "good.yaml") == []
    assert told(launchers.parent / "scenarios.yaml") == []


def test_a_warning_says_that_it_is_one(launchers: Path) -> None:
    (launchers / "good.yaml").write_text(GOOD + "filters: ['/(?!\"x\").*/']\n")
    (problem,) = check([launchers])
    assert str(problem).startswith(f"{launchers}/good.yaml:4: warning: filters[1]: a quote")


def test_a_folder_also_checks_the_scenarios_above_it(launchers: Path) -> None:
    (launchers.parent / "scenarios.yaml").write_text(SCENARIOS + "  t: {driver: folder, path: t}\n")
    assert told(launchers) == [("scenarios.yaml", 3, "error", "t.path: an absolute path is expected, without `..`")]


def test_every_file_is_told(launchers: Path) -> None:
    (launchers / "bad.yaml").write_text("launcher: bad\n")
    (launchers / "worse.yaml").write_text("{")
    assert {name for name, *_rest in told(launchers)} == {"bad.yaml", "worse.yaml"}
    assert {name for name, *_rest in told(launchers / "bad.yaml")} == {"bad.yaml"}


def test_a_file_is_checked_against_those_beside_it(launchers: Path) -> None:
    (launchers / "other.yaml").write_text(GOOD.replace("good", "other"))
    words = "source.path: other (other.yaml) watches this place too: each takes every document"
    assert told(launchers / "good.yaml") == [("good.yaml", 2, "warning", words)]
    assert len(told(launchers, launchers / "good.yaml")) == 2


def test_no_scenarios_file(launchers: Path) -> None:
    (launchers.parent / "scenarios.yaml").unlink()
    (problem,) = check([launchers])
    assert (problem.file, problem.severity) == (launchers, "error")
    assert "no scenarios.yaml" in problem.text


def test_what_is_not_there(tmp_path: Path) -> None:
    (problem,) = check([tmp_path / "none.yaml"])
    assert str(problem) == f"{tmp_path}/none.yaml:1: no such file or directory"


def test_an_empty_folder_is_worth_a_word(tmp_path: Path) -> None:
    (tmp_path / "scenarios.yaml").write_text(SCENARIOS)
    (problem,) = check([tmp_path])
    assert (problem.severity, problem.text) == ("warning", "no launcher here: no *.yaml")


def test_without_paths_the_launchers_directory(launchers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (launchers / "good.yaml").write_text("launcher: 1\n")
    monkeypatch.setenv("EZCOLD_LAUNCHERS_DIR", str(launchers))
    assert {problem.file.name for problem in check()} == {"good.yaml"}


FOLDER = "launcher: x\nsource: {protocol: folder, path: /in}\n"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (GOOD + "filters:\n  - '/a/'\n  - '/(?!\"brouillon\").*/'\n", 6, "filters[2]: a quote right after (?!"),
        (GOOD + 'filters: ["/(?!«x»).*/"]\n', 4, "filters[1]: a quote right after (?!"),
        (
            FOLDER + "take: [attachments]\nroutes: [{extensions: [pdf], send_to: [s]}]\n",
            3,
            "take: has no effect with folder",
        ),
        (FOLDER + "inline: all\nroutes: [{extensions: [pdf], send_to: [s]}]\n", 3, "inline: has no effect with folder"),
        (
            "launcher: x\nsource: {protocol: folder, path: /wait/s/*.*}\nroutes: [{extensions: [pdf], send_to: [s]}]\n",
            2,
            "source.path: it is the waiting directory of scenario s",
        ),
        (
            "launcher: x\nsource:\n  protocol: pop\n  connection: d\n  settle_seconds: 1\n"
            "routes: [{extensions: [pdf], send_to: [s]}]\n",
            5,
            "source.settle_seconds: has no effect with pop",
        ),
    ],
)
def test_warnings(launchers: Path, text: str, line: int, words: str) -> None:
    (launchers / "good.yaml").write_text(text)
    (found,) = told(launchers)
    assert found[:3] == ("good.yaml", line, "warning")
    assert words in found[3]


def test_two_scenarios_with_one_waiting_directory(launchers: Path) -> None:
    (launchers.parent / "scenarios.yaml").write_text(SCENARIOS + "  t: {driver: folder, path: /wait/./s/}\n")
    assert told(launchers) == [("scenarios.yaml", 3, "warning", "t: the same waiting directory as s")]
