"""A path, or a URL, to an open tree."""

from __future__ import annotations

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.filesystems.base import Tree
from ezcold_operators.filesystems.local import LocalTree


def open_tree(path: str, credentials: Credentials | None = None) -> Tree:
    """Open a folder.

    :raises OSError: it is missing, or cannot be entered.
    """
    return LocalTree(path)
