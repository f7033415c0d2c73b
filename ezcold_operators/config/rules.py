"""The rules between fields: what a launcher may not say although each field alone is right.

Each rule yields (place, sentence): the place leads from the model to the field that a person must change.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from ezcold_operators.config import cron
from ezcold_operators.config.places import file_place, mail_place
from ezcold_operators.i18n import _

if TYPE_CHECKING:
    from ezcold_operators.config.launcher import After, Launcher, Route, SourceConfig

Loc = tuple[str | int, ...]
Finding = tuple[Loc, str]

MAIL = frozenset({"imap", "o365", "pop"})
FILES = frozenset({"folder", "adullact"})
ACTIONS: dict[str, tuple[str, ...]] = {
    "imap": ("keep", "mark", "move", "delete"),
    "o365": ("keep", "mark", "move", "delete"),
    "pop": ("keep", "delete"),
    "folder": ("keep", "move", "delete"),
    "adullact": ("keep", "move", "delete"),
}
ENVELOPES = frozenset({"acte", "helios", "chorus_fact"})
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^/]+/")
_BAD_EXTENSION = re.compile(r"[\s/\\*?:\"<>|]")


def enforce(title: str, findings: Iterable[Finding]) -> None:
    """Make findings the errors of a model that is being validated.

    :raises ValidationError: there is one; pydantic sets its places below the model's own.
    """
    details = [
        InitErrorDetails(type=PydanticCustomError("ezcold", "{text}", {"text": text}), loc=loc, input=None)
        for loc, text in findings
    ]
    if details:
        raise ValidationError.from_exception_data(title, details, hide_input=True)


def is_absolute(path: str) -> bool:
    """An absolute POSIX path, or a URL with a host and a path (smb://, sftp://)."""
    return path.startswith("/") or _URL.match(path) is not None


def source(source: SourceConfig) -> Iterator[Finding]:
    """Rules of `source`."""
    protocol = source.protocol
    if protocol in MAIL and not source.connection:
        yield (
            ("connection",),
            _("{protocol} needs the id of an Airflow Connection (host, login, password)").format(protocol=protocol),
        )
    if protocol != "o365" and source.mailbox is not None:
        yield ("mailbox",), _("only o365 has `mailbox`; the account is the Connection's login")
    if protocol == "pop":
        yield from _pop(source)
    elif protocol in FILES:
        yield from _file_path(source)
    elif not mail_place(source.path or ""):
        yield ("path",), _("a mail folder's name is expected, such as INBOX or Clients/Factures")
    for name in ("after", "rejected"):
        yield from _after(source, name, getattr(source, name))


def _pop(source: SourceConfig) -> Iterator[Finding]:
    if source.path is not None:
        yield ("path",), _("POP has no folders: leave `path` out")
    if source.subfolders:
        yield ("subfolders",), _("POP has no folders: leave `subfolders` out")


def _file_path(source: SourceConfig) -> Iterator[Finding]:
    if source.path is None:
        yield ("path",), _("{protocol} needs a path, such as /data/in/*.*").format(protocol=source.protocol)
    elif not is_absolute(source.path):
        yield ("path",), _("an absolute path is expected, such as /data/in/*.*")
    elif ".." in source.path.split("/"):
        yield ("path",), _("`..` is not allowed in a path")


def _after(source: SourceConfig, name: str, after: After) -> Iterator[Finding]:
    possible = ACTIONS[source.protocol]
    if after.action not in possible:
        why = _("POP has no folders and no marks") if source.protocol == "pop" else _("files bear no mark")
        yield (
            (name, "action"),
            _("{action} is not possible with {protocol} ({why}): use {possible}").format(
                action=after.action, protocol=source.protocol, why=why, possible=", ".join(possible)
            ),
        )
    elif after.to is not None:
        yield from _target(source, name, after.to)


def _target(source: SourceConfig, name: str, to: str) -> Iterator[Finding]:
    place = (name, "to")
    same = _("`to` is the watched place itself: name another one")
    if source.protocol in MAIL:
        if not mail_place(to):
            yield place, _("a mail folder's name is expected, such as Traité")
        elif mail_place(to) == mail_place(source.path or ""):
            yield place, same
    elif not is_absolute(to):
        yield place, _("an absolute path is expected: the directory that files are moved to")
    elif any(c in to for c in "*?[") or ".." in to.split("/"):
        yield place, _("one directory is expected, without `..` or a pattern")
    elif source.path and file_place(to).directory == file_place(source.path).directory:
        yield place, same


def launcher(launcher: Launcher) -> Iterator[Finding]:
    """Rules of a whole launcher."""
    yield from _mail_only(launcher)
    yield from _routes(launcher)
    yield from _reprise(launcher)
    if launcher.launcher in launcher.formerly:
        yield ("formerly",), _("{id} is this launcher's present id").format(id=launcher.launcher)


def timezone(name: str) -> Iterator[Finding]:
    """The rule of `timezone`."""
    if not is_timezone(name):
        yield (), _("{zone} is no time zone, such as Europe/Paris or Indian/Reunion").format(zone=name)


def schedule(text: str | None) -> Iterator[Finding]:
    """The rule of `schedule`."""
    if text is not None and (problem := cron.wrong(text)):
        yield (), problem


@lru_cache(maxsize=256)
def is_timezone(name: str) -> bool:
    """Whether the IANA database knows the zone."""
    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, zoneinfo.ZoneInfoNotFoundError, OSError):
        return False
    return True


def _mail_only(launcher: Launcher) -> Iterator[Finding]:
    if launcher.source.protocol in MAIL:
        if not launcher.take:
            yield ("take",), _("nothing is taken: write attachments, message, body, or several of them")
    elif launcher.take != ("attachments",):
        yield ("take",), _("`take` is for mails, a file is its own document: leave it out")


def _routes(launcher: Launcher) -> Iterator[Finding]:
    taken: dict[str, int] = {}
    envelopes = launcher.source.protocol == "adullact"
    for i, route in enumerate(launcher.routes):
        yield from (((("routes", i, *loc)), text) for loc, text in _extensions(route, taken, envelopes))
        for extension in route.extensions:
            taken.setdefault(extension, i)


def _extensions(route: Route, taken: dict[str, int], envelopes: bool) -> Iterator[Finding]:
    for k, extension in enumerate(route.extensions):
        where: Loc = ("extensions", k)
        if extension in taken:
            yield (
                where,
                _('"{extension}" is already in group {number}: a document goes to the first that fits').format(
                    extension=extension, number=taken[extension] + 1
                ),
            )
        elif "*" in taken:
            yield where, _('never reached: group {number} already takes "*"').format(number=taken["*"] + 1)
        elif envelopes != (extension in ENVELOPES):
            yield where, _envelope(extension, envelopes)
        elif extension != "*" and (problem := _extension(extension)):
            yield where, problem


def _envelope(extension: str, envelopes: bool) -> str:
    if envelopes:
        return _(
            'never reached: adullact routes by the envelope\'s type (acte, helios, chorus_fact), not by "{ext}"'
        ).format(ext=extension)
    return _("{ext} is an envelope's type: only protocol adullact has them").format(ext=extension)


def _extension(extension: str) -> str | None:
    if "." in extension:
        return _('never reached: an extension is what follows the last dot, such as "{last}"').format(
            last=extension.rpartition(".")[2] or "pdf"
        )
    if _BAD_EXTENSION.search(extension):
        return _('"{extension}" is no extension: write pdf, or "*" for any file').format(extension=extension)
    return None


def _reprise(launcher: Launcher) -> Iterator[Finding]:
    reprise = launcher.reprise
    if reprise is None:
        return
    protocol = launcher.source.protocol
    if protocol == "pop":
        yield ("reprise",), _("POP does not say when a mail came: a reprise is not possible")
        return
    possible = ("modified", "path") if protocol in FILES else ("received",)
    if reprise.by not in possible:
        yield (
            ("reprise", "by"),
            _("{by} is not possible with {protocol}: use {possible}").format(
                by=reprise.by, protocol=protocol, possible=", ".join(possible)
            ),
        )
    elif reprise.by == "path" and not reprise.path_pattern:
        yield ("reprise", "by"), _('by: path needs `path_pattern`, such as "{example}"').format(example="{yyyy}/{mm}")
    elif reprise.path_pattern is not None:
        yield from _pattern(reprise.by, reprise.path_pattern)


def _pattern(by: str, pattern: str) -> Iterator[Finding]:
    where: Loc = ("reprise", "path_pattern")
    words = re.findall(r"\{([^{}]*)\}", pattern)
    if by != "path":
        yield where, _("`path_pattern` belongs to `by: path`")
    elif re.sub(r"\{[^{}]*\}", "", pattern).strip("{}") != re.sub(r"\{[^{}]*\}", "", pattern):
        yield where, _("a brace is not closed")
    elif unknown := [word for word in words if word not in ("yyyy", "yy", "mm", "dd")]:
        yield (
            where,
            _("{word} is unknown: use {known}").format(word=_braced(unknown[0]), known="{yyyy}, {yy}, {mm}, {dd}"),
        )
    elif not {"yyyy", "yy"} & set(words):
        yield where, _("the year is missing: {known}").format(known="{yyyy}")
    elif len(words) != len(set(words)):
        yield where, _("a word is written twice")


def _braced(word: str) -> str:
    return "{" + word + "}"


def default_by(protocol: Any) -> str:
    """How a reprise tells the date of an item where nothing is said: the file's mtime, or when the mail came."""
    return "received" if protocol in MAIL else "modified"
