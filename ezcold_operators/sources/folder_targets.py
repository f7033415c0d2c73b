"""Folders that acknowledging writes in: opened when first needed, created when absent, synced before anything is said.

Whoever names one, its disk or its server may refuse: `why_not` says so for a person.
"""

from __future__ import annotations

import errno
from contextlib import ExitStack, suppress

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.filesystems.base import Tree
from ezcold_operators.filesystems.opening import open_tree
from ezcold_operators.i18n import _
from ezcold_operators.sources.folder_names import absolute, readable
from ezcold_operators.steps import step


class Failed(Exception):
    """This one could not be acknowledged; the text is for a person."""


class Targets:
    """The folders that items of one tree go to, open, and every folder whose names changed."""

    def __init__(self, credentials: Credentials, stack: ExitStack) -> None:
        self._credentials = credentials
        self._stack = stack
        self._trees: dict[str, Tree] = {}
        self._touched: set[tuple[Tree, str]] = set()

    def opened(self, to: str) -> Tree | None:
        """The target folder, if it is there."""
        if to not in self._trees:
            try:
                tree = open_tree(absolute(to), self._credentials)
            except OSError:
                return None
            self._stack.callback(tree.close)
            self._trees[to] = tree
        return self._trees[to]

    def created(self, to: str) -> Tree:
        """The open target folder, created if it is absent.

        :raises Failed: it cannot be had.
        """
        if to not in self._trees:
            try:
                tree = self._create(absolute(to))
            except OSError as exc:
                raise Failed(why_not(exc, to)) from exc
            self._stack.callback(tree.close)
            self._trees[to] = tree
        return self._trees[to]

    def _create(self, path: str) -> Tree:
        try:
            return open_tree(path, self._credentials)
        except FileNotFoundError:
            head, _slash, name = path.rpartition("/")
            above = self._create(head or "/")
            try:
                with suppress(FileExistsError), step("folder.mkdir_target"):
                    above.mkdir(name)
                above.sync([""])
            finally:
                above.close()
            return open_tree(path, self._credentials)

    def make_folders(self, tree: Tree, folder: str) -> None:
        """The same subfolders below the target as below the root."""
        made = ""
        for name in folder.split("/") if folder else ():
            above, made = made, f"{made}/{name}" if made else name
            try:
                with step("folder.mkdir"):
                    tree.mkdir(made)
                self.touched(tree, above)
            except FileExistsError:
                continue

    def touched(self, tree: Tree, folder: str) -> None:
        """Names in this folder changed: it is synced before anything is said of them."""
        self._touched.add((tree, folder))

    def sync(self) -> None:
        """Make durable what was touched since."""
        touched, self._touched = self._touched, set()
        for tree, folder in touched:
            with step("folder.sync"):
                tree.sync([folder])


def why_not(exc: OSError, folder: str) -> str:
    """What a person can do about it, in one sentence."""
    match exc.errno:
        case errno.EROFS | errno.EACCES | errno.EPERM:
            text = _("{folder} cannot be written: give the user that runs Airflow the right to, or use action: keep")
        case errno.ENOSPC | errno.EDQUOT:
            text = _("the disk of {folder} is full: make room; it is tried again in the next run")
        case _other:
            text = _("{folder} cannot be changed ({error}): check its disk, share or server")
    return text.format(folder=readable(folder), error=exc.strerror or type(exc).__name__)
