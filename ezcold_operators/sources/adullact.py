"""A folder in which an exchange platform (Pastell, S2LOW, i-Parapheur) leaves envelopes.

A file is an item, as for `folder`. Files that belong to one envelope and lie side by side are one item, read as one
stream (bundles.py), taken when complete. What is incomplete is waited for: `WAIT` times `settle_seconds` after its
newest file it is taken as it is, and decoding names what is missing. An acknowledgement (AR, acquit) is an item of its
own.

Every file of a group is claimed and compared when it is acknowledged, as `folder` does it. So that a crash in between
does not make an item of what is left, the group is first written down in the folder, in a file that nobody lists.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import After, Launcher
from ezcold_operators.errors import ItemChanged
from ezcold_operators.filesystems.base import Stat
from ezcold_operators.i18n import _
from ezcold_operators.sources.adullact_groups import Group, base, folder_of, groups
from ezcold_operators.sources.adullact_names import HEAD, WHOLE, Content, content
from ezcold_operators.sources.base import Listed, Outcome, Session, Taken, Window
from ezcold_operators.sources.bundles import bundle, bundle_size
from ezcold_operators.sources.folder import FolderSession, FolderSource, source_errors
from ezcold_operators.sources.folder_names import OURS, fingerprint, unescape
from ezcold_operators.steps import step

WAIT = 60
"""An incomplete group is waited for this many times `settle_seconds` (10 minutes by default)."""
NOTE = f"{OURS}group-"
NOTE_HOLDS_SECONDS = 86_400
"""A note that old belongs to a group that will not be acknowledged any more."""


def create(launcher: Launcher) -> AdullactSource:
    """:raises ConfigurationError: no path."""
    return AdullactSource(launcher)


class AdullactSource(FolderSource):
    """One watched folder of envelopes."""

    @contextmanager
    def open(self, credentials: Credentials) -> Iterator[AdullactSession]:  # type: ignore[override]
        """:raises SourceUnavailable: the folder is missing, or cannot be entered."""
        with super().open(credentials) as files:
            yield AdullactSession(files, self)


class AdullactSession(Session):
    """An open folder of envelopes: groups over the files of a `FolderSession`."""

    def __init__(self, files: FolderSession, source: AdullactSource) -> None:
        self._files = files
        self._root = source.root
        self._wait = WAIT * source.settle_seconds
        self.acknowledger = files.acknowledger

    def peek(self, most: int = 1000) -> tuple[int, bool]:
        """See `FolderSession.peek`: files, not items."""
        return self._files.peek(most)

    def list(self, marks: Mapping[str, str], window: Window | None = None) -> Iterator[Listed]:
        """Items that are whole; dated by the file that names the others."""
        folders: dict[str, list[Listed]] = {}
        for listed in self._files.list(marks):
            folders.setdefault(folder_of(listed), []).append(listed)
        for folder, files in folders.items():
            leaving = self._leaving(files[0])
            staying = [listed for listed in files if (listed.key, listed.fingerprint) not in leaving]
            for group in groups(staying, self._look):
                if group.missing and not self._waited(group):
                    continue
                date = group.anchor.date
                if window is None or (date is not None and window.start <= date < window.end):
                    yield _listed(group, folder)

    def marks(self) -> Mapping[str, str]:
        """None, as for `folder`."""
        return self._files.marks()

    def _waited(self, group: Group) -> bool:
        """Whether nothing has come for so long that what is missing will not."""
        try:
            newest = max(self._files.tree.stat(_path(one)).mtime_ns for one in group.files)
        except OSError:
            return False  # one has just gone: looked at again in the next run
        return time.time() - newest / 1e9 >= self._wait

    def _look(self, listed: Listed) -> Content:
        """What a file is to its neighbours; one that cannot be read is nothing to them."""
        path = _path(listed)
        try:
            with self._files.tree.open(path) as file:
                head = file.read(HEAD)
                rest = b"".join(iter(lambda: file.read(HEAD), b"")) if len(head) < listed.size <= WHOLE else b""
        except FileNotFoundError:
            return Content("other")
        except OSError as exc:
            if isinstance(exc, ConnectionError | TimeoutError):
                with source_errors(self._root):
                    raise
            return Content("other")
        return content(listed.name, head, head + rest if listed.size <= WHOLE else None)

    def read(self, batch: Sequence[Listed]) -> Iterator[Taken]:
        """Bytes of each item: of the file, or of all files of the group in one stream."""
        for listed in batch:
            members = _members(listed)
            if not members:
                yield from self._files.read([listed])
            else:
                yield Taken(listed, self._bundle(listed, members))

    def _bundle(self, listed: Listed, members: Sequence[Listed]) -> Iterator[bytes] | None:
        if all(self._gone(member) for member in members):
            return None

        def chunks(member: Listed) -> Iterator[bytes]:
            for taken in self._files.read([member]):
                if taken.chunks is None:
                    raise ItemChanged(_("{name} changed since it was listed").format(name=listed.name))
                yield from taken.chunks

        return bundle([(base(member), member.size, chunks(member)) for member in members])

    def _stat(self, path: str) -> Stat | None:
        try:
            return self._files.tree.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            with source_errors(self._root):
                raise

    def _gone(self, member: Listed) -> bool:
        return self._stat(_path(member)) is None

    def _same(self, member: Listed) -> bool:
        found = self._stat(_path(member))
        return found is not None and fingerprint(found) == member.fingerprint

    def acknowledge(self, batch: Sequence[Listed], after: After) -> Iterator[Outcome]:
        """Each file as `folder` does it; an item is done when all its files are."""
        yield from self._files.acknowledge([listed for listed in batch if not _members(listed)], after)
        for listed in batch:
            members = _members(listed)
            if members:
                yield self._acknowledge(listed, members, after)

    def _acknowledge(self, listed: Listed, members: Sequence[Listed], after: After) -> Outcome:
        if after.action == "keep":
            return Outcome(listed, "done")
        note = self._note_path(listed)
        if self._stat(note) is None:
            if any(not self._same(member) for member in members):
                return Outcome(listed, "gone", _("{name} changed since it was listed").format(name=listed.name))
            try:
                self._write_note(note, members)
            except OSError as exc:
                return Outcome(listed, "failed", _why(listed, exc))
        outcomes = list(self._files.acknowledge(members, after))
        failed = [outcome for outcome in outcomes if outcome.state == "failed"]
        if failed:
            return Outcome(listed, "failed", "; ".join(outcome.detail for outcome in failed[:3]))
        with suppress(FileNotFoundError), step("adullact.unlink_note"):
            self._files.tree.unlink(note)
        return Outcome(listed, "done" if any(outcome.state == "done" for outcome in outcomes) else "gone")

    # -- the note of a group that is leaving

    def _note_path(self, listed: Listed) -> str:
        path = _path(listed)
        digest = hashlib.sha256(os.fsencode(f"{listed.key}\0{listed.fingerprint}")).hexdigest()[:20]
        folder = path.rpartition("/")[0]
        return f"{folder}/{NOTE}{digest}" if folder else f"{NOTE}{digest}"

    def _write_note(self, note: str, members: Sequence[Listed]) -> None:
        text = json.dumps([[member.key, member.fingerprint] for member in members]).encode()
        with step("adullact.write_note"):
            self._files.tree.write(note, [text])

    def _leaving(self, neighbour: Listed) -> set[tuple[str, str]]:
        """(key, fingerprint) of files in this folder that belong to groups on their way out."""
        folder = _path(neighbour).rpartition("/")[0]
        found: set[tuple[str, str]] = set()
        with source_errors(self._root):
            for name, stat in self._files.tree.scan(folder):
                if not name.startswith(NOTE) or stat.kind != "file":
                    continue
                if time.time() - stat.mtime_ns / 1e9 < NOTE_HOLDS_SECONDS:
                    found |= self._noted(f"{folder}/{name}" if folder else name)
        return found

    def _noted(self, note: str) -> set[tuple[str, str]]:
        try:
            with self._files.tree.open(note) as file:
                pairs = json.loads(b"".join(iter(lambda: file.read(HEAD), b"")))
            return {(str(key), str(proof)) for key, proof in pairs}
        except (FileNotFoundError, ValueError, TypeError):
            return set()  # written down by halves: nothing was claimed yet


def _listed(group: Group, folder: str) -> Listed:
    """The group as one item: under the key of its anchor, proved by all its files."""
    anchor = group.anchor
    if not group.members:
        return anchor
    files = group.files
    return Listed(
        key=anchor.key,
        fingerprint=group.fingerprint,
        place=anchor.place,
        size=bundle_size([(base(listed), listed.size) for listed in files]),
        name=anchor.name,
        date=anchor.date,
        handle={**anchor.handle, "files": [_as_json(listed) for listed in files]},
    )


def _as_json(listed: Listed) -> dict[str, Any]:
    return {
        "key": listed.key,
        "fingerprint": listed.fingerprint,
        "size": listed.size,
        "name": listed.name,
        "handle": dict(listed.handle),
    }


def _path(listed: Listed) -> str:
    return unescape(str(listed.handle["path"]))


def _members(listed: Listed) -> list[Listed]:
    """The files of a group; none for an item that is one file."""
    return [
        Listed(one["key"], one["fingerprint"], listed.place, one["size"], one["name"], None, one["handle"])
        for one in listed.handle.get("files", [])
    ]


def _why(listed: Listed, exc: OSError) -> str:
    name = errno.errorcode.get(exc.errno or 0, type(exc).__name__)
    return _("{name}: its folder cannot be written ({error})").format(name=listed.name, error=exc.strerror or name)
