"""What a person who sees badly, or not, or uses no mouse, would stumble over: axe, and what axe does not ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

LOOKING = (Path(__file__).parent / "looking.js").read_text(encoding="utf-8")
# Every rule that is on by default (WCAG 2.0 to 2.1, A and AA, and best practices), and the only one of WCAG 2.2.
OPTIONS: dict[str, Any] = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
# Playwright evaluates it by the browser's debugger, so that the pages' Content-Security-Policy stays in force.
_axe = Axe()


def stumbling(page: Page) -> list[str]:
    """One line for each thing found: `rule (impact): where`. Of any impact: the pages are to have none."""
    answer = _axe.run(page, options=OPTIONS).response
    assert answer["testEngine"]["name"] == "axe-core"
    found = [
        f"{one['id']} ({one['impact']}): {node['html'][:160]} – {' '.join((node['failureSummary'] or '').split())}"
        for one in answer["violations"]
        for node in one["nodes"]
    ]
    return found + page.evaluate(LOOKING)


def nothing(stumbled: dict[str, list[str]]) -> None:
    """Fail with every line, whole, if anything was found on one of the pages."""
    lines = [f"{page}: {line}" for page, found in stumbled.items() for line in found]
    if lines:
        pytest.fail("\n".join(lines), pytrace=False)
