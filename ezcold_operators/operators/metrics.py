"""Numbers for whoever watches Airflow: its own statsd or OpenTelemetry, as `airflow.cfg` says ([metrics]).

Counters, a run each: fetched, sent, refused, rejected, quarantined, settled. Gauges: owed, oldest_owed_seconds,
in_quarantine. Each is sent twice: `ezcold.<what>` with the tag `launcher`, and, for plain statsd, which has no tags,
`ezcold.<launcher>.<what>`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

log = logging.getLogger("ezcold")
COUNTERS = ("fetched", "refused", "rejected", "quarantined", "settled")


def count(launcher: str, summary: Mapping[str, Any]) -> None:
    """The counters of a run, from its summary."""
    from airflow.sdk.observability import stats

    numbers = {name: int(summary.get(name) or 0) for name in COUNTERS}
    numbers["sent"] = sum((summary.get("sent") or {}).values())
    for what, number in numbers.items():
        if number:
            stats.incr(f"ezcold.{what}", number, tags={"launcher": launcher})
            stats.incr(f"ezcold.{launcher}.{what}", number)


def gauge(values: Iterable[tuple[str, str, float]]) -> None:
    """(launcher, what, value), each as it is now."""
    from airflow.sdk.observability import stats

    for launcher, what, value in values:
        stats.gauge(f"ezcold.{what}", value, tags={"launcher": launcher})
        stats.gauge(f"ezcold.{launcher}.{what}", value)
