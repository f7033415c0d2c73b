"""`ezcold check [PATH ...]`: launchers and scenarios, without touching any source."""

from __future__ import annotations

import sys
from pathlib import Path

from ezcold_operators.config import check as checks
from ezcold_operators.config import credentials as connections
from ezcold_operators.config import loader
from ezcold_operators.config.settings import Settings
from ezcold_operators.errors import ConfigurationError, Unavailable
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
    try:
        for sentence in _expiring(paths or [settings.launchers_dir], settings):
            print(sentence)
    except Unavailable as exc:  # what was asked is whether the files are right, and that needs no ledger
        print(exc, file=sys.stderr)
    errors = sum(1 for problem in problems if problem.severity == "error")
    if errors:
        print(ngettext("{n} error", "{n} errors", errors).format(n=errors), file=sys.stderr)
        return 2
    print(_("all is well"), file=sys.stderr)
    return 0


def _expiring(paths: list[Path], settings: Settings) -> list[str]:
    """Secrets and tokens of Microsoft 365 launchers that end soon, as far as that is known here."""
    files = [file for path in paths for file in (loader.launcher_files(path) if path.is_dir() else [path])]
    launchers = [one.launcher for file in files if (one := loader.read_launcher(file)).launcher is not None]
    signed = [one for one in launchers if one is not None and one.source.protocol == "o365"]
    if not signed:
        return []
    from ezcold_operators.ledger.accounts import AccountStore
    from ezcold_operators.ledger.ledger import Ledger
    from ezcold_operators.rooms.base import ledger_url
    from ezcold_operators.sources.o365 import expiry_warnings

    said: list[str] = []
    with Ledger.open(ledger_url(settings, connections.resolve)) as ledger:
        store = AccountStore(ledger, settings.fernet_key)
        for launcher in signed:
            try:
                credentials = connections.resolve(str(launcher.source.connection))
                said += [f"{launcher.launcher}: {text}" for text in expiry_warnings(launcher, credentials, store)]
            except ConfigurationError:
                continue  # check does not ask for Connections: `ezcold test` does
    return said
