"""A launcher in words (Markdown): Airflow's page of its DAG, and ours. It knows no secret and lets no markup in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from ezcold_operators.config.launcher import After, Launcher, Route
from ezcold_operators.config.scenario import Scenario
from ezcold_operators.i18n import _

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+!|~>-])")
_PROTOCOLS: dict[str, Callable[[], str]] = {
    "imap": lambda: "IMAP",
    "o365": lambda: "Microsoft 365",
    "pop": lambda: "POP",
    "folder": lambda: _("folder"),
    "adullact": lambda: _("Adullact envelopes"),
}
_ACTIONS: dict[str, Callable[[], str]] = {
    "keep": lambda: _("kept where it is"),
    "mark": lambda: _("marked as read"),
    "move": lambda: _("moved to {to}"),
    "delete": lambda: _("deleted"),
}
_TAKES: dict[str, Callable[[], str]] = {
    "attachments": lambda: _("attachments"),
    "message": lambda: _("the mail itself (.eml)"),
    "body": lambda: _("the text of the mail (.html or .txt)"),
}
_EVERY: dict[str, Callable[[], str]] = {
    "day": lambda: _("by backfills, one a day"),
    "week": lambda: _("by backfills, one a week"),
    "month": lambda: _("by backfills, one a month"),
}


def in_words(launcher: Launcher, scenarios: Mapping[str, Scenario] | None = None) -> str:
    """Where it takes documents, which, where to, when."""
    blocks = [f"**{escape(launcher.title or launcher.launcher)}** ({escape(launcher.launcher)})"]
    if launcher.description:
        blocks.append(escape(launcher.description))
    blocks.append("\n".join(_lines(launcher)))
    blocks.append("\n".join(_route(route, scenarios or {}) for route in launcher.routes))
    return "\n\n".join(blocks)


def escape(text: str) -> str:
    """Text of a person or a stranger as Markdown that shows just that, on one line."""
    flat = " ".join(text.split())
    return _MARKUP.sub(r"\\\1", flat.replace("&", "&amp;").replace("<", "&lt;"))


def code(text: str) -> str:
    """Text as inline code, whatever backticks it holds (CommonMark 0.31, 6.1)."""
    flat = " ".join(text.split())
    fence = "`" * (max((len(run) for run in re.findall("`+", flat)), default=0) + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def _lines(launcher: Launcher) -> Iterator[str]:
    source = launcher.source
    yield _("- From: {place}").format(place=_place(launcher))
    if launcher.is_mail:
        yield _("- Takes: {what}").format(what=", ".join(_TAKES[what]() for what in launcher.take))
    if launcher.unpack:
        yield _("- Opens: {what}").format(what=", ".join(launcher.unpack))
    yield _("- Once delivered, an item is {what}").format(what=_done(source.after))
    yield _("- An item of which nothing was wanted is {what}").format(what=_done(source.rejected))
    yield _("- When: {when}").format(when=_when(launcher))
    if launcher.filters:
        yield _("- File names must pass: {filters}").format(filters=", ".join(code(str(f)) for f in launcher.filters))
    if launcher.backup:
        yield _("- A copy is kept for {days} days").format(days=launcher.backup.keep_days)


def _place(launcher: Launcher) -> str:
    source = launcher.source
    parts = [_PROTOCOLS[source.protocol]()]
    if source.connection:
        parts.append(_("Connection {id}").format(id=code(source.connection)))
    if source.mailbox:
        parts.append(_("mailbox {mailbox}").format(mailbox=code(source.mailbox)))
    if source.path:
        parts.append(code(source.path))
    if source.subfolders:
        parts.append(_("with subfolders"))
    return ", ".join(parts)


def _done(after: After) -> str:
    return _ACTIONS[after.action]().format(to=code(after.to or ""))


def _when(launcher: Launcher) -> str:
    if launcher.reprise is not None:
        return _EVERY[launcher.reprise.every]()
    if launcher.schedule is None:
        return _("by hand")
    return f"{code(launcher.schedule)} ({escape(launcher.timezone)})"


def _route(route: Route, scenarios: Mapping[str, Scenario]) -> str:
    extensions = _("all files") if "*" in route.extensions else ", ".join(code(e) for e in route.extensions)
    return f"- {extensions} → " + ", ".join(_scenario(name, scenarios.get(name)) for name in route.send_to)


def _scenario(name: str, scenario: Scenario | None) -> str:
    if scenario is None:
        return escape(name)
    number = f"{scenario.number} " if scenario.number is not None else ""
    text = f" ({escape(scenario.description)})" if scenario.description else ""
    return f"{number}{escape(name)}{text}"
