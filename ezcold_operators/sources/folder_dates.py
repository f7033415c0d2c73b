"""The date that a path says, for archives kept by year and month: `{yyyy}/{mm}`."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _

_FIELDS = {
    "yyyy": r"(?P<yyyy>[0-9]{4})",
    "yy": r"(?P<yy>[0-9]{2})",
    "mm": r"(?P<mm>[0-9]{2})",
    "dd": r"(?P<dd>[0-9]{2})",
}
_PIECE = re.compile(r"\{([^{}]*)\}|(\*)|([^{}*]+)")


class PathDate:
    """`path_pattern`: {yyyy} or {yy}, {mm}, {dd}, `*` (within one name); it may begin at any folder or file."""

    def __init__(self, pattern: str, timezone: str) -> None:
        """:raises ConfigurationError: the pattern has no year, or a field twice, or one that we do not know."""
        self._zone = ZoneInfo(timezone)
        regex, position = r"(?:^|/)", 0
        try:
            for match in _PIECE.finditer(pattern):
                if match.start() != position:
                    raise KeyError(pattern[position])
                position = match.end()
                field, star, text = match.groups()
                regex += _FIELDS[field] if field is not None else "[^/]*" if star else re.escape(text)
            if position != len(pattern) or "(?P<yy" not in regex:
                raise KeyError("yyyy")
            self._regex = re.compile(regex + r"(?![0-9])", re.IGNORECASE)
        except (KeyError, re.error):
            raise ConfigurationError(
                _("path_pattern {pattern} cannot be read: write {{yyyy}}, {{mm}}, {{dd}} and *, each once").format(
                    pattern=pattern
                )
            ) from None

    def of(self, path: str) -> datetime | None:
        """The first moment of the year, month or day that the path names; None when it names none."""
        for match in self._regex.finditer(path):
            found = match.groupdict()
            try:
                year = int(found.get("yyyy") or 2000 + int(found["yy"]))
                return datetime(year, int(found.get("mm") or 1), int(found.get("dd") or 1), tzinfo=self._zone)
            except ValueError:
                continue
        return None
