"""Acknowledging files: claim, compare, then delete or move. Twice is fine, and so is a crash at any step.

    claim    the file is renamed to a private name in its own folder, made of its key and fingerprint
    compare  size, time and identity once more: nobody can exchange it under that name
    delete   the claim is removed
    move     the claim is renamed to a free name in the target; on another file system it is copied under the private
             name there, the claim is removed, and the copy gets its free name

So at any moment the file stands under exactly one of: its own name, the claim, the private copy without a claim, its
final name; whoever comes next goes on from there.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Literal

from ezcold_operators.config.launcher import After
from ezcold_operators.errors import SourceUnavailable
from ezcold_operators.filesystems.base import Reading, Stat, Tree
from ezcold_operators.i18n import _
from ezcold_operators.sources.base import Listed, Outcome
from ezcold_operators.sources.folder_names import absolute, fingerprint, free_name, private_name, readable, unescape
from ezcold_operators.sources.folder_targets import Failed, Targets, why_not
from ezcold_operators.steps import step

GROUP = 100
"""Outcomes that share one fsync of their folders."""
PIECE = 1 << 20
FREE_NAMES = 10_000


class Acknowledger:
    """Acknowledges items of one tree."""

    def __init__(self, tree: Tree, root: str, targets: Targets) -> None:
        self._tree = tree
        self._root = root
        self._targets = targets

    def acknowledge(self, batch: Sequence[Listed], after: After) -> Iterator[Outcome]:
        """One outcome each, after it is durable."""
        for start in range(0, len(batch), GROUP):
            outcomes = [self._one(listed, after) for listed in batch[start : start + GROUP]]
            self._targets.sync()
            yield from outcomes

    def outlook(self, after: After) -> str:
        """Whether files can be acknowledged so, as a sentence; changes nothing."""
        places = [(self._root, self._tree)]
        to = absolute(after.to) if after.to else ""
        while to:
            if tree := self._targets.opened(to):
                places.append((to, tree))
                break
            to = to.rpartition("/")[0]  # it will be created below what is there
        answers = [tree.writable("") for _folder, tree in places]
        for (folder, _tree), answer in zip(places, answers, strict=True):
            if answer is False:
                return why_not(OSError(errno.EACCES, ""), folder)
        if None in answers:
            return _("whether {action} is allowed there shows only when it is done").format(action=after.action)
        return _("{action} is possible there").format(action=after.action)

    def _one(self, listed: Listed, after: After) -> Outcome:
        if after.action == "keep":
            return Outcome(listed, "done")
        if after.action == "mark":
            return Outcome(listed, "failed", _("a file cannot be marked: use keep, move or delete"))
        try:
            return Outcome(listed, _Item(self._targets, self._tree, listed).acknowledge(after))
        except Failed as exc:
            return Outcome(listed, "failed", str(exc))
        except ConnectionError as exc:
            raise SourceUnavailable(
                _("the connection to {folder} broke off").format(folder=readable(self._root))
            ) from exc
        except OSError as exc:
            return Outcome(listed, "failed", f"{listed.name}: {why_not(exc, self._root)}")


class _Item:
    """One file on its way out of the source."""

    def __init__(self, targets: Targets, tree: Tree, listed: Listed) -> None:
        self._targets = targets
        self._tree = tree
        self._listed = listed
        self._path = unescape(str(listed.handle["path"]))
        self._folder, _slash, self._name = self._path.rpartition("/")
        self._private = private_name(listed.key, listed.fingerprint, self._name)
        self._copy_path = f"{self._folder}/{self._private}" if self._folder else self._private
        # Where a rename would be a copy with a new time, nothing is claimed: compare, then act.
        self._claim = self._copy_path if tree.atomic else self._path

    def acknowledge(self, after: After) -> Literal["done", "gone"]:
        """:raises OSError: :raises Failed:"""
        left, own = self._look()
        target = None
        if after.to is not None:
            target = self._targets.created(after.to) if left or own else self._targets.opened(after.to)
        if not self._claimed(left, own):
            finished = target is not None and self._finish_copy(target, after.to or "")
            return "done" if finished else "gone"
        self._targets.touched(self._tree, self._folder)
        if target is None:
            with suppress(FileNotFoundError), step("folder.delete"):
                self._tree.unlink(self._claim)
            return "done"
        self._move(target, after.to or "")
        return "done"

    def _look(self) -> tuple[Stat | None, Stat | None]:
        """What stands under the claim (a crash left it, or another worker is at it), and under the file's own name.

        The latter only if it is still what was fetched.
        """
        left = self._stat(self._claim) if self._tree.atomic else None
        own = self._stat(self._path)
        same = own is not None and own.kind == "file" and fingerprint(own) == self._listed.fingerprint
        return left, own if same else None

    def _claimed(self, left: Stat | None, own: Stat | None) -> bool:
        """Whether the file stands under its claim, proved to be the one that was fetched."""
        if not self._tree.atomic:
            return own is not None
        if left is None:
            if own is None:
                return False
            expected, own = own.identity, None
            try:
                with step("folder.claim"):
                    self._tree.rename_new(self._path, self._tree, self._claim)
            except (FileExistsError, FileNotFoundError):  # another worker was faster, or a share answered twice
                own = self._stat(self._path)
            left = self._stat(self._claim)
            if left is None:
                return False
            if left.identity != expected:
                return self._restore()
        if fingerprint(left) != self._listed.fingerprint:
            return self._restore()
        if own is not None and own.identity and own.identity == left.identity:
            with suppress(FileNotFoundError), step("folder.claim_unlink"):
                self._tree.unlink(self._path)  # a claim made by link and unlink, cut in between
        return True

    def _restore(self) -> bool:
        """What we hold is not what was fetched: give it back without replacing anything."""
        self._targets.touched(self._tree, self._folder)
        with suppress(FileNotFoundError):
            self._rename_free(self._tree, self._claim, self._tree)
        return False

    def _move(self, target: Tree, to: str) -> None:
        try:
            self._targets.make_folders(target, self._folder)
            self._targets.touched(target, self._folder)
            if not self._tree.atomic:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
            with suppress(FileNotFoundError):
                self._rename_free(self._tree, self._claim, target)
        except OSError as exc:
            if exc.errno != errno.EXDEV:
                raise Failed(f"{self._listed.name}: {why_not(exc, to)}") from exc
            with self._tree.locked(self._claim):  # two copies at once would end as two files
                self._move_by_copy(target, to)

    def _move_by_copy(self, target: Tree, to: str) -> None:
        claimed = self._stat(self._claim)
        if claimed is not None:
            try:
                self._copy(target, claimed)
            except OSError as exc:
                raise Failed(f"{self._listed.name}: {why_not(exc, to)}") from exc
            with step("folder.unlink_copied"):
                self._tree.unlink(self._claim)
            self._tree.sync([self._folder])
        self._finish_copy(target, to)

    def _copy(self, target: Tree, claimed: Stat) -> None:
        """Copied, durable and compared, under the private name, which nobody lists."""
        digest = hashlib.sha256()

        def pieces(file: Reading) -> Iterator[bytes]:
            while data := file.read(PIECE):
                digest.update(data)
                yield data

        with self._tree.open(self._claim) as file, step("folder.copy"):
            target.write(self._copy_path, pieces(file), claimed)
            target.sync([self._folder])
        written, digest = digest.digest(), hashlib.sha256()
        with target.open(self._copy_path) as file:
            size = sum(len(data) for data in pieces(file))
        if digest.digest() != written or size != claimed.size:
            raise OSError(errno.EIO, os.strerror(errno.EIO), self._copy_path)

    def _finish_copy(self, target: Tree, to: str) -> bool:
        """A copy whose claim is gone is whole: give it its name. False when there is none."""
        if self._stat(self._copy_path, target) is None:
            return False
        self._targets.touched(target, self._folder)
        try:
            self._rename_free(target, self._copy_path, target)
        except FileNotFoundError:
            return True
        except OSError as exc:
            raise Failed(f"{self._listed.name}: {why_not(exc, to)}") from exc
        return True

    def _rename_free(self, source: Tree, path: str, target: Tree) -> None:
        folder = self._folder
        for number in range(1, FREE_NAMES):
            free = free_name(self._name, number)
            try:
                with step("folder.rename"):
                    source.rename_new(path, target, f"{folder}/{free}" if folder else free)
                return
            except FileExistsError:
                continue
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), self._name)

    def _stat(self, path: str, tree: Tree | None = None) -> Stat | None:
        try:
            return (tree or self._tree).stat(path)
        except FileNotFoundError:
            return None
