"""Is a schedule one that Airflow will take? Its cron (croniter) is not asked: it would take Airflow's start-up time."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from ezcold_operators.i18n import _

PRESETS = ("@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")
"""Airflow's own (airflow.sdk.definitions.timetables._cron, 3.3)."""

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("weekday", 0, 7, _DAYS),
    ("second", 0, 59, {}),
)
_NAMES: dict[str, Callable[[], str]] = {
    "minute": lambda: _("minute"),
    "hour": lambda: _("hour"),
    "day": lambda: _("day of month"),
    "month": lambda: _("month"),
    "weekday": lambda: _("day of week"),
    "second": lambda: _("second"),
}
_PART = re.compile(r"(?:(?P<any>\*)|(?P<low>[0-9a-z]+)(?:-(?P<high>[0-9a-z]+))?)(?:/(?P<step>[0-9]+))?")
_NTH = re.compile(r"[0-7]#[1-5]|l[0-7]")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@lru_cache(maxsize=1024)
def wrong(schedule: str) -> str | None:
    """What is wrong with a schedule, or None: a preset, or five fields (six with seconds, last)."""
    if schedule.startswith("@"):
        if schedule in PRESETS:
            return None
        return _("{schedule} is no preset: use {presets}").format(schedule=schedule, presets=", ".join(PRESETS))
    fields = schedule.lower().split()
    if len(fields) not in (5, 6):
        return _("a cron has five fields (minute hour day month weekday), this has {count}").format(count=len(fields))
    values: list[set[int] | None] = []
    for text, (name, low, high, names) in zip(fields, _FIELDS, strict=False):
        try:
            values.append(_field(text, name, low, high, names))
        except ValueError as exc:
            return _("{field}: {text} {problem}").format(field=_NAMES[name](), text=text, problem=exc)
    return _never(values)


def _field(text: str, name: str, low: int, high: int, names: dict[str, int]) -> set[int] | None:
    """The values of one field; None where it is not restricted, or depends on the month."""
    if text == "*" or (text == "?" and name in ("day", "weekday")):
        return None
    found: set[int] = set()
    for part in text.split(","):
        if (name == "day" and part == "l") or (name == "weekday" and _NTH.fullmatch(part)):
            return None
        found |= _values(part, low, high, names)
    return found


def _values(part: str, low: int, high: int, names: dict[str, int]) -> set[int]:
    match = _PART.fullmatch(part)
    if match is None:
        raise ValueError(_("is not a number, a range (1-5), a step (*/5) or a list (1,3)"))
    step = int(match["step"] or 1)
    if not 1 <= step <= high:
        raise ValueError(_("has a step that is not between 1 and {high}").format(high=high))
    if match["any"]:
        return set(range(low, high + 1, step))
    first = _number(match["low"], low, high, names)
    last = _number(match["high"], low, high, names) if match["high"] else high if match["step"] else first
    if last < first:
        raise ValueError(_("is a range that ends before it begins: write it as two, with a comma"))
    return set(range(first, last + 1, step))


def _number(text: str, low: int, high: int, names: dict[str, int]) -> int:
    number = names[text] if text in names else int(text) if text.isdecimal() and len(text) < 4 else -1
    if not low <= number <= high:
        raise ValueError(_("is not between {low} and {high}").format(low=low, high=high))
    return number


def _never(values: list[set[int] | None]) -> str | None:
    days, months, weekdays = values[2], values[3], values[4]
    if days is None or months is None or weekdays is not None:
        return None
    if min(days) > max(_LONGEST[month - 1] for month in months):
        return _("no such day in these months: it would never run")
    return None
