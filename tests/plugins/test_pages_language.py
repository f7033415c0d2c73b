"""Every sentence of the pages is there in French, with the same fields; the browser chooses."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import pytest

from tests.plugins.conftest import PLUGINS

UI = PLUGINS / "ezcold_ui"
TEMPLATE = re.compile(r"""\bt\(("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""")
COUNTED = re.compile(r"""\btn\(("(?:[^"\\]|\\.)*"), ("(?:[^"\\]|\\.)*")""")


def of_template(file: Path) -> set[str]:
    text = file.read_text(encoding="utf-8")
    found = {ast.literal_eval(match) for match in TEMPLATE.findall(text)}
    return found | {ast.literal_eval(one) for pair in COUNTED.findall(text) for one in pair}


def of_module(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("t", "tn"):
            args = node.args[: 2 if node.func.id == "tn" else 1]
            found |= {arg.value for arg in args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)}
    return found


def sentences() -> set[str]:
    from ezcold_ui import editor, launchers, work

    found = {*launchers.PROTOCOLS.values(), "File gone", work.NOT_YET, editor.GONE}
    for file in (UI / "templates").glob("*.html"):
        found |= of_template(file)
    for file in UI.glob("*.py"):
        found |= of_module(file)
    return found


def fields(text: str) -> set[str]:
    return {name for _text, name, _format, _conversion in string.Formatter().parse(text) if name}


def test_every_sentence_is_there_in_french_with_its_fields() -> None:
    from ezcold_ui.language import sentences as known

    french, wanted = known("fr"), sentences()
    assert len(wanted) > 150
    assert sorted(wanted - set(french)) == []
    assert sorted(set(french) - wanted) == []
    assert {text: fields(french[text]) for text in wanted if fields(text) != fields(french[text])} == {}


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("fr-FR,fr;q=0.9,en;q=0.8", "fr"),
        ("en-US,en;q=0.9,fr;q=0.8", "en"),
        ("de;q=1,fr;q=0.5,en;q=0.1", "fr"),
        ("de", "en"),
        ("", "en"),
        ("fr;q=0", "en"),
        ("fr;q=x,en", "en"),
        (",;q=,,", "en"),
    ],
)
def test_the_browser_chooses(accept: str, language: str) -> None:
    from ezcold_ui.language import choose

    assert choose(accept) == language
