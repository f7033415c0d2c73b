"""`ezcold status`: how every launcher stands, what lies on the disk; `ezcold prune`: what the ledger may forget."""

from __future__ import annotations

import re
import time
from dataclasses import asdict
from typing import Any

from ezcold_operators.cli.context import living, open_ledger
from ezcold_operators.cli.output import print_json
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _, ngettext
from ezcold_operators.ledger import retention, watching
from ezcold_operators.ledger.watching import Standing
from ezcold_operators.rooms import prune as room

UNITS = {"d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}


def status(as_json: bool) -> int:
    """0, whatever is found: the maintenance DAG is what complains."""
    now = time.time()
    with open_ledger() as (ledger, settings):
        with ledger.read() as conn:
            standings = watching.standings(conn, now)
        disk = room.disk(settings.home)
        files = living(settings)
    for name in files:
        standings.setdefault(name, Standing(name))
    if as_json:
        rows = [{**asdict(one), "file": name in files} for name, one in sorted(standings.items())]
        print_json({"launchers": rows, "disk": asdict(disk), "home": str(settings.home)})
        return 0
    for name, one in sorted(standings.items()):
        print(name if name in files else _("{id} (no file any more)").format(id=name))
        for line in _lines(one, now, disk.backups.get(name, 0)):
            print(f"  {line}")
    text = _("{home}: stage {stage}, backups {backups}, {free} free of {total}")
    sizes = {"stage": disk.stage, "backups": sum(disk.backups.values()), "free": disk.free, "total": disk.total}
    print(text.format(home=settings.home, **{key: human(value) for key, value in sizes.items()}))
    return 0


def _lines(one: Standing, now: float, backup: int) -> list[str]:
    lines = [
        _("{items} items, {waiting} on their way, {held} in quarantine").format(
            items=one.items, waiting=one.waiting, held=one.quarantined
        )
    ]
    if one.owed:
        age = _age(now - (one.oldest_owed or now))
        lines.append(_("{n} deliveries owed, the oldest for {age}").format(n=one.owed, age=age))
    if one.last_item is not None:
        lines.append(_("last item taken {age} ago").format(age=_age(now - one.last_item)))
    if one.last_activity is not None:
        text = _("last at work {age} ago, in {run}")
        lines.append(text.format(age=_age(now - one.last_activity), run=one.last_run))
    if backup:
        lines.append(_("backup {size}").format(size=human(backup)))
    return lines


def _age(seconds: float) -> str:
    minutes = int(max(0.0, seconds) // 60)
    if minutes < 120:
        return _("{n} min").format(n=minutes)
    return _("{n} h").format(n=minutes // 60) if minutes < 48 * 60 else _("{n} days").format(n=minutes // 1440)


def human(size: float) -> str:
    """Bytes for a person, in powers of 1000."""
    units = (_("{n} B"), _("{n} kB"), _("{n} MB"), _("{n} GB"), _("{n} TB"))
    power = 0
    while size >= 1000 and power < len(units) - 1:
        size, power = size / 1000, power + 1
    return units[power].format(n=f"{size:.1f}" if power and size < 10 else f"{size:.0f}")


def prune(older_than: str, dry_run: bool, as_json: bool) -> int:
    """0; the events of items settled so long ago are gone, and only those."""
    keep = seconds(older_than)
    with open_ledger() as (ledger, _settings):
        if dry_run:
            with ledger.read() as conn:
                n = retention.forgettable(conn, time.time() - keep)
        else:
            n = room.prune(ledger, keep)
    answer: dict[str, Any] = {"events": n, "removed": not dry_run}
    text = (
        ngettext("{n} event would be removed", "{n} events would be removed", n)
        if dry_run
        else ngettext("{n} event removed", "{n} events removed", n)
    )
    print_json(answer) if as_json else print(text.format(n=n))
    return 0


def seconds(text: str) -> float:
    """`400d`, `52w`, `2y` in seconds.

    :raises ConfigurationError: it is no such length of time, or shorter than a day.
    """
    match = re.fullmatch(r"([1-9][0-9]{0,5})([dwy])", text.strip())
    if match is None:
        raise ConfigurationError(_("{text} is no length of time: write 400d, 52w or 2y").format(text=text))
    return float(match.group(1)) * UNITS[match.group(2)]
