"""The guide's table of dependencies, and its table of extras, are those of the project."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.mark.parametrize("page", ["fr/installation.md", "en/installation.md"])
def test_the_guide_names_every_extra_and_no_other(page: str) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")
    table = text[text.index("| extra |") :].split("\n\n")[0]
    named = set(re.findall(r"`([a-z]+)`", re.sub(r"\|[^|]*\|$", "|", table, flags=re.MULTILINE)))
    assert named == set(PROJECT["optional-dependencies"]) - {"all"}


def test_every_library_that_is_imported_is_in_the_table_of_dependencies() -> None:
    table = (ROOT / "docs/en/dependencies.md").read_text("utf-8").lower()
    names = {"imapclient", "httpx2", "msal", "asn1crypto", "cryptography", "lxml", "regex", "pathvalidate", "pydantic",
             "pyyaml", "sqlalchemy", "alembic", "typer", "rich", "structlog", "jinja2",
             "pendulum"}  # fmt: skip
    extras = {re.split(r"[<>=\[]", one)[0] for some in PROJECT["optional-dependencies"].values() for one in some}
    names |= {name for name in extras if not name.startswith(("apache-", "ezcold"))}
    assert {name for name in names if name.lower() not in table} == set()
