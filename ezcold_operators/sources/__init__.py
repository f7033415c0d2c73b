"""Which file serves which protocol. Files are imported when their protocol is used: a DAG's parse stays fast."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from ezcold_operators.config.launcher import Launcher
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _
from ezcold_operators.sources.base import Source

PROTOCOLS: dict[str, str] = {
    "imap": "ezcold_operators.sources.imap:create",
    "pop": "ezcold_operators.sources.pop:create",
    "folder": "ezcold_operators.sources.folder:create",
    "o365": "ezcold_operators.sources.o365:create",
    "adullact": "ezcold_operators.sources.adullact:create",
}


def create(launcher: Launcher) -> Source:
    """The source of a launcher; no I/O.

    :raises ConfigurationError: no such protocol, or its file is not part of this installation.
    """
    protocol = launcher.source.protocol
    try:
        module, function = PROTOCOLS[protocol].split(":")
    except KeyError:
        raise ConfigurationError(_("there is no protocol {protocol}").format(protocol=protocol)) from None
    try:
        found = import_module(module)
    except ModuleNotFoundError as exc:
        raise ConfigurationError(
            _("protocol {protocol} needs {module}, which is not installed").format(protocol=protocol, module=exc.name)
        ) from exc
    return cast(Source, getattr(found, function)(launcher))
