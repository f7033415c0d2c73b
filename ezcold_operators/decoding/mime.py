"""A mail's parts found by offset in the staged file, each leaf decoded in pieces straight to disk (RFC 2045, 2046).

The standard library's parser holds ten times a part in memory and loses parts in mails seen in production; here nothing
but headers and offsets is held, and whatever a mail promises and we cannot find becomes a quarantine (check.py).
"""

from __future__ import annotations

from pathlib import Path

from .check import check
from .headers import headers_of
from .leaves import write_leaves
from .raw import Raw
from .structure import walk
from .unfolding import Unfolding


def open_mail(part: Path, name: str | None, path: str, session: Unfolding) -> None:
    """Open a mail: every leaf that is a file becomes a document, every container among them is opened in its turn.

    :raises Undecodable: it has no header at all.
    """
    with Raw(part) as raw:
        tree = walk(raw, path, session)
        if session.headers is None:
            session.headers = headers_of(tree.messages[0].fields)
        write_leaves(raw, tree, session)
        check(raw, tree, session)
