"""Why a launcher fails, in words: from what its last failed run told the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ezcold_operators.config.launcher import Launcher
from ezcold_operators.ledger import troubles
from ezcold_operators.ledger.ledger import Ledger
from ezcold_ui import data
from ezcold_ui.language import t
from ezcold_ui.scheduler import Timing


@dataclass(frozen=True, slots=True)
class Failing:
    """A launcher whose runs have failed since its last good one."""

    since: datetime
    kind: str = ""
    """As the ledger calls the first cause; empty where no room failed: items are at fault."""
    sentences: Sequence[str] = ()


def failing(timings: Mapping[str, Timing], book: Ledger | None = None) -> dict[str, Failing]:
    """Those of these launchers that fail, by id.

    :param book: the ledger; default this process's own.
    """
    bad = {name: timing for name, timing in timings.items() if timing.failing_since is not None}
    if not bad:
        return {}
    first = min(_seconds(timing) for timing in bad.values())
    with (book or data.ledger()).read() as conn:
        causes = troubles.of_runs(conn, [(name, timing.failed_run_id) for name, timing in bad.items()])
        met = troubles.first_met(conn, bad, first)
    return {name: _one(name, timing, causes.get(name, ()), met) for name, timing in bad.items()}


def _one(
    name: str, timing: Timing, causes: Sequence[troubles.Trouble], met: Mapping[tuple[str, str], float]
) -> Failing:
    since = _seconds(timing)
    if not causes:
        return Failing(datetime.fromtimestamp(since, UTC))
    kind = causes[0].kind
    # Met before this row of failures as well: then the row began with it, as far as one can tell.
    return Failing(
        datetime.fromtimestamp(max(since, met.get((name, kind), since)), UTC), kind, _once(c.sentence for c in causes)
    )


def _seconds(timing: Timing) -> float:
    return timing.failing_since.timestamp() if timing.failing_since else 0.0


def _once(sentences: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(sentences))


def in_full(launcher: str, timing: Timing | None, failure: Failing | None) -> Sequence[str]:
    """Every sentence about the last failed run, for the launcher's own page."""
    if timing is None or failure is None:
        return ()
    with data.ledger().read() as conn:
        return _once([*failure.sentences, *troubles.of_items(conn, launcher, timing.failed_run_id)])


def in_words(failure: Failing, launcher: Launcher | None, time: str) -> str:
    """Such a state, for so long."""
    by_mail = launcher is None or launcher.is_mail
    source = t("server unreachable for {time}", time=time) if by_mail else t("source unreachable for {time}", time=time)
    return {
        "source": source,
        "login": t("login refused for {time}", time=time),
        "configuration": t("configuration to be put right for {time}", time=time),
        "scenario": t("scenario unavailable for {time}", time=time),
        "stage": t("disk unusable for {time}", time=time),
        "unforeseen": t("unexpected error for {time}", time=time),
    }.get(failure.kind) or t("failing for {time}", time=time)
