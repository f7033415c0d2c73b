"""What every command says in the same way: JSON alone on stdout, logs on stderr and only from a level on."""

from __future__ import annotations

from typing import Any

from ezcold_operators.i18n import _


def print_json(value: Any) -> None:
    """One JSON value alone on stdout."""
    import json

    print(json.dumps(value, ensure_ascii=False, default=str), flush=True)


def labelled(label: str, value: object) -> str:
    """`label: value`, with the colon as the language sets it."""
    return _("{label}: {value}").format(label=label, value=value)
