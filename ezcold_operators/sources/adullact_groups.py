"""Files side by side that are one item. All its files make its identity: when one more comes, it is a new item."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ezcold_operators.sources.adullact_names import Content
from ezcold_operators.sources.base import Listed

END_OF_DEPOSIT = "fichier_termine.txt"
"""What Pastell writes last into a deposit, when it is so configured."""


@dataclass(slots=True)
class Group:
    """An anchor (the file that names the others, or carries them), and the files that belong to it."""

    anchor: Listed
    members: list[Listed] = field(default_factory=list)
    """Without the anchor, sorted by name."""
    missing: list[str] = field(default_factory=list)

    @property
    def files(self) -> list[Listed]:
        """All, sorted by name."""
        return sorted([self.anchor, *self.members], key=lambda listed: listed.name)

    @property
    def fingerprint(self) -> str:
        """Of the only file, or of all together."""
        if not self.members:
            return self.anchor.fingerprint
        proofs = "\0".join(f"{listed.key}\0{listed.fingerprint}" for listed in self.files)
        return f"group-{hashlib.sha256(proofs.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}"


def folder_of(listed: Listed) -> str:
    return listed.name.rpartition("/")[0]


def base(listed: Listed) -> str:
    return listed.name.rpartition("/")[2]


def fold(name: str) -> str:
    """Names are compared without case, in NFC."""
    return unicodedata.normalize("NFC", name).casefold()


def groups(folder: Iterable[Listed], look: Callable[[Listed], Content]) -> Iterator[Group]:
    """Every file of one folder in exactly one group.

    :param look: what a file is to its neighbours; asked only where there are neighbours.
    """
    files = sorted(folder, key=lambda listed: listed.name)
    if len(files) == 1:
        yield Group(files[0])
        return
    contents = {listed.key: look(listed) for listed in files}
    by_name: dict[str, Listed] = {}
    for listed in files:
        by_name.setdefault(fold(base(listed)), listed)
    free = {listed.key: listed for listed in files}
    for anchor in _anchors(files, contents, by_name):
        if anchor.key in free:
            yield _named(anchor, contents, by_name, free)
    for anchor in files:
        if anchor.key in free and contents[anchor.key].kind == "carrier":
            yield _carried(anchor, contents, free)
    for listed in files:
        if listed.key in free:
            yield Group(listed)


def _anchors(files: list[Listed], contents: dict[str, Content], by_name: dict[str, Listed]) -> list[Listed]:
    """Files that name others, those first that no other names (an envelope before its messages)."""
    naming = [listed for listed in files if contents[listed.key].kind == "names"]
    named = {fold(name) for listed in naming for name in contents[listed.key].names}
    return sorted(naming, key=lambda listed: (fold(base(listed)) in named, listed.name))


def _named(anchor: Listed, contents: dict[str, Content], by_name: dict[str, Listed], free: dict[str, Listed]) -> Group:
    """All that is named, and what those name in turn."""
    group = Group(anchor)
    del free[anchor.key]
    pending = [anchor]
    while pending:
        for name in contents[pending.pop().key].names:
            found = by_name.get(fold(name))
            if found is None:
                group.missing.append(name)
            elif found.key in free:
                group.members.append(free.pop(found.key))
                pending.append(found)
    end = by_name.get(END_OF_DEPOSIT)
    if end is not None and end.key in free and base(anchor).lower().startswith("metadata"):
        group.members.append(free.pop(end.key))
    return group


def _carried(anchor: Listed, contents: dict[str, Content], free: dict[str, Listed]) -> Group:
    """Files of the same root name that are nothing by themselves."""
    group = Group(anchor)
    del free[anchor.key]
    stem = _stem(anchor)
    for listed in list(free.values()):
        if contents[listed.key].kind == "other" and _stem(listed) == stem:
            group.members.append(free.pop(listed.key))
    return group


def _stem(listed: Listed) -> str:
    return fold(base(listed)).rpartition(".")[0] or fold(base(listed))
