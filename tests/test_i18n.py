"""French: every sentence of the source has one, whole, and the compiled catalogue is the one that stands beside it."""

from __future__ import annotations

import ast
import io
import os
import re
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir, extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from ezcold_operators import i18n
from ezcold_operators.config.launcher import Launcher
from ezcold_operators.config.words import in_words

ROOT = Path(__file__).resolve().parent.parent
CATALOGUE = ROOT / "ezcold_operators" / "locales" / "fr" / "LC_MESSAGES"
KEYWORDS = {"_": None, "N_": None, "ngettext": (1, 2)}
UPDATE = "run `make translations`, then fill in the empty entries of ezcold.po"


def _sources() -> list[Path]:
    folders = (ROOT / "ezcold_operators", ROOT / "dags")
    return [*(file for folder in folders for file in folder.rglob("*.py")), ROOT / "plugins" / "ezcold_plugin.py"]


def _extracted() -> set[str | tuple[str, ...]]:
    found: set[str | tuple[str, ...]] = set()
    for folder in ("ezcold_operators", "dags"):
        for _file, _line, text, _comments, _context in extract_from_dir(ROOT / folder, keywords=KEYWORDS):
            found.add(text)
    plugin = ROOT / "plugins" / "ezcold_plugin.py"
    found |= {text for _line, text, _comments, _context in extract_from_file("python", plugin, keywords=KEYWORDS)}
    return found


@pytest.fixture(scope="module")
def french() -> Catalog:
    with (CATALOGUE / "ezcold.po").open("rb") as file:
        return read_po(file, locale="fr", abort_invalid=True)


def _both(message: Message) -> Iterator[tuple[str, str]]:
    """Each French form with the English one that it stands for."""
    english = message.id if isinstance(message.id, tuple) else (message.id,)
    translated = message.string if isinstance(message.string, (tuple, list)) else (message.string,)
    assert len(english) == len(translated), message.id
    yield from zip(english, translated, strict=True)


def _placeholders(text: str) -> set[tuple[str, str | None, str | None]]:
    return {(name, form, how) for _text, name, form, how in string.Formatter().parse(text) if name is not None}


def test_every_sentence_of_the_source_is_in_french(french: Catalog) -> None:
    extracted = _extracted()
    assert len(extracted) > 600
    known = {m.id: m for m in french if m.id}
    missing = [text for text in extracted if text not in known or not all(new for _old, new in _both(known[text]))]
    assert missing == [], UPDATE


def test_nothing_is_left_over_or_doubtful(french: Catalog) -> None:
    extracted = _extracted()
    assert [m.id for m in french if m.id and m.id not in extracted] == [], UPDATE
    assert [m.id for m in french if m.fuzzy] == []


def test_placeholders_are_the_same(french: Catalog) -> None:
    for message in french:
        for old, new in _both(message) if message.id else ():
            if "{" in old or "{" in new:
                assert _placeholders(new) == _placeholders(old), message.id
            for mark in ("[bold]", "[dim]", "[green]"):
                assert new.count(mark) == old.count(mark), message.id


def test_what_is_typed_stays_as_it_is(french: Catalog) -> None:
    """Commands, fields and values between backquotes; only `name: value` is an example in words."""
    for message in french:
        for old, new in _both(message) if message.id else ():
            quoted = set(re.findall(r"`([^`]+)`", old)) - {"name: value"}
            assert quoted <= set(re.findall(r"`([^`]+)`", new)), message.id


def test_french_typography(french: Catalog) -> None:
    for message in french:
        for _old, new in _both(message) if message.id else ():
            assert not re.search(r" [;:?!»](?=\s|$)|« ", new), new
            assert new == new.rstrip() or message.id.endswith(" "), new
            new.encode("latin-1")  # what an old terminal can show


def test_the_compiled_catalogue_is_this_one(french: Catalog) -> None:
    compiled = io.BytesIO()
    write_mo(compiled, french)
    assert (CATALOGUE / "ezcold.mo").read_bytes() == compiled.getvalue(), UPDATE


def _calls(tree: ast.AST, names: set[str]) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            yield node


def _at_import(tree: ast.Module) -> Iterator[ast.Call]:
    """Calls of `_` that run when the module is imported: outside any function."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"_", "ngettext"}:
            yield node
        waiting.extend(ast.iter_child_nodes(node))


def test_no_sentence_is_built_before_it_is_translated() -> None:
    """`_(f"...")` or `_("a" + b)` is looked up with the values in it, and never found."""
    built = (ast.JoinedStr, ast.BinOp)
    for file in _sources():
        for call in _calls(ast.parse(file.read_text(encoding="utf-8")), {"_", "ngettext", "N_"}):
            assert not any(isinstance(one, built) for one in call.args), f"{file}:{call.lineno}"
            inner = [one.func for one in call.args if isinstance(one, ast.Call)]
            formatted = [one for one in inner if isinstance(one, ast.Attribute) and one.attr == "format"]
            assert not formatted, f"{file}:{call.lineno}"


def test_no_sentence_hides_where_babel_does_not_look() -> None:
    """Babel does not read what stands inside the braces of an f-string."""
    extracted = _extracted()
    for file in _sources():
        for call in _calls(ast.parse(file.read_text(encoding="utf-8")), {"_", "ngettext", "N_"}):
            words = [one.value for one in call.args if isinstance(one, ast.Constant)]
            if len(words) == len(call.args):
                assert words[0] in extracted, f"{file}:{call.lineno}: not inside an f-string"
            elif isinstance(call.func, ast.Name) and call.func.id == "ngettext":
                assert tuple(words) in extracted, f"{file}:{call.lineno}"


def test_only_the_command_line_translates_at_import() -> None:
    """Its process speaks one language; a web server answers people of two."""
    for file in _sources():
        if "cli" in file.relative_to(ROOT).parts:
            continue
        early = [call.lineno for call in _at_import(ast.parse(file.read_text(encoding="utf-8")))]
        assert early == [], f"{file}: use N_() or a function"


@pytest.mark.parametrize("tag", ["fr", "fr_FR.UTF-8", "fr_CA", "fr-BE", "fr_FR@euro"])
def test_french_by_any_tag(tag: str) -> None:
    with i18n.speaking(tag):
        assert i18n._("all is well") == "tout va bien"
        assert i18n.ngettext("{n} error", "{n} errors", 0) == "{n} erreur"
        assert i18n.ngettext("{n} error", "{n} errors", 1) == "{n} erreur"
        assert i18n.ngettext("{n} error", "{n} errors", 2) == "{n} erreurs"


@pytest.mark.parametrize("tag", ["en", "en_US.UTF-8", "de_DE.UTF-8", "zz"])
def test_english_otherwise(tag: str) -> None:
    with i18n.speaking(tag):
        assert i18n._("all is well") == "all is well"
        assert i18n.ngettext("{n} error", "{n} errors", 0) == "{n} errors"


def test_a_request_has_its_own_language() -> None:
    with i18n.speaking("fr"):
        with i18n.speaking("en"):
            assert i18n._("by hand") == "by hand"
        assert i18n._("by hand") == "à la main"


@pytest.mark.parametrize("what", get_args(get_args(Launcher.model_fields["take"].annotation)[0]))
def test_whatever_a_launcher_takes_has_its_words(what: str) -> None:
    launcher = {
        "launcher": "a", "take": [what], "source": {"protocol": "imap", "connection": "c"},
        "routes": [{"extensions": ["*"], "send_to": ["s"]}],
    }  # fmt: skip
    assert "- Takes: " in in_words(Launcher.model_validate(launcher))


def _check(folder: Path, **language: str) -> tuple[int, str]:
    usual = ("EZCOLD_LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
    env = {key: value for key, value in os.environ.items() if key not in usual and not key.startswith("AIRFLOW")}
    env |= {"EZCOLD_HOME": str(folder / "home"), "AIRFLOW_HOME": str(folder / "airflow"), **language}
    call = [sys.executable, "-m", "ezcold_operators.cli", "check", str(folder / "wrong.yaml")]
    done = subprocess.run(call, env=env, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ({"EZCOLD_LANG": "fr"}, "champ inconnu\u00a0; vouliez-vous dire schedule\u00a0?"),
        ({"LC_ALL": "fr_FR.UTF-8"}, "champ inconnu\u00a0; vouliez-vous dire schedule\u00a0?"),
        ({"LC_ALL": "C", "EZCOLD_LANG": "fr"}, "champ inconnu\u00a0; vouliez-vous dire schedule\u00a0?"),
        ({"LC_ALL": "C"}, "unknown field; did you mean schedule?"),
        ({"LANG": "C.UTF-8"}, "unknown field; did you mean schedule?"),
        ({"LC_ALL": "fr_FR.UTF-8", "EZCOLD_LANG": "en"}, "unknown field; did you mean schedule?"),
        ({}, "unknown field; did you mean schedule?"),
    ],
)
def test_a_known_error_in_the_language_of_the_process(tmp_path: Path, language: dict[str, str], sentence: str) -> None:
    (tmp_path / "scenarios.yaml").write_text("scenarios: {a: {driver: folder, path: /a}}\n", encoding="utf-8")
    (tmp_path / "wrong.yaml").write_text(
        'launcher: wrong\nshedule: "@daily"\nsource: {protocol: folder, path: /in/*.*}\n'
        'routes: [{extensions: ["*"], send_to: [a]}]\n',
        encoding="utf-8",
    )
    code, said = _check(tmp_path, **language)
    assert code == 2
    assert sentence in said
