"""A path, or a URL, to an open tree. Client libraries are imported when their scheme is used."""

from __future__ import annotations

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.filesystems.base import Tree
from ezcold_operators.filesystems.local import LocalTree
from ezcold_operators.filesystems.url import parse, scheme_of
from ezcold_operators.i18n import _


def open_tree(path: str, credentials: Credentials | None = None) -> Tree:
    """Open a folder: `/data/in`, `smb://host/share/folder`, `sftp://host/folder`, or what fsspec knows.

    :raises OSError: it is missing, cannot be entered, or its server does not answer.
    :raises AuthenticationFailed: :raises ConfigurationError: a library or a host key is missing.
    """
    scheme = scheme_of(path)
    if not scheme:
        return LocalTree(path)
    login = credentials or Credentials()
    try:
        if scheme == "smb":
            from ezcold_operators.filesystems.smb import SmbTree

            return SmbTree(parse(path), login)
        if scheme == "sftp":
            from ezcold_operators.filesystems.sftp import SftpTree

            return SftpTree(parse(path), login)
        from ezcold_operators.filesystems.objects import ObjectTree

        return ObjectTree(path, login)
    except ImportError as exc:
        raise ConfigurationError(
            _("{scheme}:// needs the library {library}: pip install 'ezcold[{extra}]'").format(
                scheme=scheme, library=exc.name or scheme, extra=scheme
            )
        ) from exc
