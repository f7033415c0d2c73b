"""The guide builds without a warning, and names only commands, fields and files that there are."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from ezcold_operators.cli.app import app
from ezcold_operators.config.loader import read_launcher

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*/*.md"))
EXAMPLE = re.compile(r"^( *)```yaml\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def test_it_builds_strictly(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", tmp_path / "trees", ROOT / "docs"]
    done = subprocess.run([*command, tmp_path / "html"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for page in ("index.html", "fr/premier-lanceur.html", "en/first-launcher.html"):
        assert (tmp_path / "html" / page).is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.stem}")
def test_every_launcher_in_it_is_right(page: Path, tmp_path: Path) -> None:
    for number, (_indent, text) in enumerate(EXAMPLE.findall(page.read_text("utf-8"))):
        lines = text.splitlines()
        margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        text = "\n".join(line[margin:] for line in lines)
        if not re.search(r"^launcher:", text, re.MULTILINE) or "..." in text:
            continue
        file = tmp_path / f"{number}.yaml"
        file.write_text(text, "utf-8")
        assert [str(problem) for problem in read_launcher(file).errors] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.stem}")
def test_every_command_in_it_exists(page: Path) -> None:
    group = typer.main.get_command(app)
    known = set(group.commands)  # type: ignore[attr-defined]
    named = set(re.findall(r"`ezcold ([a-z]+)", page.read_text("utf-8")))
    assert named <= known, named - known


def test_every_command_is_in_both_languages() -> None:
    known = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    for page in ("fr/commandes.md", "en/commands.md"):
        named = set(re.findall(r"`ezcold ([a-z]+)", (ROOT / "docs" / page).read_text("utf-8")))
        assert named == known, page
