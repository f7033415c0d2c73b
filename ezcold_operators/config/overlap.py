"""Two launchers on one place: each would take what the other moves away, or take what the other has just put there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ezcold_operators.config.launcher import Launcher
from ezcold_operators.config.places import GLOB, below, directories_meet, file_place, mail_place, patterns_meet
from ezcold_operators.config.rules import MAIL
from ezcold_operators.i18n import _

Loc = tuple[str | int, ...]
Root = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Overlap:
    """What is wrong with launcher number `one` because of number `other`; `{id}` and `{file}` are the other's."""

    one: int
    other: int
    loc: Loc
    severity: Literal["error", "warning"]
    text: str


@dataclass(frozen=True, slots=True)
class _Watched:
    number: int
    root: Root
    deep: bool
    name: str
    targets: tuple[tuple[str, Root], ...]
    """(`after` or `rejected`, where it moves to)."""
    removes: bool

    @property
    def wild(self) -> bool:
        return any(GLOB.intersection(level) for level in self.root[1:])


def overlaps(launchers: Sequence[Launcher]) -> list[Overlap]:
    """Every overlap, told of both launchers, in their order."""
    watched = [_watched(number, launcher) for number, launcher in enumerate(launchers)]
    found = [finding for one, other in _pairs(watched) for finding in _shared(one, other)]
    found += list(_into(watched))
    return sorted(found, key=lambda o: (o.one, o.other))


def _watched(number: int, launcher: Launcher) -> _Watched:
    source = launcher.source
    if source.protocol in MAIL:
        account = f"{source.connection} {source.mailbox or ''}".casefold()
        root, name, deep = (account, *mail_place(source.path or "INBOX")), "*", source.subfolders
    else:
        place = file_place(source.path or "")
        root, name, deep = place.directory, place.name, source.subfolders or place.deep
    targets = []
    for word, after in (("after", source.after), ("rejected", source.rejected)):
        if after.to is not None:
            mail = source.protocol in MAIL
            targets.append((word, (root[0], *mail_place(after.to)) if mail else file_place(after.to + "/").directory))
    removes = bool({source.after.action, source.rejected.action} & {"move", "delete"})
    return _Watched(number, root, deep, name, tuple(targets), removes)


def _pairs(watched: Sequence[_Watched]) -> Iterator[tuple[_Watched, _Watched]]:
    """Pairs that may meet. Plain places are found by their levels: a thousand launchers cost a thousand steps."""
    plain: dict[Root, list[_Watched]] = {}
    for one in watched:
        if not one.wild:
            plain.setdefault(one.root, []).append(one)
    for one in watched:
        if one.wild:
            yield from ((one, other) for other in watched if other.number > one.number or not other.wild)
            continue
        yield from ((one, other) for other in plain[one.root] if other.number > one.number)
        for end in range(1, len(one.root)):
            yield from ((one, other) for other in plain.get(one.root[:end], ()) if other.deep)


def _shared(one: _Watched, other: _Watched) -> Iterator[Overlap]:
    if one.number == other.number or not directories_meet(one.root, one.deep, other.root, other.deep):
        return
    if not patterns_meet(one.name, other.name) or _left_out(one, other) or _left_out(other, one):
        return
    severity: Literal["error", "warning"] = "error" if one.removes or other.removes else "warning"
    for first, second in ((one, other), (other, one)):
        if severity == "error":
            text = _("{id} ({file}) watches this place too, and what one moves or deletes the other misses")
        else:
            text = _("{id} ({file}) watches this place too: each takes every document")
        yield Overlap(first.number, second.number, ("source", "path"), severity, text)


def _left_out(one: _Watched, other: _Watched) -> bool:
    """The other watches only what the first moves to, which the first never watches."""
    return any(below(other.root, target) for _word, target in one.targets)


def _into(watched: Sequence[_Watched]) -> Iterator[Overlap]:
    """What `to` names is never itself watched, by any launcher."""
    exact: dict[Root, list[_Watched]] = {}
    for one in watched:
        exact.setdefault(one.root, []).append(one)
    wild = [one for one in watched if one.wild]
    for one in watched:
        for word, target in one.targets:
            candidates = list(exact.get(target, ()))
            for end in range(1, len(target)):
                candidates += [other for other in exact.get(target[:end], ()) if other.deep]
            candidates += [other for other in wild if directories_meet(other.root, other.deep, target, False)]
            for other in candidates:
                if other.number != one.number and not any(below(target, own) for _w, own in other.targets):
                    text = _("{id} ({file}) watches this place, and would take everything again")
                    yield Overlap(one.number, other.number, ("source", word, "to"), "error", text)
