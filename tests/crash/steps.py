"""The table of steps, read from the source: every literal `step("...")` and `transaction("...")` of the package."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "ezcold_operators"
MARKERS = {"step", "transaction"}


def steps_in_source() -> dict[str, list[str]]:
    """Step name -> where it stands."""
    found: dict[str, list[str]] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            first = node.args[0]
            if name in MARKERS and isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.setdefault(first.value, []).append(f"{file.relative_to(PACKAGE.parent)}:{node.lineno}")
    return found


def unnamed_effects() -> list[str]:
    """Calls of `step`/`transaction` whose name is not a literal: the table could not know them."""
    bad = []
    for file in sorted(PACKAGE.rglob("*.py")):
        if file.name == "ledger.py":  # Ledger.transaction passes its own literal on
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            named = isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "step" and not named:
                bad.append(f"{file.relative_to(PACKAGE.parent)}:{node.lineno}")
    return bad
