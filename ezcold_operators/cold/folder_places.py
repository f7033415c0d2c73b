"""The folders of a waiting directory: opened once, the parts folder known by its identity, errors as sentences."""

from __future__ import annotations

import errno
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ezcold_operators.cold.names import new_token
from ezcold_operators.config.credentials import Credentials
from ezcold_operators.errors import ConfigurationError, ScenarioUnavailable
from ezcold_operators.filesystems.base import Tree
from ezcold_operators.filesystems.opening import open_tree
from ezcold_operators.i18n import _
from ezcold_operators.steps import step

IDENTITY = ".ezcold-identity"


def apart(path: str) -> tuple[str, str]:
    """Folder and name of a path or a URL."""
    head, _slash, name = path.rpartition("/")
    return head or "/", name


def sentence(exc: OSError, folder: str) -> str:
    """What is wrong with a folder of the entrance, and what to do."""
    match exc.errno:
        case errno.ENOENT | errno.ENOTDIR:
            text = _("{folder} is not there: create it, or mount its share")
        case errno.ENOSPC | errno.EDQUOT:
            text = _("the disk of {folder} is full: make room; nothing was lost, it is sent in a later run")
        case errno.EROFS | errno.EACCES | errno.EPERM:
            text = _("{folder} cannot be written: give the user that runs Airflow the right to write there")
        case _other:
            text = _("{folder} cannot be used ({error}): check its disk, share or server")
    return text.format(folder=folder, error=exc.strerror or type(exc).__name__)


@contextmanager
def entrance_errors(folder: str) -> Iterator[None]:
    """File system errors as errors of the scenario."""
    try:
        yield
    except OSError as exc:
        if exc.errno == errno.EXDEV:
            raise ConfigurationError(_not_one(folder)) from exc
        raise ScenarioUnavailable(sentence(exc, folder)) from exc


def _not_one(folder: str) -> str:
    return _(
        "{folder} is not on the file system of its waiting directory: set the scenario's `parts` to a folder that is, "
        "or mount the folder above both"
    ).format(folder=folder)


class Places:
    """Open trees by their path."""

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials
        self._trees: dict[str, Tree] = {}

    def __enter__(self) -> Places:
        return self

    def __exit__(self, *_exc: object) -> None:
        for tree in self._trees.values():
            with suppress(OSError):
                tree.close()

    def tree(self, path: str) -> Tree:
        """:raises OSError: it cannot be opened."""
        if path not in self._trees:
            self._trees[path] = open_tree(path, self._credentials)
        return self._trees[path]

    def fresh(self, path: str) -> Tree:
        """Opened anew: what stands under the path now, not what stood there when we first looked."""
        old = self._trees.pop(path, None)
        if old is not None:
            old.close()
        return self.tree(path)

    def establish(self, parts: str, waiting: str) -> str:
        """Both folders are there, on one file system; the identity of the parts folder.

        :raises ScenarioUnavailable: :raises ConfigurationError:
        """
        with entrance_errors(waiting):
            target = self.tree(waiting)
        with entrance_errors(parts):
            source = self._make(parts)
            source.check_rename(target)
            return self._identity(source)

    def _make(self, parts: str) -> Tree:
        try:
            return self.tree(parts)
        except FileNotFoundError:
            head, name = apart(parts)
            above = self.tree(head)
            with suppress(FileExistsError), step("waitdir.mkdir_parts"):
                above.mkdir(name)
            above.sync([""])
            return self.tree(parts)

    def workers(self, parts: str, waiting: str) -> int:
        """How many renames may go on at once between two folders; 1 too where one of them cannot be opened."""
        try:
            self.tree(waiting)
            return self.tree(parts).workers
        except OSError:
            return 1

    def _identity(self, tree: Tree) -> str:
        """The identity of a parts folder, given to it if it has none."""
        known = self.known_identity(tree)
        if not known:
            _write(tree)
            known = self.known_identity(tree)
        return known

    def known_identity(self, tree: Tree) -> str:
        """What proves that a parts folder is still the same one: text of its own, and its ctime; "" if it has none.

        The ctime, which nobody can set back, tells a folder that was restored from a backup: the text came back
        too, but not the parts. (SFTP has no ctime.)
        """
        try:
            with tree.open(IDENTITY) as file:
                text = file.read(100).decode("ascii", "replace").strip()
                return f"{text}/{file.stat().changed_ns}"
        except FileNotFoundError:
            return ""

    def trial(self, parts: str, waiting: str) -> None:
        """Can one write and rename here? An empty folder goes in and comes back; nothing is left.

        :raises ScenarioUnavailable: :raises ConfigurationError:
        """
        with entrance_errors(waiting):
            target = self.tree(waiting)
        try:
            source, made = self.tree(parts), False
        except OSError:
            with entrance_errors(parts):
                source, made = self._make(parts), True
        name = f".ezcold-probe-{new_token()}"
        try:
            with entrance_errors(parts):
                source.check_rename(target)
                source.mkdir(name)
            try:
                with entrance_errors(waiting):
                    source.rename(name, target, name)
                    target.rename(name, source, name)
            finally:
                with suppress(OSError):
                    source.rmdir(name)
        finally:
            if made:
                head, last = apart(parts)
                with suppress(OSError):
                    self.tree(head).rmdir(last)

    def warnings(self, waiting: str) -> Iterator[str]:
        """What is worth knowing about a waiting directory that works."""
        waiting_files = 0
        for _name, stat in self.tree(waiting).scan(""):
            waiting_files += stat.kind == "file"
        if waiting_files:
            yield _("{count} files wait in {path} for EzGED").format(count=waiting_files, path=waiting)


def _write(tree: Tree) -> None:
    """Whoever comes first gives the identity; it is whole as soon as it has its name."""
    spare = f"{IDENTITY}-{new_token()}"
    tree.write(spare, [f"{uuid.uuid4()}\n".encode()])
    try:
        with step("waitdir.identity"):
            tree.rename_new(spare, tree, IDENTITY)
    except FileExistsError:
        tree.unlink(spare)
    tree.sync([""])
