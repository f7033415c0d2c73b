"""`ezcold new`: EzGED's form as questions, in the person's language; the answers become a launcher's file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ezcold_operators.cli import writing
from ezcold_operators.config.loader import find_scenarios, load_scenarios
from ezcold_operators.config.settings import Settings
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _

ACTIONS = ("keep", "mark", "move", "delete")
NEEDS_CONNECTION = ("imap", "o365", "pop")


@dataclass(slots=True)
class Answers:
    """What was given on the command line; None is asked for, where somebody can be asked."""

    title: str | None = None
    launcher: str | None = None
    description: str | None = None
    protocol: str | None = None
    connection: str | None = None
    path: str | None = None
    subfolders: bool | None = None
    after: str | None = None
    backup_days: int | None = None
    filters: Sequence[str] | None = None
    routes: Sequence[str] | None = None
    schedule: str | None = None


def new(answers: Answers, folder: Path | None, ask: bool | None = None) -> int:
    """0 written; the file's name is printed.

    :param ask: whether a person is there to answer; by default, whether this is a terminal.
    :raises ConfigurationError: something needed is missing, or wrong.
    """
    target = folder or Settings.from_env().launchers_dir
    form = _Form(answers, sys.stdin.isatty() if ask is None else ask)
    content = form.fill(_known_scenarios(target))
    file = target / f"{content['launcher']}.yaml"
    loaded = writing.write(content, file)
    if loaded.launcher is None:
        raise ConfigurationError("\n".join(problem.text for problem in loaded.errors))
    print(file)
    if form.connection:
        text = _("now make the Connection {id} (server, account, password) in Airflow, then: ezcold test {file}")
        print(text.format(id=form.connection, file=file), file=sys.stderr)
    else:
        print(_("now: ezcold plan {file}").format(file=file), file=sys.stderr)
    return 0


def _known_scenarios(folder: Path) -> list[str]:
    try:
        return sorted(load_scenarios(find_scenarios(folder if folder.is_dir() else folder / "x.yaml")))
    except ConfigurationError:
        return []


class _Form:
    """The questions, in the order of EzGED's form."""

    def __init__(self, given: Answers, ask: bool) -> None:
        self.given, self.ask = given, ask
        self.connection: str | None = None

    def _text(self, given: str | None, question: str, default: str | None = None) -> str:
        if given is not None:
            return given.strip()
        if not self.ask:
            if default is None:
                raise ConfigurationError(_("not answered: {question}").format(question=question))
            return default
        import typer

        return str(typer.prompt(question, default=default, err=True)).strip()

    def _checked(
        self, given: str | None, question: str, check: Callable[[str], Any], default: str | None = None
    ) -> Any:
        """Ask until the answer is one that can be read; an answer given beforehand is not asked for twice."""
        while True:
            text = self._text(given, question, default)
            try:
                return check(text)
            except ConfigurationError as exc:
                if given is not None or not self.ask:
                    raise
                print(exc, file=sys.stderr)

    def fill(self, scenarios: Sequence[str]) -> dict[str, Any]:
        """The launcher as it will stand in its file."""
        given = self.given
        title = self._text(given.title, _("Name, as people call it"), given.launcher)
        content: dict[str, Any] = {"launcher": self._text(given.launcher, _("Id"), writing.identifier(title))}
        content["title"] = title
        if description := self._text(given.description, _("Description"), ""):
            content["description"] = description
        source: dict[str, Any] = {
            "protocol": self._checked(given.protocol, _("Protocol (imap, o365, pop, folder, adullact)"), _protocol)
        }
        schedule = self._text(given.schedule, _("Schedule (cron, or empty: by hand)"), "*/5 * * * *")
        if schedule:
            content["schedule"] = schedule
        content["source"] = source | self._source(source["protocol"])
        if filters := self._filters():
            content["filters"] = filters
        known = ", ".join(scenarios)
        question = _("Scenarios by extension, such as pdf=invoices; *=others") + (f" ({known})" if known else "")
        routes = "; ".join(given.routes) if given.routes else None
        content["routes"] = self._checked(routes, question, parse_routes)
        backup = None if given.backup_days is None else str(given.backup_days)
        if days := self._checked(backup, _("Days that a backup is kept (0: none)"), _number, "0"):
            content["backup"] = {"keep_days": days}
        return content

    def _source(self, protocol: str) -> dict[str, Any]:
        given = self.given
        source: dict[str, Any] = {}
        if protocol in NEEDS_CONNECTION:
            self.connection = source["connection"] = self._text(given.connection, _("Connection (id in Airflow)"))
        if protocol != "pop":
            mail = protocol in ("imap", "o365")
            question = _("Source path: mail folder") if mail else _("Source path, such as /data/in/*.*")
            source["path"] = self._text(given.path, question, "INBOX" if mail else None)
            if self._yes(given.subfolders, _("With subfolders")):
                source["subfolders"] = True
        what = _("Once delivered: keep, mark, move:<place>, delete")
        after = self._checked(given.after, what, parse_after, "keep")
        if after["action"] != "keep":
            source["after"] = after
        return source

    def _yes(self, given: bool | None, question: str) -> bool:
        if given is not None or not self.ask:
            return bool(given)
        import typer

        return bool(typer.confirm(question, default=False, err=True))

    def _filters(self) -> list[str]:
        if self.given.filters is not None or not self.ask:
            return list(self.given.filters or ())
        found: list[str] = []
        while one := self._text(None, _("File name filter {n}, such as {example} (empty: no more)").format(
            n=len(found) + 1, example=r"/.*\.(?!db).*/"), ""):  # fmt: skip
            found.append(one)
        return found


def _protocol(text: str) -> str:
    found = writing.protocol(text)
    if found is None:
        raise ConfigurationError(_("{text} is no protocol: imap, o365, pop, folder, adullact").format(text=text))
    return found


def _number(text: str) -> int:
    if not text.isdigit():
        raise ConfigurationError(_("{text} is no number").format(text=text))
    return int(text)


def parse_after(text: str) -> dict[str, str]:
    """`keep`, `mark`, `delete`, `move:Traité`."""
    action, _colon, to = text.partition(":")
    action = action.strip()
    if action not in ACTIONS or (action == "move") != bool(to.strip()):
        raise ConfigurationError(_("{text}: write keep, mark, move:<place>, or delete").format(text=text))
    return {"action": action} | ({"to": to.strip()} if to.strip() else {})


def parse_routes(text: str) -> list[dict[str, list[str]]]:
    """`pdf=factures; xml, zip=factures, clients; *=clients` (a colon does as well).

    :raises ConfigurationError: it cannot be read so.
    """
    found = []
    for group in (part for part in text.replace("\n", ";").split(";") if part.strip()):
        mark = "=" if "=" in group else ":"
        extensions, _mark, scenarios = group.partition(mark)
        route = {"extensions": _words(extensions), "send_to": _words(scenarios)}
        if not all(route.values()):
            raise ConfigurationError(
                _("{text}: write extensions, =, scenarios: pdf=invoices").format(text=group.strip())
            )
        found.append(route)
    if not found:
        raise ConfigurationError(_("at least one scenario is needed: pdf=invoices"))
    return found


def _words(text: str) -> list[str]:
    return [word for word in (part.strip().strip("'\"") for part in text.replace("+", ",").split(",")) if word]
