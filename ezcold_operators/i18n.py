"""The one translation function. Sentences that a person reads are written `_("... {host} ...").format(host=host)`.

English is the source language; French is in locales/. The language of the process: EZCOLD_LANG, else the usual
LC_ALL, LC_MESSAGES, LANG (gettext's own order).
"""

from __future__ import annotations

import gettext
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

LOCALES = Path(__file__).parent / "locales"
DOMAIN = "ezcold"
_spoken: ContextVar[str] = ContextVar("ezcold_language", default="")


@lru_cache(maxsize=8)
def catalogue(language: str) -> gettext.NullTranslations:
    """The catalogue of a language tag ("fr", "fr_FR.UTF-8", "fr-CA"); the untranslated one where there is none."""
    return gettext.translation(DOMAIN, LOCALES, languages=[language.replace("-", "_")], fallback=True)


def language() -> str:
    """The tag of this request's language, else of this process's; "en" when nothing says otherwise."""
    if spoken := _spoken.get():
        return spoken
    for variable in ("EZCOLD_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(variable)
        if value:
            return "en" if value.split(".")[0] in {"C", "POSIX"} else value
    return "en"


@contextmanager
def speaking(tag: str) -> Iterator[None]:
    """Speak another language within, as a server does that answers people of several."""
    token = _spoken.set(tag)
    try:
        yield
    finally:
        _spoken.reset(token)


def _(text: str) -> str:
    """The sentence in the process's language."""
    return catalogue(language()).gettext(text)


def ngettext(one: str, many: str, count: int) -> str:
    """The sentence for a count in the process's language."""
    return catalogue(language()).ngettext(one, many, count)
