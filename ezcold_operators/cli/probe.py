"""`ezcold test FILE`: is the source there, does it let us in, can every scenario take a document? Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from ezcold_operators import cold
from ezcold_operators.cli.context import load
from ezcold_operators.cli.output import labelled
from ezcold_operators.config.credentials import Credentials, resolve
from ezcold_operators.errors import EzcoldError
from ezcold_operators.i18n import _
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.rooms.base import ledger_url, make_source


def test(file: Path) -> int:
    """0 all well, 3 something is not."""
    launcher, scenarios, settings = load(file)
    connection = launcher.source.connection

    def source() -> Iterable[str]:
        with Ledger.open(ledger_url(settings, resolve)) as ledger:
            credentials = resolve(connection) if connection else Credentials()
            return list(make_source(launcher, ledger, settings).probe(credentials))

    good = _probe(_("source {protocol}").format(protocol=launcher.source.protocol), source)
    for name in launcher.scenarios:
        scenario = scenarios[name]

        def entrance(scenario: object = scenario) -> Iterable[str]:
            conn = scenario.connection  # type: ignore[attr-defined]
            return cold.create(scenario).probe(resolve(conn) if conn else None)  # type: ignore[arg-type]

        good = _probe(_("scenario {id}").format(id=name), entrance) and good
    return 0 if good else 3


def _probe(what: str, look: Callable[[], Iterable[str]]) -> bool:
    try:
        sentences = list(look())
    except EzcoldError as exc:
        print(labelled(what, exc))
        return False
    print(labelled(what, _("all is well")))
    for sentence in sentences:
        print(f"  {sentence}")
    return True
