"""`ezcold quarantine list | replay | dismiss`: what waits for a person, and their decisions on it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ezcold_operators.cli.context import living, new_decision, open_ledger
from ezcold_operators.cli.output import print_json
from ezcold_operators.config.settings import Settings
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _, ngettext
from ezcold_operators.ledger import people
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.rooms import replay as rooms
from ezcold_operators.stage import Stage


def show(launcher: str | None, as_json: bool) -> int:
    """0: every item in quarantine, and what launchers without a file still owe."""
    with open_ledger() as (ledger, settings):
        gone = rooms.gone(ledger, living(settings))
        with ledger.read() as conn:
            items = people.describe(conn, people.quarantined(conn, launcher))
    if launcher is not None:
        gone = {name: counts for name, counts in gone.items() if name == launcher}
    if as_json:
        print_json({"items": items, "gone": [{"launcher": name, **counts} for name, counts in gone.items()]})
        return 0
    for one in items:
        _show(one)
    for name, counts in gone.items():
        text = _("{id} has no file any more: {items} items not settled, {owed} deliveries owed, {held} in quarantine")
        print(text.format(id=name, items=counts["items"], owed=counts["owed"], held=counts["quarantined"]))
    if not items and not gone:
        print(_("nothing is in quarantine"), file=sys.stderr)
    return 0


def replay(items: Sequence[int], launcher: str | None, everything: bool, as_json: bool) -> int:
    """0, or 1 if nothing of what was named is in quarantine."""
    by = new_decision()
    with open_ledger() as (ledger, settings):
        chosen = _chosen(ledger, items, launcher, everything)
        done = rooms.replay(ledger, Stage(settings.home / "stage"), by, chosen)
        unpaid = _without_file(ledger, settings, done)
    text = ngettext("{n} item out of quarantine: the next run takes it on",
                    "{n} items out of quarantine: the next run takes them on", len(done))  # fmt: skip
    _answer("replayed", chosen, done, text, as_json)
    for name in unpaid:
        text = _("{id} has no file any more, so no run pays what it owes: use `ezcold resend`, or dismiss it")
        print(text.format(id=name), file=sys.stderr)
    return 0 if done else 1


def dismiss(
    items: Sequence[int], launcher: str | None, everything: bool, owed: bool, reason: str, as_json: bool
) -> int:
    """0, or 1 if nothing of what was named could be given up."""
    by = new_decision(reason)
    if not by.reason:
        raise ConfigurationError(_("say why it is dismissed: --reason '...'"))
    with open_ledger() as (ledger, settings):
        if launcher is not None and launcher not in living(settings):
            owed = True
        if owed and launcher is not None:
            with ledger.read() as conn:
                chosen = people.unfinished(conn, launcher)
        else:
            chosen = _chosen(ledger, items, launcher, everything)
        done = rooms.dismiss(ledger, by, chosen, owed)
    text = ngettext("{n} item dismissed: it stays at its source as it is",
                    "{n} items dismissed: they stay at their source as they are", len(done))  # fmt: skip
    _answer("dismissed", chosen, done, text, as_json)
    return 0 if done else 1


def _chosen(ledger: Ledger, items: Sequence[int], launcher: str | None, everything: bool) -> list[int]:
    """The items that were named, in exactly one way."""
    if bool(items) + (launcher is not None) + everything != 1:
        raise ConfigurationError(_("say which: ids of items (`ezcold quarantine list`), --launcher ID, or --all"))
    with ledger.read() as conn:
        if not items:
            return people.quarantined(conn, launcher)
        found = people.existing(conn, items)
    for missing in sorted(set(items) - set(found)):
        print(_("there is no item {id}").format(id=missing), file=sys.stderr)
    return found


def _without_file(ledger: Ledger, settings: Settings, done: Sequence[int]) -> list[str]:
    with ledger.read() as conn:
        names = {one["launcher"] for one in people.describe(conn, done)}
    return sorted(names - living(settings))


def _answer(what: str, chosen: Sequence[int], done: Sequence[int], text: str, as_json: bool) -> None:
    left = sorted(set(chosen) - set(done))
    if as_json:
        print_json({what: list(done), "left": left})
        return
    print(text.format(n=len(done)) if done else _("nothing was changed"))
    for item_id in left:
        print(_("item {id} is not in quarantine").format(id=item_id), file=sys.stderr)


def _show(one: dict[str, Any]) -> None:
    since = datetime.fromtimestamp(one["since"]).astimezone().strftime("%Y-%m-%d %H:%M") if one["since"] else "?"
    print(f"{one['id']}  {one['launcher']}  {since}  {one['subject'] or one['name'] or one['source']}")
    reasons = [one["reason"], *(d["reason"] for d in one["documents"])]
    reasons += [f"{d['scenario']}: {d['error']}" for d in one["deliveries"]]
    for reason in dict.fromkeys(reason for reason in reasons if reason):
        print(f"    {reason}")
