"""structlog, imported when something is first logged: an idle run logs nothing, and would take a sixth longer."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

INFO = logging.INFO
_level = logging.NOTSET


def quiet() -> None:
    """Logs to stderr, warnings and worse only (EZCOLD_LOG: another level); again after Airflow set up its own."""
    global _level
    level = logging.getLevelName(os.environ.get("EZCOLD_LOG", "WARNING").upper())
    _level = level if isinstance(level, int) else logging.WARNING
    if "structlog" in sys.modules:
        import structlog

        structlog.configure(
            wrapper_class=structlog.make_filtering_bound_logger(_level),
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        )


def enabled(level: int) -> bool:
    """Whether a line of this level is written at all."""
    return level >= _level


def info(event: str, **fields: Any) -> None:
    """What happens."""
    _write(logging.INFO, event, fields)


def warning(event: str, **fields: Any) -> None:
    """What a person may have to look at; the run goes on."""
    _write(logging.WARNING, event, fields)


def _write(level: int, event: str, fields: dict[str, Any]) -> None:
    if not enabled(level):
        return
    import structlog

    # As Airflow configured it; on the command line nobody did.
    logger = structlog.get_logger("ezcold")
    if _level != logging.NOTSET:
        logger = structlog.wrap_logger(structlog.PrintLogger(sys.stderr))
    logger.log(level, event, **fields)
