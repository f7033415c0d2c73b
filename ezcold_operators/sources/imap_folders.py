"""Folders of a mailbox: names as a person writes them (`/`, any language) and as the server spells them."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from imapclient import imap_utf7

from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _
from ezcold_operators.sources.imap_client import Connection

CLOSED = frozenset({"\\noselect", "\\nonexistent"})


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder. `name` is for people and keys, `wire` for commands."""

    name: str
    wire: bytes
    attributes: frozenset[str] = frozenset()

    @property
    def opens(self) -> bool:
        """Whether it can hold mail."""
        return not self.attributes & CLOSED


def decode(wire: bytes) -> str:
    """A name for people, in NFC: modified UTF-7 as RFC 3501 wants it, or what other servers send instead."""
    try:
        text = imap_utf7.decode(wire) if wire.isascii() else wire.decode("utf-8")
    except (UnicodeError, ValueError):
        text = wire.decode("latin-1")
    return unicodedata.normalize("NFC", text)


def fold(name: str) -> str:
    """For comparison: NFC, and INBOX in any case."""
    name = unicodedata.normalize("NFC", name)
    return "INBOX" + name[5:] if name[:5].upper() == "INBOX" and not name[5:6].isalnum() else name


class Folders:
    """The folders of an account as one LIST told them."""

    def __init__(self, connection: Connection) -> None:
        self._prefix, self._delimiter = "", "/"
        prefix, delimiter = connection.namespace()
        listed = connection.folders()
        inbox = [d for _attributes, d, name in listed if name.upper() == b"INBOX"]
        delimiter = delimiter or (inbox[0] if inbox else None) or next((d for _a, d, _n in listed if d), None)
        self._prefix = decode(prefix)
        self._delimiter = decode(delimiter) if delimiter else "/"
        self._all: dict[str, Folder] = {}
        for attributes, _d, wire in listed:
            name = fold(decode(wire))
            self._all.setdefault(name, Folder(name, wire, attributes))

    def _candidates(self, path: str) -> list[str]:
        """How the server may spell it, the likeliest first: in the personal namespace, without it, as written."""
        path = unicodedata.normalize("NFC", path).strip("/") or "INBOX"
        parts = path.split("/")
        spelled = fold(self._delimiter.join(parts))
        own = [] if parts[0].upper() == "INBOX" else [fold(self._prefix + spelled)]
        return list(dict.fromkeys([*own, spelled, fold(path)]))

    def find(self, path: str) -> Folder | None:
        """The folder that a person means, or None."""
        return next((self._all[name] for name in self._candidates(path) if name in self._all), None)

    def target(self, path: str) -> tuple[Folder, bool]:
        """The folder to move to, and whether it has to be created."""
        found = self.find(path)
        if found is not None and found.opens:
            return found, False
        name = found.name if found is not None else self._candidates(path)[0]
        return Folder(name, imap_utf7.encode(name)), True

    def made(self, folder: Folder) -> None:
        """It was created since."""
        self._all[folder.name] = folder

    def special(self, attribute: str) -> Folder | None:
        """The folder with a special use (RFC 6154), e.g. `\\trash`."""
        return next((folder for folder in self._all.values() if attribute in folder.attributes), None)

    def watched(self, path: str | None, subfolders: bool, targets: Sequence[str]) -> list[Folder]:
        """The folders that a launcher takes mail from.

        :param targets: what `to` names; these and all below are left out.
        :raises ConfigurationError: there is no such folder; near names are in the sentence.
        """
        base = self.find(path or "INBOX")
        if base is None:
            raise ConfigurationError(self._missing(path or "INBOX"))
        if not subfolders:
            if not base.opens:
                raise ConfigurationError(
                    _("the folder {path} holds no mail itself: name one below it, or set `subfolders: true`").format(
                        path=path
                    )
                )
            return [base]
        closed = [self.target(target)[0].name for target in targets]
        return [
            folder
            for folder in sorted(self._all.values(), key=lambda f: f.name)
            if self._within(folder.name, base.name)
            and folder.opens
            and not any(self._within(folder.name, target) for target in closed)
        ]

    def _within(self, name: str, top: str) -> bool:
        return name == top or name.startswith(top + self._delimiter)

    def shown(self, folder: Folder) -> str:
        """A folder's name as a launcher would have it."""
        name = folder.name.removeprefix(self._prefix) if folder.name != "INBOX" else folder.name
        return name.replace(self._delimiter, "/")

    def _missing(self, path: str) -> str:
        names = [self.shown(folder) for folder in self._all.values()]
        near = difflib.get_close_matches(path, names, n=3, cutoff=0.5) or sorted(names)[:10]
        return _("there is no mail folder {path}; there is: {near}").format(path=path, near=", ".join(near))
