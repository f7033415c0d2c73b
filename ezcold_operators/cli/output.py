"""What every command says in the same way: JSON alone on stdout, logs on stderr and only from a level on."""

from __future__ import annotations

import os
import sys
from typing import Any

from ezcold_operators.i18n import _


def quiet_logs() -> None:
    """Logs to stderr, warnings and worse only (EZCOLD_LOG: another level); again after Airflow set up its own."""
    import logging

    import structlog

    level = logging.getLevelName(os.environ.get("EZCOLD_LOG", "WARNING").upper())
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level if isinstance(level, int) else logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def print_json(value: Any) -> None:
    """One JSON value alone on stdout."""
    import json

    print(json.dumps(value, ensure_ascii=False, default=str), flush=True)


def labelled(label: str, value: object) -> str:
    """`label: value`, with the colon as the language sets it."""
    return _("{label}: {value}").format(label=label, value=value)
