"""`ezcold check [PATH ...]`: launchers and scenarios, without touching any source."""

from __future__ import annotations

import sys
from pathlib import Path

from ezcold_operators.config import check as checks
from ezcold_operators.config import credentials as connections
from ezcold_operators.config.settings import Settings
from ezcold_operators.i18n import _, ngettext


def check(paths: list[Path]) -> int:
    """0 or 2; every problem on its own line."""
    from ezcold_operators.cli.context import airflow_connection, ledger_name

    settings = Settings.from_env()
    connections.set_fallback(airflow_connection)
    print(_("ledger: {url}").format(url=ledger_name(settings)), file=sys.stderr)
    problems = checks.check(paths or [settings.launchers_dir])
    for problem in problems:
        print(problem)
    errors = sum(1 for problem in problems if problem.severity == "error")
    if errors:
        print(ngettext("{n} error", "{n} errors", errors).format(n=errors), file=sys.stderr)
        return 2
    print(_("all is well"), file=sys.stderr)
    return 0
