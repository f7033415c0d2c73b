"""What a person must be told without asking: silence, debts, a growing quarantine, sign-ins that end, a full disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import Launcher
from ezcold_operators.config.settings import Settings
from ezcold_operators.errors import EzcoldError
from ezcold_operators.i18n import _
from ezcold_operators.ledger import watching
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.ledger.watching import DAY, Standing
from ezcold_operators.rooms import prune

OWED_SECONDS = DAY


def alarms(
    ledger: Ledger,
    settings: Settings,
    launchers: Iterable[Launcher],
    credentials: Callable[[str], Credentials],
    now: float | None = None,
    known: Iterable[str] = (),
) -> list[str]:
    """One sentence for each thing that a person should see to; empty when all is well.

    :param known: ids of launchers whose file is wrong: they are no launchers now, but not gone either.
    :raises LedgerUnavailable: everything else is a sentence.
    """
    moment = time.time() if now is None else now
    living = {one.launcher: one for one in launchers}
    with ledger.read() as conn:
        standings = watching.standings(conn, moment)
    found: list[str] = []
    for name, standing in standings.items():
        found += _of_one(standing, moment)
        if name not in living and name not in set(known) and (standing.waiting or standing.owed):
            text = _("{id}: has no file any more and still owes: `ezcold quarantine list`, then resend or dismiss")
            found.append(text.format(id=name))
    for launcher in living.values():
        found += _silence(ledger, launcher, moment)
        found += _expiry(ledger, settings, launcher, credentials, moment)
    return [*found, *_disk(settings)]


def _of_one(one: Standing, now: float) -> Iterator[str]:
    if one.quarantined_since_yesterday:
        text = _("{id}: {n} items came into quarantine since yesterday, {all} are there: `ezcold quarantine list`")
        yield text.format(id=one.launcher, n=one.quarantined_since_yesterday, all=one.quarantined)
    if one.oldest_owed is not None and now - one.oldest_owed > OWED_SECONDS:
        text = _("{id}: {n} deliveries are owed, the oldest for {hours} hours: is its scenario there, is the DAG on?")
        yield text.format(id=one.launcher, n=one.owed, hours=int((now - one.oldest_owed) // 3600))


def _silence(ledger: Ledger, launcher: Launcher, now: float) -> Iterator[str]:
    """Only of launchers that run by themselves."""
    if launcher.reprise is not None or launcher.schedule is None:
        return
    with ledger.read() as conn:
        usual = watching.rhythm(conn, launcher.launcher, now)
    if usual is not None and usual.is_silent:
        text = _("{id}: normally gets {n} a day, nothing for {days} days: is the source still fed, is the DAG on?")
        yield text.format(id=launcher.launcher, n=_about(usual.a_day), days=int(usual.silence // DAY))


def _about(number: float) -> str:
    return f"{number:.0f}" if number >= 2 else f"{number:.1f}"


def _expiry(
    ledger: Ledger, settings: Settings, launcher: Launcher, credentials: Callable[[str], Credentials], now: float
) -> list[str]:
    if launcher.source.protocol != "o365" or not launcher.source.connection:
        return []
    from ezcold_operators.ledger.accounts import AccountStore
    from ezcold_operators.sources.graph.login import expiry_warnings

    try:
        connection = credentials(launcher.source.connection)
        store = AccountStore(ledger, settings.fernet_key)
        found = expiry_warnings(launcher, connection, store, datetime.fromtimestamp(now, UTC))
    except EzcoldError as exc:
        found = [str(exc)]
    return [f"{launcher.launcher}: {sentence}" for sentence in found]


def _disk(settings: Settings) -> Iterator[str]:
    found = prune.disk(settings.home)
    if found.is_tight:
        text = _("the disk of {home} has {free} GB left: make room, or nothing can be taken soon")
        yield text.format(home=settings.home, free=f"{found.free / 1e9:.1f}")


def metrics(standings: Mapping[str, Standing], now: float) -> Iterator[tuple[str, str, float]]:
    """(launcher, gauge, value): owed, quarantined, age of the oldest owed in seconds."""
    for name, one in standings.items():
        yield name, "owed", one.owed
        yield name, "in_quarantine", one.quarantined
        yield name, "oldest_owed_seconds", max(0.0, now - one.oldest_owed) if one.oldest_owed is not None else 0.0


def debts(ledger: Ledger, launcher: str, now: float) -> list[tuple[str, str, float]]:
    """The gauges of one launcher after a run: cheap, asked every time."""
    with ledger.read() as conn:
        owed, oldest = watching.debts(conn, launcher)
    age = max(0.0, now - oldest) if oldest is not None else 0.0
    return [(launcher, "owed", owed), (launcher, "oldest_owed_seconds", age)]
