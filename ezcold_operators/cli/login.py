"""`ezcold login FILE`: device-code sign-in of a Microsoft 365 launcher."""

from __future__ import annotations

import sys
from pathlib import Path

from ezcold_operators.cli.context import load
from ezcold_operators.config.credentials import Credentials, resolve
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _


def login(file: Path) -> int:
    """0 signed in; errors are raised."""
    launcher, _scenarios, settings = load(file)
    if launcher.source.protocol != "o365":
        raise ConfigurationError(
            _("{id} is an {protocol} launcher: only o365 launchers sign in with a code").format(
                id=launcher.launcher, protocol=launcher.source.protocol
            )
        )
    from ezcold_operators.ledger.accounts import AccountStore
    from ezcold_operators.ledger.ledger import Ledger
    from ezcold_operators.rooms.base import ledger_url
    from ezcold_operators.sources.o365 import device_login

    connection = launcher.source.connection
    credentials = resolve(connection) if connection else Credentials()
    with Ledger.open(ledger_url(settings, resolve)) as ledger:
        account = device_login(launcher, credentials, AccountStore(ledger, settings.fernet_key), _tell)
    print(_("{account} is linked to {id}").format(account=account, id=launcher.launcher))
    return 0


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
