"""`ezcold export`: documents of an item, of what a text finds, or of a day, into a folder."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from ezcold_operators.cli.context import open_ledger
from ezcold_operators.cli.output import print_json
from ezcold_operators.config import rules
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _, ngettext
from ezcold_operators.rooms import export as room
from ezcold_operators.rooms import replay
from ezcold_operators.rooms.export import Exported
from ezcold_operators.stage import Stage


def export(
    what: str | None, day: str | None, launcher: str | None, zone: str, target: Path, as_json: bool
) -> int:  # fmt: skip
    """0 all there; 1 nothing found, or the bytes of some are gone."""
    if (what is None) == (day is None):
        raise ConfigurationError(_("say what: an item's id or a text as for `ezcold why`, or --day 2026-01-31"))
    if not rules.is_timezone(zone):
        raise ConfigurationError(_("{zone} is no time zone, such as Europe/Paris or Indian/Reunion").format(zone=zone))
    done: list[Exported] = []
    with open_ledger() as (ledger, settings):
        items = replay.find(ledger, what) if what is not None else []
        with ledger.read() as conn:
            if day is None:
                rows = list(room.of_items(conn, items))
            else:
                rows = list(room.of_day(conn, _day(day), ZoneInfo(zone), launcher))
        for one in room.export(Stage(settings.home / "stage"), settings.home, rows, target):
            done.append(one)
            if one.file is None:
                text = _("{name}: its bytes are neither in the stage nor in a backup any more")
                print(text.format(name=f"d{one.document_id} {one.name}"), file=sys.stderr)
            elif not as_json:
                print(one.file)
    there = [one for one in done if one.file is not None]
    if as_json:
        print_json(
            {"exported": [{"document": one.document_id, "file": one.file} for one in there],
             "gone": [one.document_id for one in done if one.file is None]}
        )  # fmt: skip
    else:
        n = len(there)
        print(ngettext("{n} document exported", "{n} documents exported", n).format(n=n), file=sys.stderr)
    return 0 if done and len(there) == len(done) else 1


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(_("{text} is no day: write it as 2024-01-31").format(text=text)) from None
