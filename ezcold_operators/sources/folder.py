"""Files in a folder, on a local disk or a share: what is whole is taken, and claimed only when it is acknowledged.

A file's name is its path relative to the watched folder. Its key escapes what is not UTF-8, and `%`, as `%XX`: two
names never share a key. Size and time of modification prove that it is still the file that was fetched.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import After, Launcher
from ezcold_operators.errors import ConfigurationError, ItemChanged, ItemFailed, SourceUnavailable
from ezcold_operators.filesystems.base import Stat, Tree
from ezcold_operators.filesystems.opening import open_tree
from ezcold_operators.i18n import _
from ezcold_operators.sources.base import Listed, Outcome, Session, Taken, Window
from ezcold_operators.sources.folder_acknowledge import Acknowledger
from ezcold_operators.sources.folder_dates import PathDate
from ezcold_operators.sources.folder_names import (
    OURS,
    Pattern,
    absolute,
    escape,
    fingerprint,
    readable,
    split_glob,
    taken_name,
    unescape,
)
from ezcold_operators.sources.folder_targets import Targets

PIECE = 1 << 20


def create(launcher: Launcher) -> FolderSource:
    """:raises ConfigurationError: no path, or a reprise pattern that cannot be read."""
    return FolderSource(launcher)


class FolderSource:
    """One watched folder."""

    def __init__(self, launcher: Launcher) -> None:
        source = launcher.source
        if not source.path:
            raise ConfigurationError(
                _("launcher {id}: protocol folder needs `path`, the folder to watch").format(id=launcher.launcher)
            )
        self.root, glob = split_glob(source.path)
        self.pattern = Pattern(glob, source.subfolders)
        self.settle_seconds = source.settle_seconds
        self.after = (source.after, source.rejected)
        self.targets = frozenset(absolute(after.to) for after in self.after if after.to)
        if self.root in self.targets:
            raise ConfigurationError(
                _("launcher {id}: `to` is the watched folder itself; name another one").format(id=launcher.launcher)
            )
        reprise = launcher.reprise
        by_path = reprise is not None and reprise.by == "path"
        pattern = (reprise.path_pattern if reprise else None) or "{yyyy}/{mm}"
        self.path_date = PathDate(pattern, launcher.timezone) if by_path else None

    def __repr__(self) -> str:
        return f"FolderSource({self.root!r})"

    @contextmanager
    def open(self, credentials: Credentials) -> Iterator[FolderSession]:
        """:raises SourceUnavailable: the folder is missing, or cannot be entered."""
        with source_errors(self.root):
            tree = open_tree(self.root, credentials)
        with ExitStack() as stack:
            stack.callback(tree.close)
            yield FolderSession(self, tree, credentials, stack)

    def probe(self, credentials: Credentials) -> Iterable[str]:
        """:raises SourceUnavailable: as `open`."""
        with self.open(credentials) as session:
            count, more = session.peek()
            text = _("{folder} is there; {count} files to take") if not more else _("{folder} is there; many files")
            yield text.format(folder=readable(self.root), count=count)
            for after in self.after:
                if after.action in {"move", "delete"}:
                    yield session.acknowledger.outlook(after)


@contextmanager
def source_errors(folder: str) -> Iterator[None]:
    """A folder that cannot be used as SourceUnavailable."""
    try:
        yield
    except OSError as exc:
        match exc.errno:
            case errno.ENOENT | errno.ENOTDIR:
                text = _("the watched folder {folder} is not there: create it, or mount its share")
            case errno.EACCES | errno.EPERM:
                text = _("{folder} may not be read: give the user that runs Airflow the right to")
            case _other:
                text = _("{folder} cannot be read ({error}): check its disk, share or server")
        raise SourceUnavailable(text.format(folder=readable(folder), error=exc.strerror or type(exc).__name__)) from exc


class FolderSession(Session):
    """An open folder."""

    def __init__(self, source: FolderSource, tree: Tree, credentials: Credentials, stack: ExitStack) -> None:
        self._source = source
        self._tree = tree
        self.place = f"folder:{escape(source.root)}"
        self._closed: list[tuple[str, OSError]] = []
        targets = Targets(credentials, stack)
        self.acknowledger = Acknowledger(tree, source.root, targets)
        found = [targets.opened(target) for target in source.targets]
        self._target_identities = {target.stat("").identity for target in found if target is not None}

    @property
    def tree(self) -> Tree:
        """The open folder, for sources that see more in its files than one item each."""
        return self._tree

    def list(self, marks: Mapping[str, str], window: Window | None = None) -> Iterator[Listed]:
        """What is there and whole. A folder has no marks: names cost little, and times of folders prove nothing."""
        self._closed = []
        began = time.monotonic()
        doubtful: list[tuple[str, Stat]] = []
        for path, stat in self._walk():
            age = time.time() - stat.mtime_ns / 1e9
            if age >= self._source.settle_seconds:
                yield from self._listed(path, stat, window)
            elif age < -self._source.settle_seconds:
                doubtful.append((path, stat))
        if doubtful:  # dated in the future, so its age says nothing: has it stood still since we first looked?
            time.sleep(max(0.0, began + self._source.settle_seconds - time.monotonic()))
            for path, stat in doubtful:
                with suppress(FileNotFoundError), source_errors(self._source.root):
                    if fingerprint(self._tree.stat(path)) == fingerprint(stat):
                        yield from self._listed(path, stat, window)

    def marks(self) -> Mapping[str, str]:
        """None. By now all else is fetched, so this is where a folder that could not be entered is said.

        :raises SourceUnavailable: part of the tree could not be listed.
        """
        for folder, exc in self._closed:
            with source_errors(f"{self._source.root}/{folder}"):
                raise exc
        return {}

    def _listed(self, path: str, stat: Stat, window: Window | None) -> Iterator[Listed]:
        by_path = self._source.path_date
        date = by_path.of(readable(path)) if by_path else _when(stat.mtime_ns)
        if window is not None and (date is None or not window.start <= date < window.end):
            return
        yield Listed(
            key=f"{self.place};{escape(path)}",
            fingerprint=fingerprint(stat),
            place=self.place,
            size=stat.size,
            name=readable(path),
            date=date,
            handle={"path": escape(path)},
        )

    def _walk(self) -> Iterator[tuple[str, Stat]]:
        """Regular files that the pattern takes; links, devices and FIFOs are none."""
        pending = [""]
        while pending:
            folder = pending.pop()
            try:
                for path, stat in self._scan(folder):
                    if stat.kind == "folder":
                        pending.append(path)
                    else:
                        yield path, stat
            except OSError as exc:
                if not folder or isinstance(exc, ConnectionError | TimeoutError):
                    with source_errors(self._source.root):
                        raise
                if not isinstance(exc, FileNotFoundError):
                    self._closed.append((folder, exc))

    def _scan(self, folder: str) -> Iterator[tuple[str, Stat]]:
        """Of one folder: what to take, and where to look further."""
        pattern = self._source.pattern
        for name, stat in self._tree.scan(folder):
            path = f"{folder}/{name}" if folder else name
            if stat.kind == "folder":
                if pattern.enters(path) and not self._is_target(path, stat):
                    yield path, stat
            elif stat.kind == "file" and taken_name(name) and pattern.takes(path):
                yield path, stat

    def _is_target(self, path: str, stat: Stat) -> bool:
        if path.rpartition("/")[2].startswith(OURS) or (stat.identity and stat.identity in self._target_identities):
            return True
        return f"{self._source.root.rstrip('/')}/{path}" in self._source.targets

    def peek(self, most: int = 1000) -> tuple[int, bool]:
        """How many files would be taken, and whether counting stopped early."""
        count = 0
        for _path, _stat in self._walk():
            count += 1
            if count >= most:
                return count, True
        return count, False

    def read(self, batch: Sequence[Listed]) -> Iterator[Taken]:
        """Bytes, proved by size and time before and after: a file that still grows is left for the next run."""
        for listed in batch:
            with ExitStack() as stack:
                yield Taken(listed, self._chunks(listed, stack))

    def _chunks(self, listed: Listed, stack: ExitStack) -> Iterator[bytes] | None:
        path = unescape(str(listed.handle["path"]))
        try:
            file = stack.enter_context(self._tree.open(path))
            if fingerprint(file.stat()) != listed.fingerprint:
                return _failing(ItemChanged(_("{name} changed since it was listed").format(name=listed.name)))
        except FileNotFoundError:
            return None
        except OSError as exc:
            return _failing(self._error(listed, exc))

        def chunks() -> Iterator[bytes]:
            size = 0
            try:
                while data := file.read(PIECE):
                    size += len(data)
                    yield data
                same = fingerprint(file.stat()) == listed.fingerprint and size == listed.size
            except OSError as exc:
                raise self._error(listed, exc) from exc
            if not same:
                raise ItemChanged(_("{name} changed while it was read").format(name=listed.name))

        return chunks()

    def _error(self, listed: Listed, exc: OSError) -> SourceUnavailable | ItemFailed:
        """One file's trouble, unless the folder itself is in trouble."""
        if exc.errno == errno.EBUSY:  # a share knows that it is still being written
            return ItemChanged(_("{name} is open in another program").format(name=listed.name))
        if not isinstance(exc, PermissionError):
            try:
                with source_errors(self._source.root):
                    self._tree.stat("")
            except SourceUnavailable as whole:
                return whole
        return ItemFailed(
            _("{name} cannot be read ({error}): check its rights and its disk").format(
                name=listed.name, error=exc.strerror or type(exc).__name__
            )
        )

    def acknowledge(self, batch: Sequence[Listed], after: After) -> Iterator[Outcome]:
        """Each file is claimed, compared again, and only then moved or deleted; durable before it is said."""
        return self.acknowledger.acknowledge(batch, after)


def _failing(error: Exception) -> Iterator[bytes]:
    raise error
    yield b""


def _when(mtime_ns: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(mtime_ns / 1e9, tz=UTC)
    except (OverflowError, ValueError, OSError):
        return None
