"""Templates to answers: every value escaped, the session's cookie, the language, links below our prefix."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from ezcold_ui import security
from ezcold_ui.language import current, t, tn

HERE = Path(__file__).parent
ZONE = ZoneInfo("Europe/Paris")
"""Times are shown as EzGED's users read their clocks."""
_markdown = MarkdownIt("commonmark", {"html": False}).disable(["image", "link", "autolink", "html_block"])

_HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""What shows nothing, or turns the direction of what follows: `facture\u202efdp.exe` reads as `factureexe.pdf`."""


def visible(text: str, instead: str = "") -> str:
    """The text with such characters told by their number (U+202E), or replaced by what is given."""
    return _HIDDEN.sub(lambda found: instead or f"[U+{ord(found[0]):04X}]", text)


def shown(value: Any) -> Any:
    """A value as a template prints it. What is safe already (our own HTML, a field's `exact` value) stays as it is."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    finalize=shown,
)


def when(seconds: float | datetime | None) -> str:
    """A time for a person."""
    if seconds is None:
        return "–"
    moment = seconds if isinstance(seconds, datetime) else datetime.fromtimestamp(seconds, UTC)
    return moment.astimezone(ZONE).strftime("%d/%m/%Y %H:%M" if current() == "fr" else "%Y-%m-%d %H:%M")


def size(n: int | None) -> str:
    """A size for a person."""
    if n is None or n < 0:
        return "–"
    for unit in ("o", "ko", "Mo", "Go") if current() == "fr" else ("B", "kB", "MB", "GB"):
        if n < 1000 or unit in ("Go", "GB"):
            shown = f"{n:.0f}" if n >= 10 or unit in ("o", "B") else f"{n:.1f}"
            return f"{shown.replace('.', ',') if current() == 'fr' else shown} {unit}"
        n = n / 1000  # type: ignore[assignment]
    return str(n)


def markdown(text: str) -> Markup:
    """Markdown of ours, whose values were escaped when they were put in; links, images and HTML are not known."""
    return Markup(_markdown.render(visible(text)))  # noqa: S704


environment.globals |= {"t": t, "tn": tn}
environment.filters |= {
    "when": when, "size": size, "markdown": markdown, "exact": escape,
    "quoted": lambda value: quote(str(value), safe=""),
    "query": lambda values: urlencode({key: value for key, value in values.items() if value not in (None, "")}),
}  # fmt: skip


def page(request: Request, who: security.Person, template: str, status: int = 200, /, **values: Any) -> HTMLResponse:
    """A page for a signed-in person."""
    cookie = request.cookies.get(security.COOKIE) or ""
    fresh = not cookie
    if fresh:
        cookie = security.new_cookie()
    csrf = security.token(cookie, who.id)
    answer = HTMLResponse(html(request, template, csrf=csrf, who=who, **values), status)
    if fresh:
        answer.set_cookie(
            security.COOKIE, cookie, path=request.scope.get("root_path", "") or "/", httponly=True, samesite="strict",
            secure=request.url.scheme == "https",
        )  # fmt: skip
    return answer


def html(request: Request, template: str, /, **values: Any) -> str:
    """A template filled in."""
    root = request.scope.get("root_path", "")
    return environment.get_template(template).render(root=root, airflow=airflow(request), lang=current(), **values)


def airflow(request: Request) -> str:
    """What addresses of Airflow's own pages begin with."""
    return str(request.scope.get("root_path", "")).removesuffix("/ezcold")


def back(request: Request, path: str, **said: Any) -> RedirectResponse:
    """After a change: to the page that shows it. `said` are words of a fixed list and numbers, never text."""
    query = f"?{urlencode(said)}" if said else ""
    return RedirectResponse(f"{request.scope.get('root_path', '')}{path}{query}", 303)
