"""The mailboxes of our Microsoft Graph: folders, mails with two kinds of ids, and a log of changes for delta."""

from __future__ import annotations

import base64
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

WELL_KNOWN = {
    "inbox": "Boîte de réception",
    "archive": "Archive",
    "deleteditems": "Éléments supprimés",
    "sentitems": "Éléments envoyés",
    "drafts": "Brouillons",
    "junkemail": "Courrier indésirable",
}
BEGIN = datetime(2024, 1, 15, 8, 0, 0, tzinfo=UTC)


@dataclass
class FakeFolder:
    id: str
    name: str
    parent: str
    search: bool = False


@dataclass
class Mail:
    """`id` is the immutable one; `plain_id` changes with every move."""

    id: str
    plain_id: str
    folder: str
    mime: bytes
    label: str
    message_id: str
    received: datetime
    read: bool = False
    files: int = 0
    links: list[dict[str, str]] = field(default_factory=list)


@dataclass
class Change:
    folder: str
    mail: str
    there: bool


class Mailbox:
    """One mailbox, in French; every id is long, has `=` in it and is case-sensitive, as Exchange's are."""

    def __init__(self, upn: str, seed: int = 0) -> None:
        self.upn = upn
        self.random = random.Random(seed)
        self.number = 0
        self.folders: dict[str, FakeFolder] = {}
        self.mails: dict[str, Mail] = {}
        self.log: list[Change] = []
        self.generation = 0
        self.clock = BEGIN
        self.root = self._folder_id()
        self.known = {"msgfolderroot": self.root}
        for name, shown in WELL_KNOWN.items():
            self.known[name] = self.folder(shown).id

    def _id(self, kind: str) -> str:
        self.number += 1
        raw = f"{kind}{self.number:06d}".encode() + self.random.randbytes(20)
        return base64.urlsafe_b64encode(raw).decode() + "="

    def _folder_id(self) -> str:
        return self._id("F")

    def folder(self, name: str, parent: str = "", search: bool = False) -> FakeFolder:
        """A new folder; `parent` is an id, the root by default."""
        made = FakeFolder(self._folder_id(), name, parent or self.root, search)
        self.folders[made.id] = made
        return made

    def path(self, path: str) -> str:
        """The id of a folder by displayed names, made where it is absent (what a person does)."""
        here = self.root
        for name in path.split("/"):
            found = self.known.get(name) if here == self.root else None
            same = [f.id for f in self.folders.values() if f.parent == here and f.name == name]
            here = found or (same[0] if same else self.folder(name, here).id)
        return here

    def put(self, mime: bytes, label: str = "", folder: str = "inbox", **more: Any) -> Mail:
        """A mail arrives."""
        self.clock += timedelta(seconds=61)
        mail = Mail(
            id=self._id("I"),
            plain_id=self._id("P"),
            folder=self.path(folder),
            mime=mime,
            label=label,
            message_id=more.pop("message_id", f"<{self.number}@{self.upn}>"),
            received=more.pop("received", self.clock),
            **more,
        )
        self.mails[mail.id] = mail
        self.log.append(Change(mail.folder, mail.id, True))
        return mail

    def find(self, some_id: str) -> Mail | None:
        """By either kind of id."""
        if some_id in self.mails:
            return self.mails[some_id]
        return next((mail for mail in self.mails.values() if mail.plain_id == some_id), None)

    def labelled(self, label: str) -> Mail:
        return next(mail for mail in self.mails.values() if mail.label == label)

    def move(self, mail: Mail, folder: str) -> None:
        """To a folder id."""
        self.log.append(Change(mail.folder, mail.id, False))
        mail.folder, mail.plain_id = folder, self._id("P")
        self.log.append(Change(mail.folder, mail.id, True))

    def mark(self, mail: Mail, read: bool) -> None:
        mail.read = read
        self.log.append(Change(mail.folder, mail.id, True))

    def remove(self, mail: Mail) -> None:
        del self.mails[mail.id]
        self.log.append(Change(mail.folder, mail.id, False))

    def reissue(self) -> None:
        """As after an export and import: the same mails under new ids."""
        for mail in list(self.mails.values()):
            self.remove(mail)
            mail.id, mail.plain_id = self._id("I"), self._id("P")
            self.mails[mail.id] = mail
            self.log.append(Change(mail.folder, mail.id, True))

    def forget_states(self) -> None:
        """Every delta and next link given so far is refused from now on (410)."""
        self.generation += 1

    def inside(self, folder: str) -> list[Mail]:
        return [mail for mail in self.mails.values() if mail.folder == folder]

    def shown(self, mail: Mail, immutable: bool) -> dict[str, Any]:
        """All that $select may ask for."""
        return {
            "id": mail.id if immutable else mail.plain_id,
            "internetMessageId": mail.message_id,
            "receivedDateTime": mail.received.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "parentFolderId": mail.folder,
            "isRead": mail.read,
            "hasAttachments": bool(mail.files or mail.links),
            "subject": mail.label,
            "webLink": f"https://outlook.office365.com/owa/?ItemID={mail.plain_id}",
        }

    def round(self, folder: str, since: int | None) -> list[tuple[str, bool]]:
        """(id, there) of a delta round, in no order and with doubles.

        Mended nowhere, as in the real service: a mail that left and came back since is told as removed only.
        """
        if since is None:
            told = [(mail.id, True) for mail in self.inside(folder)]
            gone = [(c.mail, False) for c in self.log if c.folder == folder and not c.there][-1:]
            told += [entry for entry in gone if entry[0] not in {t[0] for t in told}]
        else:
            left: dict[str, bool] = {}
            for change in self.log[since:]:
                if change.folder == folder:
                    left[change.mail] = left.get(change.mail, False) or not change.there
            told = [(one, not out and one in self.mails) for one, out in left.items()]
        self.random.shuffle(told)
        return told + told[:2]
