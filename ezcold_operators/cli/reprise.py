"""`ezcold reprise FILE FROM TO`: the backfill of a legacy archive, in the launcher's own days; what it leaves out."""

from __future__ import annotations

import sys
import time
from contextlib import redirect_stdout
from datetime import date
from pathlib import Path
from typing import Any

from ezcold_operators import log
from ezcold_operators.cli.context import load, progress
from ezcold_operators.cli.output import print_json
from ezcold_operators.config.credentials import Credentials, resolve
from ezcold_operators.config.launcher import Launcher
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _, ngettext
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.rooms import reprise as room
from ezcold_operators.rooms.base import ledger_url, make_source
from ezcold_operators.rooms.reprise import Survey, Why
from ezcold_operators.sources.base import Listed


def reprise(
    file: Path, start: str, end: str, *, dry_run: bool, again: bool, parallel: int | None, as_json: bool
) -> int:
    """0, or an error is raised."""
    launcher, _scenarios, settings = load(file)
    wanted = room.intervals(launcher, _day(start), _day(end))
    # Each run keeps the launcher's pace by itself, so that two at once go at twice the pace.
    at_once = parallel or (1 if launcher.limits.per_minute else 2)
    paused = None if dry_run else _paused(launcher.launcher)
    outside: list[dict[str, Any]] = []

    def tell(listed: Listed, why: Why) -> None:
        if as_json:
            outside.append({"item": listed.name or listed.key, "date": listed.date, "why": why})
        else:
            print(f"{_why(why)}: {listed.name or listed.key}")

    credentials = resolve(launcher.source.connection) if launcher.source.connection else Credentials()
    began = time.time()
    with progress() as show, Ledger.open(ledger_url(settings, resolve)) as ledger:
        with make_source(launcher, ledger, settings).open(credentials) as session:
            found = room.survey(ledger, launcher, session, wanted, tell, lambda n: show("reprise", n, None))
        if not dry_run:
            room.keep(ledger, launcher, "reprise", found, began)
    if not dry_run:
        from ezcold_operators.operators import backfills

        backfills.create(launcher.launcher, wanted[0].start, wanted[-1].start, at_once, again)
    if as_json:
        print_json(_plain(launcher, found, outside, at_once, created=not dry_run, paused=paused))
    else:
        _show(launcher, found, at_once, created=not dry_run, paused=bool(paused))
    return 0


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(_("{text} is no day: write it as 2024-01-31").format(text=text)) from None


def _paused(dag_id: str) -> bool:
    with redirect_stdout(sys.stderr):
        from ezcold_operators.operators import backfills

        paused = backfills.is_paused(dag_id)
    log.quiet()
    return paused


def _plain(
    launcher: Launcher,
    found: Survey,
    outside: list[dict[str, Any]],
    at_once: int,
    *,
    created: bool,
    paused: bool | None,
) -> dict[str, Any]:
    return {
        "launcher": launcher.launcher, "created": created, "paused": paused, "intervals": list(room.shown(found)),
        "done": sum(one.done for one in found.intervals), "left": found.left,
        "quarantined": sum(one.quarantined for one in found.intervals),
        "minutes_left": room.minutes_left(launcher, found.left, at_once), "uncovered": outside,
    }  # fmt: skip


def _show(launcher: Launcher, found: Survey, at_once: int, *, created: bool, paused: bool) -> None:
    for one in found.intervals:
        if one.done or one.left or one.quarantined:
            text = _("{first} to {last}: {done} done, {left} left, {held} in quarantine")
            days = {"first": one.start.date(), "last": one.end.date()}
            print(text.format(**days, done=one.done, left=one.left, held=one.quarantined))
    n = len(found.intervals)
    text = ngettext("{n} interval, {left} items left", "{n} intervals, {left} items left", n)
    print(text.format(n=n, left=found.left))
    minutes = room.minutes_left(launcher, found.left, at_once)
    if minutes and launcher.limits.per_minute:
        rate = launcher.limits.per_minute * at_once
        print(_("at {rate} a minute: about {minutes} minutes").format(rate=rate, minutes=minutes))
    n = sum(found.uncovered.values())
    if n:
        text = ngettext("{n} item is in no interval: see above", "{n} items are in no interval: see above", n)
        print(text.format(n=n))
    if created:
        text = _("the backfill is created: follow, pause or cancel it in Airflow, DAG {id}")
        print(text.format(id=launcher.launcher))
    if created and paused:
        print(_("the DAG {id} is paused: unpause it, or nothing starts").format(id=launcher.launcher), file=sys.stderr)


def _why(why: Why) -> str:
    return {
        "undated": _("without a date"),
        "before": _("before the first interval"),
        "after": _("after the last interval that is over"),
    }[why]
