"""The filter room's judgement, pure: (document, launcher) -> its scenarios, or the reason why it goes nowhere."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ezcold_operators.config.filters import FilterTimeout
from ezcold_operators.config.launcher import Launcher
from ezcold_operators.i18n import _

SMALL_IMAGE_BYTES = 50_000
"""An inline image below this is taken for a logo or a signature (`inline: documents`); a scan is larger."""

EXTENSIONS = {
    "application/pdf": ".pdf", "image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/tiff": ".tif",
    "text/plain": ".txt", "text/html": ".html", "text/csv": ".csv", "text/calendar": ".ics", "text/xml": ".xml",
    "application/xml": ".xml", "application/zip": ".zip", "message/rfc822": ".eml", "application/gzip": ".gz",
    "application/vnd.ms-outlook": ".msg", "application/ms-tnef": ".dat", "application/x-7z-compressed": ".7z",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Candidate:
    """What the judgement looks at; no bytes."""

    name: str | None
    media_type: str
    sniffed: str | None
    role: str
    inline: bool
    size: int
    envelope: str | None = None
    """The type of the envelope it came in, or None."""
    link: str = ""
    """Where a `reference` points to."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """accepted with scenarios; rejected or quarantined with a reason."""

    verdict: Literal["accepted", "rejected", "quarantined"]
    scenarios: tuple[str, ...] = ()
    reason: str = ""


def link_of(metadata: Mapping[str, Any]) -> str:
    """Where a file lies that an item only names: a cloud attachment's link, the URL or site of an external body."""
    external = metadata.get("external") or {}
    return str(metadata.get("link") or external.get("url") or external.get("site") or "")


def effective_name(candidate: Candidate) -> str:
    """The file name that filters and routes see: the last component, or an invented one if it was sent without."""
    name = (candidate.name or "").replace("\\", "/").rsplit("/", 1)[-1].strip()
    if name:
        return name
    kind = candidate.sniffed or candidate.media_type
    return "document" + (EXTENSIONS.get(kind) or mimetypes.guess_extension(kind) or ".bin")


def extension(name: str) -> str:
    """Lower case, without the dot; '' if the name has none."""
    stem, dot, ext = name.rpartition(".")
    return ext.lower() if dot and stem else ""


def judge(launcher: Launcher, candidate: Candidate) -> Judgement:
    """Where a document goes. Never raises for a document's sake."""
    refused = _left_out(launcher, candidate)
    if refused:
        return Judgement("rejected", reason=refused)
    name = effective_name(candidate)
    if launcher.mismatch == "quarantine" and _mismatch(name, candidate.sniffed):
        return Judgement(
            "quarantined",
            reason=_("{name} is in truth {type}: its extension does not fit its content").format(
                name=name, type=candidate.sniffed
            ),
        )
    for one in launcher.filters:
        try:
            if not one.passes(name):
                return Judgement("rejected", reason=_("refused by the filter {filter}").format(filter=one))
        except FilterTimeout:
            reason = _("the filter {filter} found no answer on this name in time: make it simpler, then replay")
            return Judgement("quarantined", reason=reason.format(filter=one))
    return _route(launcher, name, candidate.envelope)


def _left_out(launcher: Launcher, candidate: Candidate) -> str:
    """Why the launcher does not want this kind of part at all; '' if it does."""
    if candidate.role == "signature":
        return _("a detached signature, not a document")
    if candidate.role == "reference":
        return _("only a link, its file is not in the item: {link}").format(link=candidate.link)
    if launcher.is_mail and candidate.role == "attachment" and "attachments" not in launcher.take:
        return _("an attachment, and the launcher takes only the mail itself")
    if candidate.inline and launcher.inline == "none":
        return _("shown inside the mail's text (inline: none)")
    image = (candidate.sniffed or candidate.media_type).startswith("image/")
    if candidate.inline and launcher.inline == "documents" and image and candidate.size < SMALL_IMAGE_BYTES:
        return _("a small image shown inside the mail's text: a logo or a signature (inline: documents)")
    return ""


def _route(launcher: Launcher, name: str, envelope: str | None) -> Judgement:
    wanted = envelope if envelope is not None else extension(name)
    for route in launcher.routes:
        if wanted in route.extensions or (envelope is None and "*" in route.extensions):
            return Judgement("accepted", scenarios=tuple(dict.fromkeys(route.send_to)))
    if envelope is not None:
        return Judgement("rejected", reason=_("no route takes envelopes of type {type}").format(type=envelope))
    return Judgement("rejected", reason=_("no route takes the extension .{ext}").format(ext=wanted))


SNIFFED_EXTENSIONS = {
    "application/pdf": {"pdf"}, "image/png": {"png"}, "image/jpeg": {"jpg", "jpeg", "jpe", "jfif"},
    "image/gif": {"gif"}, "image/tiff": {"tif", "tiff"}, "application/x-7z-compressed": {"7z"},
    "application/gzip": {"gz", "tgz", "svgz"}, "application/vnd.microsoft.portable-executable": {"exe", "dll", "scr"},
    "application/x-msdownload": {"exe", "dll", "scr", "sys", "com"}, "application/x-dosexec": {"exe", "dll", "scr"},
}  # fmt: skip


def _mismatch(name: str, sniffed: str | None) -> bool:
    """The first bytes are certainly of another type than the extension says."""
    if sniffed is None:
        return extension(name) == "pdf"  # a PDF always shows itself
    expected = SNIFFED_EXTENSIONS.get(sniffed)
    claimed = {e for exts in SNIFFED_EXTENSIONS.values() for e in exts}
    ext = extension(name)
    if expected is not None:
        return ext not in expected
    return ext in claimed
