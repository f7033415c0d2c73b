"""`ezcold resend ITEM|DOCUMENT --to SCENARIO`: a document once more, or to a scenario that never had it."""

from __future__ import annotations

import sys
from typing import Any

from ezcold_operators.cli.context import new_decision, open_ledger
from ezcold_operators.cli.output import print_json
from ezcold_operators.config import loader
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _, ngettext
from ezcold_operators.ledger import people
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.rooms import replay as rooms
from ezcold_operators.stage import Stage

DOCUMENT = "d"
"""What an id of a document begins with: `d12` is document 12, `12` is item 12."""


def resend(what: str, scenario: str, reason: str, as_json: bool) -> int:
    """0 sent, 1 refused or unknown; 3 if the scenario cannot be reached now (then it stays owed)."""
    with open_ledger() as (ledger, settings):
        scenarios = loader.load_scenarios(loader.find_scenarios(settings.launchers_dir))
        if scenario not in scenarios:
            raise ConfigurationError(_("there is no scenario {id} in scenarios.yaml").format(id=scenario))
        rows = _documents(ledger, what)
        if not rows:
            print(_("no document known as {text}: see `ezcold why`").format(text=what), file=sys.stderr)
            return 1
        stage = Stage(settings.home / "stage")
        answer = rooms.resend(ledger, stage, settings, new_decision(reason), rows, scenarios[scenario])
    if as_json:
        print_json({**answer, "documents": [row.id for row in rows]})
    else:
        n = answer["sent"]
        print(ngettext("{n} document sent to {to}", "{n} documents sent to {to}", n).format(n=n, to=scenario))
    for error in answer["errors"]:
        print(error, file=sys.stderr)
    return 0 if answer["sent"] == answer["resent"] else 1


def _documents(ledger: Ledger, what: str) -> list[Any]:
    """`12` and `i12` an item, `d12` a document; of an item, what was not left out (all of it if all was)."""
    kind, number = (what[0], what[1:]) if what[:1].isalpha() else ("i", what)
    if kind not in ("i", DOCUMENT) or not number.isdigit():
        raise ConfigurationError(_("write the id of an item (12) or of a document (d12): see `ezcold why`"))
    with ledger.read() as conn:
        if kind == DOCUMENT:
            return people.documents(conn, document_id=int(number))
        found = people.documents(conn, item_id=int(number))
    return [row for row in found if row.verdict != "rejected"] or found
