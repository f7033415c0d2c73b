"""Mail folders: by well-known name in any language's mailbox, by path, with what lies below."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ezcold_operators.errors import ConfigurationError, SourceUnavailable
from ezcold_operators.i18n import _
from ezcold_operators.sources.graph.answers import Lost, Refused
from ezcold_operators.sources.graph.client import GraphClient
from ezcold_operators.steps import step

ROOT = "msgfolderroot"
WELL_KNOWN = frozenset(
    {
        "archive", "clutter", "conflicts", "conversationhistory", "deleteditems", "drafts", "inbox", "junkemail",
        "localfailures", ROOT, "outbox", "recoverableitemsdeletions", "scheduled", "searchfolders", "sentitems",
        "serverfailures", "syncissues",
    }
)  # fmt: skip
"""Microsoft Graph, mailFolder resource type: these name a folder whatever the mailbox's language."""
PAGE = 100
CREATE_TRIES = 3


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder's id never changes, neither by renaming nor by moving it."""

    id: str
    path: str
    children: int = -1
    """Direct subfolders; -1 if Graph did not say."""
    total: int = -1


class Folders:
    """The folders of one mailbox, looked up once a session."""

    def __init__(self, client: GraphClient) -> None:
        self._client = client
        self._owner = client.settings.owner
        self._known: dict[str, Folder] = {}

    def find(self, path: str) -> Folder | None:
        """The folder of a path such as `inbox`, `Clients/Factures`, `inbox/Été`; None if it does not exist."""
        if path not in self._known:
            folder, rest = self._walk(path)
            if folder is None or rest:
                return None
            self._known[path] = folder
        return self._known[path]

    def need(self, path: str) -> Folder:
        """As `find`.

        :raises ConfigurationError: it does not exist; names what was found beside it.
        """
        folder = self.find(path)
        if folder is not None:
            return folder
        parent, rest = self._walk(path)
        there = [child.path.rpartition("/")[2] for child in self.children(parent)][:12]
        raise ConfigurationError(
            _("mail folder {path}: there is no {missing} in {mailbox} (there are: {names}); correct `path`.").format(
                path=path,
                missing="/".join(rest),
                mailbox=self._client.settings.mailbox or self._client.settings.login or _("the mailbox"),
                names=", ".join(there) or _("none"),
            )
        )

    def ensure(self, path: str) -> Folder:
        """As `find`, and made, level by level, where it does not exist."""
        for _try in range(CREATE_TRIES):
            folder, rest = self._walk(path)
            if folder is not None and not rest:
                self._known[path] = folder
                return folder
            url = f"{self._url(folder)}/childFolders" if folder else f"{self._owner}/mailFolders"
            for name in rest:
                made = self._create(url, name)
                if made is None:
                    break
                url = f"{self._owner}/mailFolders/{quote(made, safe='')}/childFolders"
        found = self.find(path)
        if found is None:
            raise SourceUnavailable(_("the mail folder {path} could not be created.").format(path=path))
        return found

    def tree(self, folder: Folder, excluded: frozenset[str]) -> Iterator[Folder]:
        """The folder and all below it, without the excluded ones and what lies below them."""
        if folder.id in excluded:
            return
        yield folder
        if folder.children != 0:
            for child in self.children(folder):
                yield from self.tree(child, excluded)

    def children(self, folder: Folder | None) -> list[Folder]:
        """Direct subfolders (None: of the mailbox's root), all pages; search folders are left out.

        A search folder shows mails of other folders, which would then come twice.
        """
        root = folder is None
        url = f"{self._owner}/mailFolders" if root else f"{self._url(folder)}/childFolders"
        prefix = "" if root or folder.path.lower() == ROOT else f"{folder.path}/"  # type: ignore[union-attr]
        found = []
        for page in self._client.pages(f"{url}?$top={PAGE}"):
            for raw in page.get("value") or []:
                if not str(raw.get("@odata.type") or "").lower().endswith("mailsearchfolder"):
                    found.append(_folder(raw, prefix + str(raw.get("displayName") or raw["id"])))
        return found

    def _walk(self, path: str) -> tuple[Folder | None, list[str]]:
        """The deepest folder of the path that exists (None: the root), and what is missing below it."""
        names = [name for name in path.split("/") if name]
        folder: Folder | None = None
        if names and names[0].lower() in WELL_KNOWN:
            folder = self._well_known(names[0].lower())
            names = names[1:] if folder else names
        while names:
            child, used = self._child(folder, names)
            if child is None:
                break
            folder, names = child, names[used:]
        return folder, names

    def _child(self, folder: Folder | None, names: list[str]) -> tuple[Folder | None, int]:
        """The child that the next names mean; a folder's own name may hold slashes, so the longest fit wins."""
        there = self.children(folder)
        for used in range(len(names), 0, -1):
            wanted = "/".join(names[:used])
            for same in (_exact, _folded):
                for child in there:
                    below = folder is not None and _below(folder, child)
                    own = child.path[len(folder.path) + 1 :] if folder is not None and below else child.path
                    if same(own) == same(wanted):
                        return child, used
        return None, 0

    def _well_known(self, name: str) -> Folder | None:
        try:
            return _folder(self._client.get(f"{self._owner}/mailFolders/{name}"), name)
        except Refused as refused:
            if refused.gone:
                return None  # an archive that was never switched on
            raise

    def _create(self, url: str, name: str) -> str | None:
        """The new folder's id; None if whether it was made must be looked up."""
        try:
            with step("o365.create"):
                return str(self._client.post(url, {"displayName": name})["id"])
        except Lost:
            return None
        except Refused as refused:
            if refused.status == 409 or "errorfolderexists" in refused.codes:
                return None  # another worker made it meanwhile
            raise

    def _url(self, folder: Folder | None) -> str:
        assert folder is not None
        return f"{self._owner}/mailFolders/{quote(folder.id, safe='')}"


def _below(folder: Folder | None, child: Folder) -> bool:
    return folder is not None and folder.path.lower() != ROOT and child.path.startswith(f"{folder.path}/")


def _exact(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    return _exact(name).casefold().strip()


def _folder(raw: Mapping[str, Any], path: str) -> Folder:
    children, total = raw.get("childFolderCount"), raw.get("totalItemCount")
    return Folder(
        id=str(raw["id"]),
        path=path,
        children=children if isinstance(children, int) else -1,
        total=total if isinstance(total, int) else -1,
    )
