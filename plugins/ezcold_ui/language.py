"""The language of a request: French or English, as the browser asks; and the pages' own sentences in it.

English is the source; translations/<language>.json gives the others. What the core says is in its own catalogue.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from ezcold_operators import i18n

FOLDER = Path(__file__).parent / "translations"
LANGUAGES = ("en", "fr")


def choose(accept: str) -> str:
    """The best of our languages for an Accept-Language header (RFC 9110, 12.5.4); English if none is wanted."""
    wanted: list[tuple[float, int, str]] = []
    for place, part in enumerate(accept[:500].split(",")):
        tag, _semicolon, weight = part.strip().partition(";q=")
        try:
            quality = float(weight) if weight else 1.0
        except ValueError:
            quality = 0.0
        wanted.append((-quality, place, tag.lower().split("-")[0]))
    return next((tag for quality, _place, tag in sorted(wanted) if quality < 0 and tag in LANGUAGES), "en")


@cache
def sentences(language: str) -> dict[str, str]:
    """The pages' sentences in a language, by their English."""
    file = FOLDER / f"{language}.json"
    found: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return found


def current() -> str:
    """The language of this request."""
    tag = i18n.language().replace("_", "-").split("-")[0].split(".")[0]
    return tag if tag in LANGUAGES else "en"


def t(text: str, **values: object) -> str:
    """A sentence in the language of this request."""
    found = sentences(current()).get(text) or i18n._(text)
    return found.format(**values) if values else found


def tn(one: str, many: str, n: int, **values: object) -> str:
    """A sentence for a count; in French zero is singular."""
    single = n < 2 if current() == "fr" else n == 1
    return t(one if single else many, n=n, **values)
