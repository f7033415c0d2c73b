"""Microsoft 365 mailboxes (`protocol: o365`), by Microsoft Graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import After, Launcher
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _
from ezcold_operators.sources.base import Listed, Outcome, Taken, Window
from ezcold_operators.sources.graph.after import Acknowledger
from ezcold_operators.sources.graph.auth import tokens
from ezcold_operators.sources.graph.client import GraphClient
from ezcold_operators.sources.graph.delta import Round, within
from ezcold_operators.sources.graph.downloads import Downloads
from ezcold_operators.sources.graph.folders import Folder, Folders
from ezcold_operators.sources.graph.login import device_login, expiry_warnings
from ezcold_operators.sources.graph.messages import Message
from ezcold_operators.sources.graph.settings import settings
from ezcold_operators.sources.graph.store import MemoryStore, TokenStore
from ezcold_operators.sources.graph.turn import Turn

INBOX = "inbox"
DELETED = "deleteditems"


def create(launcher: Launcher) -> O365Source:
    """The source of a launcher with `protocol: o365`; no I/O."""
    return O365Source(launcher)


class O365Source:
    """One mailbox's folders, as a launcher names them. `bind` a store before `open` if a person signed in."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        self._store: TokenStore = MemoryStore()

    def bind(self, store: TokenStore) -> None:
        """Where signed-in accounts are kept; an application with a secret or certificate needs none."""
        self._store = store

    @contextmanager
    def open(self, credentials: Credentials) -> Iterator[O365Session]:
        """Sign in. Raises as `Source.open`, and ConfigurationError for a Connection that cannot be right."""
        wanted = settings(credentials, self._launcher.source.mailbox)
        grant = tokens(wanted, self._store)
        client = GraphClient(wanted, grant)
        try:
            grant.bearer()
            name = grant.login.lower()
            turn = Turn(lambda: self._store.mailbox(f"o365:{name}"))
            try:
                yield O365Session(self._launcher, client, grant.login, turn)
            finally:
                turn.end()
        finally:
            client.close()

    def probe(self, credentials: Credentials) -> Iterable[str]:
        """`ezcold test`: sign in, find the folders, say what will end soon; changes nothing."""
        yield from expiry_warnings(self._launcher, credentials, self._store)
        with self.open(credentials) as session:
            yield from session.describe()

    def __repr__(self) -> str:
        return f"O365Source({self._launcher.launcher!r})"


class O365Session:
    """A signed-in session with one mailbox, which is one place: it takes four requests at once over all workers."""

    def __init__(self, launcher: Launcher, client: GraphClient, login: str, turn: Turn) -> None:
        self._source = launcher.source
        self._turn = turn
        self._client = client
        self._folders = Folders(client)
        self._marks: dict[str, str] = {}
        self._watched_folders: tuple[Folder, ...] | None = None
        self.login = login
        self.place = f"o365:{login.lower()}"

    def list(self, marks: Mapping[str, str], window: Window | None = None) -> Iterator[Listed]:
        """See Session.list; marks are by folder (`o365:<mailbox>/<folder id>`). Sizes are not known beforehand."""
        self._turn.begin()
        self._marks = {}
        fresh: dict[str, str] = {}
        seen: set[str] = set()
        for folder in self._watched():
            key = f"{self.place}/{folder.id}"
            if window is None:
                found: Iterable[Message] = Round(self._client, folder, marks.get(key, ""))
            else:
                found = within(self._client, folder, window)
            for one in found:
                if one.id not in seen:  # moved from folder to folder while they were listed
                    seen.add(one.id)
                    yield self._listed(one)
            if isinstance(found, Round) and found.mark:
                fresh[key] = found.mark
        self._marks = fresh

    def marks(self) -> Mapping[str, str]:
        """See Session.marks."""
        return dict(self._marks)

    def read(self, batch: Sequence[Listed]) -> Iterator[Taken]:
        """See Session.read. A Taken's `listed.handle["references"]` names cloud attachments: [{"name", "url"}]."""
        self._turn.begin()
        yield from Downloads(self._client).take(batch)

    def acknowledge(self, batch: Sequence[Listed], after: After) -> Iterator[Outcome]:
        """See Session.acknowledge. delete moves to the mailbox's deleted items."""
        if after.action == "keep" or not batch:
            yield from (Outcome(listed, "done") for listed in batch)
            return
        self._turn.begin()
        try:
            yield from Acknowledger(self._client, self._target(after), self._watched_ids).apply(batch)
        finally:
            # Rooms hold the place's lease around this: the mailbox must never be held while that is waited for.
            self._turn.end()

    def describe(self) -> Iterator[str]:
        """What a person should know before the first run, one sentence each."""
        mailbox = self.login or _("the linked account")
        folders = self._watched()
        yield _("Mailbox {mailbox}: signed in by {how}.").format(mailbox=mailbox, how=self._how())
        for folder in folders:
            yield _("Folder {path}: {count} mails.").format(path=folder.path, count=max(folder.total, 0))
        for path in self._targets():
            if path != DELETED and self._folders.find(path) is None:
                yield _("Folder {path} does not exist yet: it will be created.").format(path=path)

    def __repr__(self) -> str:
        return f"O365Session({self.place!r})"

    def _target(self, after: After) -> str:
        """Id of the folder to move to, made if need be; '' to mark as read."""
        if after.action == "move":
            return self._folders.ensure(str(after.to)).id
        return self._folders.need(DELETED).id if after.action == "delete" else ""

    def _how(self) -> str:
        wanted = self._client.settings
        if not wanted.app_only:
            return _("the linked account")
        return _("application {client_id}").format(client_id=wanted.client_id)

    def _listed(self, one: Message) -> Listed:
        handle: dict[str, Any] = {"id": one.id, "folder": one.folder, "attachments": one.attachments}
        return Listed(f"{self.place}/{one.id}", one.fingerprint, self.place, -1, "", one.date, handle)

    def _targets(self) -> Sequence[str]:
        """Paths of what `after` and `rejected` move or delete to; these are never watched."""
        chosen = (self._source.after, self._source.rejected)
        paths = [str(a.to) for a in chosen if a.action == "move"] + [DELETED for a in chosen if a.action == "delete"]
        return tuple(dict.fromkeys(paths))

    def _watched(self) -> Sequence[Folder]:
        if self._watched_folders is None:
            path = self._source.path or INBOX
            top = self._folders.need(path)
            found = ((target, self._folders.find(target)) for target in self._targets())
            excluded = {folder.id: target for target, folder in found if folder is not None}
            if top.id in excluded:
                raise ConfigurationError(
                    _("{path} and {target} are the same mail folder: what is done with must go elsewhere.").format(
                        path=path, target=excluded[top.id]
                    )
                )
            below = self._folders.tree(top, frozenset(excluded)) if self._source.subfolders else [top]
            self._watched_folders = tuple(below)
        return self._watched_folders

    def _watched_ids(self) -> frozenset[str]:
        return frozenset(folder.id for folder in self._watched())


__all__ = ["O365Session", "O365Source", "TokenStore", "create", "device_login", "expiry_warnings"]
