"""Which file serves which driver. Files are imported when their driver is used: a DAG's parse stays fast."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from ezcold_operators.cold.base import Driver
from ezcold_operators.config.scenario import Scenario
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _

DRIVERS: dict[str, str] = {
    "folder": "ezcold_operators.cold.folder:create",
    "ezged": "ezcold_operators.cold.ezged:create",
}


def create(scenario: Scenario) -> Driver:
    """The driver of a scenario; no I/O.

    :raises ConfigurationError: no such driver, its file is not part of this installation, or the scenario is wrong.
    """
    try:
        module, function = DRIVERS[scenario.driver].split(":")
    except KeyError:
        raise ConfigurationError(_("there is no driver {driver}").format(driver=scenario.driver)) from None
    try:
        found = import_module(module)
    except ModuleNotFoundError as exc:
        raise ConfigurationError(
            _("driver {driver} needs {module}, which is not installed").format(driver=scenario.driver, module=exc.name)
        ) from exc
    return cast(Driver, getattr(found, function)(scenario))
