"""One upload: a file streamed as multipart/form-data (RFC 7578), and what EzGED's answer to it means."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator

from ezcold_operators import log
from ezcold_operators.cold.base import Outgoing
from ezcold_operators.cold.ezged_session import TOO_MANY
from ezcold_operators.cold.ezged_settings import Settings
from ezcold_operators.cold.ezged_wire import Answer
from ezcold_operators.errors import (
    Ambiguous,
    ConfigurationError,
    EzcoldError,
    Rejected,
    ScenarioUnavailable,
    StageUnavailable,
)
from ezcold_operators.i18n import _

PIECE = 256 * 1024
PROGRESS = 32 * 1024 * 1024
"""Bytes of one file between two lines of progress in the log."""

_TOKEN = re.compile(r"(?i)token|jeton")
_ALREADY = re.compile(r"(?i)\b(?:already|d[ée]j[àa])\b")
_THERE = re.compile(r"(?i)exist|pr[ée]sent|re[çc]u|received|upload")
_TWICE = re.compile(r"(?i)\b(?:file exists|duplicate|doublon)")
_NOT = re.compile(r"(?i)\b(?:not|no|pas|aucun)\b")
_PLACE = re.compile(r"(?i)waitdir|director|r[ée]pertoire|folder|dossier")


class Upload:
    """The body of one upload. Its last piece goes out only when the bytes before it were those that were fetched."""

    def __init__(self, outgoing: Outgoing, name: str) -> None:
        self._outgoing = outgoing
        boundary = secrets.token_hex(16)
        self._head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(self._head) + outgoing.size + len(self._tail)),
        }
        self.handed_over = False
        """The last piece was given to the network: from here on, EzGED may have the file."""

    def __iter__(self) -> Iterator[bytes]:
        """:raises StageUnavailable: the file is not there, or not what it was; EzGED then has no whole request."""
        outgoing = self._outgoing
        digest, size, told = hashlib.sha256(), 0, PROGRESS
        rest = self._head
        try:
            with outgoing.file.open("rb") as file:
                while piece := file.read(PIECE):
                    digest.update(piece)
                    size += len(piece)
                    if rest:
                        yield rest
                    rest = piece
                    if size >= told:
                        log.info("ezged upload", delivery=outgoing.delivery_id, sent=size, size=outgoing.size)
                        told += PROGRESS
        except OSError as exc:
            raise lost(outgoing) from exc
        if size != outgoing.size or digest.hexdigest() != outgoing.sha256:
            raise lost(outgoing)
        self.handed_over = True
        yield rest + self._tail


def lost(outgoing: Outgoing) -> StageUnavailable:
    """Our own copy is not what was fetched."""
    return StageUnavailable(
        _("the stage no longer has {name} ({sha256}) as it was fetched").format(
            name=outgoing.name or "?", sha256=outgoing.sha256[:16]
        )
    )


def judge(answer: Answer, said: str, settings: Settings, waitdir: str, name: str) -> EzcoldError | None:
    """What an answer means for the file; None: EzGED has it.

    :param said: EzGED's words, without secrets.
    """
    if answer.data is None:
        return _no_json(answer, settings, waitdir, name)
    success = _truth(answer.data.get("success"), answer.code)
    if success is None or (success and answer.status >= 500):
        return Ambiguous(_("EzGED at {host} gives an answer that says nothing").format(host=settings.host))
    if success:
        return None
    if answer.code == TOO_MANY or answer.status >= 500 or answer.status == 429:
        return ScenarioUnavailable(
            _("EzGED at {host} cannot take files now: {said}").format(host=settings.host, said=said or _why(answer))
        )
    return _refused(answer, said, settings, waitdir, name)


def _truth(success: object, code: int | None) -> bool | None:
    """Whether EzGED took the file; None: it says nothing, or two things at once."""
    if success is None:
        return None if code is None else code == 0
    if success in (True, 1, "true", "1"):
        return True if code in (None, 0) else None
    return False


def _why(answer: Answer) -> str:
    """For answers without words."""
    if answer.code not in (None, 0):
        return f"errorcode {answer.code}"
    return _("it does not say why") if answer.status == 200 else f"HTTP {answer.status}"


def _refused(answer: Answer, said: str, settings: Settings, waitdir: str, name: str) -> EzcoldError:
    if answer.status == 403 and not said:
        return _forbidden(settings, waitdir)
    about_file = name.lower() in said.lower()  # one file's trouble must not stop a whole scenario
    if not about_file and _TOKEN.search(said):
        return _token(settings, said)
    if not about_file and (_PLACE.search(said) or waitdir.lower() in said.lower()):
        return ConfigurationError(
            _(
                "EzGED at {host} refuses the waiting directory {waitdir} ({said}): check the scenario's `waitdir`"
            ).format(host=settings.host, waitdir=waitdir, said=said)
        )
    return Rejected(_("EzGED refuses {name}: {said}").format(name=name, said=said or _why(answer)))


def _token(settings: Settings, said: str) -> ConfigurationError:
    text = (
        _("EzGED at {host} refuses the extra `token` of the Connection {conn} ({said}): ask its administrator for it")
        if settings.own_token
        else _("EzGED at {host} wants its own upload token ({said}): set the extra `token` of the Connection {conn}")
    )
    return ConfigurationError(text.format(host=settings.host, conn=settings.conn_id, said=said))


def _forbidden(settings: Settings, waitdir: str) -> ConfigurationError:
    return ConfigurationError(
        _(
            "EzGED at {host} forbids uploads into {waitdir} (HTTP 403): check the extra `token` of the Connection "
            "{conn}, the scenario's `waitdir`, and what {login} may do"
        ).format(host=settings.host, waitdir=waitdir, conn=settings.conn_id, login=settings.login)
    )


def _no_json(answer: Answer, settings: Settings, waitdir: str, name: str) -> EzcoldError:
    status = answer.status
    if status == 403:
        return _forbidden(settings, waitdir)
    if 300 <= status < 400 or status in (404, 405):
        return ConfigurationError(
            _("{base} takes no uploads (HTTP {status}): check host and the extra `base_path` of the Connection").format(
                base=settings.base, status=status
            )
        )
    if status == 429:
        return ScenarioUnavailable(_("EzGED at {host} asks us to wait (HTTP 429)").format(host=settings.host))
    if 400 <= status < 500:
        why = {413: _("too large for it"), 415: _("of a type that it does not take")}.get(status, f"HTTP {status}")
        return Rejected(_("EzGED refuses {name}: {said}").format(name=name, said=why))
    return Ambiguous(
        _("EzGED at {host} answered HTTP {status} and nothing else").format(host=settings.host, status=status)
    )


def is_there(said: str) -> bool:
    """A refusal whose words say that EzGED has this very file name already."""
    words = bool(_TWICE.search(said) or (_ALREADY.search(said) and _THERE.search(said)))
    return words and not _NOT.search(said)


def job_of(answer: Answer) -> str:
    """The job that works on the file, where the answer names it."""
    for found in (answer.row(), answer.data or {}):
        value = found.get("JOBQUEUE_ID") or found.get("jobqueueid")
        if value:
            return str(value)[:40]
    return ""
