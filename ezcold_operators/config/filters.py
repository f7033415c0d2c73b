"""Filters in EzGED's notation: `/regex/`, `/regex/i`, or a plain regex, matched at the start of the file name.

EzGED's launchers are Python scripts: a filter is read as a Python regular expression (`re.match`), not anchored at its
end. Names are compared in NFC. Names come from strangers, so matching is bounded in time.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import regex
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from ezcold_operators.i18n import _

MATCH_SECONDS = 0.5
"""A name on which one filter runs longer is quarantined."""


MAX_LEAST = 10_000
"""No file has a name this long. Nested counts below it, such as ((a{100}){100}){100}, take memory by their product."""
_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{(\d{1,9})(?:,\d*)?\}|.", re.DOTALL)


class FilterTimeout(Exception):
    """Matching ran out of its time on one name."""


class Filter:
    """One filter; equal and hashable by its text."""

    __slots__ = ("_pattern", "text")

    def __init__(self, text: str) -> None:
        """:raises ValueError: the text is no regular expression; the message has the position."""
        self.text = text
        body, flags = text, regex.V0
        for end, extra in (("/i", regex.IGNORECASE), ("/", 0)):
            if len(text) > len(end) and text.startswith("/") and text.endswith(end):
                body, flags = text[1 : -len(end)], flags | extra
                break
        try:
            if _least(body) > MAX_LEAST:
                raise regex.error("it asks for longer names than there are")
            self._pattern = regex.compile(unicodedata.normalize("NFC", body), flags)
        except (regex.error, RecursionError) as exc:
            why = _("nested too deeply") if isinstance(exc, RecursionError) else exc
            raise ValueError(_("filter {text} is not a regular expression: {why}").format(text=text, why=why)) from None

    def passes(self, name: str) -> bool:
        """Whether the name may pass.

        :raises FilterTimeout: no answer within MATCH_SECONDS.
        """
        try:
            return self._pattern.match(unicodedata.normalize("NFC", name), timeout=MATCH_SECONDS) is not None
        except TimeoutError as exc:
            raise FilterTimeout(self.text) from exc

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Filter({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Filter) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            cls, core_schema.str_schema(min_length=1), serialization=core_schema.to_string_ser_schema()
        )


def _least(body: str) -> int:
    """About how many letters a name needs at least: as many or more, where the expression has alternatives."""
    sums, last = [0], 0
    for token in _TOKEN.finditer(body):
        if token[1] is not None:
            sums[-1] += last * (int(token[1]) - 1)
            last *= int(token[1])
        elif token[0] == "(":
            sums.append(0)
        elif token[0] == ")" and len(sums) > 1:
            last = sums.pop()
            sums[-1] += last
        elif token[0] not in "|?*+^$":
            last = 1
            sums[-1] += 1
    return max(sums)
