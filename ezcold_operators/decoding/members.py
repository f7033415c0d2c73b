"""What all archives have in common: a member's name made a place in the item, and its bytes a document."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator

from ezcold_operators.i18n import _

from ..errors import Undecodable
from .limits import LimitExceeded
from .unfolding import Unfolding, Written, is_disk_failure, join

Writer = Callable[[], Written]

APPLE_DOUBLE = b"\x00\x05\x16\x07"
_MAC_FOLDER = "__MACOSX"
_DRIVE = re.compile(r"^[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MAX_NAME = 4096


class Members:
    """Hands the members of one archive to the session, each under a place of its own.

    :param path: the archive's place in the item.
    """

    def __init__(self, path: str, session: Unfolding) -> None:
        self._path = path
        self._session = session
        self._taken: dict[str, int] = {}
        self._refused = False

    def give(self, name: str, pieces: Iterator[bytes]) -> None:
        """One member: a document, or a container opened in its turn; one that cannot be read is quarantined by name.

        :raises LimitExceeded: the archive, or the whole item, is more than the launcher allows.
        """
        self.attempt(name, lambda: self._session.scratch(pieces))

    def attempt(self, name: str, write: Writer) -> None:
        """As `give`, for bytes that need more than one attempt.

        :param write: writes the member by `Unfolding.scratch`, and raises when it cannot be read.
        """
        try:
            parts = safe_parts(name)
            written = write()
        except LimitExceeded:
            raise
        except Undecodable as error:
            return self.refuse(name, str(error))
        except Exception as error:  # decompressors raise anything at all on hostile bytes
            if is_disk_failure(error):
                raise
            return self.refuse(name, _("cannot be read ({error})").format(error=type(error).__name__))
        if _MAC_FOLDER in parts[:-1] and written.head.startswith(APPLE_DOUBLE):
            written.file.unlink()
            return
        self._session.descend(written, name=parts[-1], path=self._place("/".join(parts)))

    def refuse(self, name: str, reason: str) -> None:
        """Quarantine one member."""
        self._refused = True
        shown = _CONTROL.sub("?", name)[:200]
        self._session.quarantine(f"{join(self._path, shown)}: {reason}")

    def finish(self) -> None:
        """Call when all members went by.

        :raises Undecodable: not one of them could be read: the archive is then kept as it is.
        """
        if self._refused and not self._taken:
            raise Undecodable(_("none of its members can be read"))

    def _place(self, inner: str) -> str:
        count = self._taken.get(inner, 0) + 1
        self._taken[inner] = count
        return join(self._path, inner if count == 1 else f"{inner}#{count}")


def safe_parts(name: str) -> list[str]:
    """A member's name as folders and file name, in NFC.

    :raises Undecodable: it points outside of the archive, is absolute, empty, or beyond all measure.
    """
    text = _CONTROL.sub("", unicodedata.normalize("NFC", name)).replace("\\", "/")
    if len(text) > _MAX_NAME:
        raise Undecodable(_("its name is longer than any file's"))
    if text.startswith("/") or _DRIVE.match(text):
        raise Undecodable(_("its name is absolute"))
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise Undecodable(_("its name points outside of the archive"))
    if not parts:
        raise Undecodable(_("it has no name"))
    return parts
