"""The way in: one item's raw bytes in a file, the documents found in it out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from .base import Decoded, Kind, Options
from .sniff import container_kind, looks_like_mail, sniff
from .unfolding import HEAD, LimitExceeded, Unfolding

EVERYTHING = ("mail", "outlook", "tnef", "smime", "archive", "envelope")


def decode(raw: Path, workdir: Path, options: Options) -> Decoded:
    """Find every document of one item.

    Never raises for what the item holds: what cannot be read is said in `Decoded.quarantined`.

    :param raw: the item's bytes; only read.
    :param workdir: an existing directory of this item's own; documents are written there under names of ours.
    :raises OSError: our own disk fails.
    """
    session = Unfolding(workdir, options, raw.stat().st_size)
    if options.kind == "adullact" or (options.kind == "file" and session.allows("envelope")):
        found = _envelope(raw, workdir, options)
        if found is not None:
            return found
    try:
        _open(raw, session, options)
    except LimitExceeded as error:
        session.quarantine(str(error))
    return session.result()


def decode_any(raw: Path, workdir: Path, options: Options | None = None) -> Decoded:
    """Decode any file by what it is, everything opened: for the command line.

    A mail, .msg, winmail.dat, archive or envelope is opened; anything else is its own only document.
    """
    options = options or Options()
    with raw.open("rb") as stream:
        head = stream.read(HEAD)
    kind: Kind = "mail" if _is_mail(head, raw, options.name or raw.name) else "file"
    unpack = tuple(dict.fromkeys((*EVERYTHING, *options.unpack)))
    return decode(raw, workdir, replace(options, kind=kind, unpack=unpack, name=options.name or raw.name))


def _is_mail(head: bytes, raw: Path, name: str) -> bool:
    if name.lower().endswith((".eml", ".mht", ".mhtml")):
        return sniff(head, raw) in (None, "message/rfc822", "text/html")
    return looks_like_mail(head)


def _envelope(raw: Path, workdir: Path, options: Options) -> Decoded | None:
    from .adullact import decode_envelope

    return decode_envelope(raw, workdir, options)


def _open(raw: Path, session: Unfolding, options: Options) -> None:
    """Open the item itself; its raw file is never moved nor removed."""
    if options.want_message or options.kind == "mail":
        if options.want_message:
            _message(raw, session)
        kind: str | None = "mail"
    else:
        with raw.open("rb") as stream:
            head = stream.read(HEAD)
        kind = container_kind(head, raw, "", options.name)
        if kind is None and session.allows("mail") and _is_mail(head, raw, options.name):
            kind = "mail"
    if kind is None or (options.kind == "file" and not session.allows(kind)):
        _whole(raw, session, options)
        return
    if not session.open(kind, raw, raw.stat().st_size, options.name or None, ""):
        _keep(raw, session, options)


def _keep(raw: Path, session: Unfolding, options: Options) -> None:
    """A file that could not be opened is at least itself."""
    if options.kind == "file" and not session.documents:
        _whole(raw, session, options)


def _whole(raw: Path, session: Unfolding, options: Options) -> None:
    with raw.open("rb") as stream:
        session.add(
            iter(lambda: stream.read(1 << 20), b""),
            name=options.name or None,
            path="1",
            media_type=sniff(stream.peek(HEAD)[:HEAD], raw) or "application/octet-stream",
        )


def _message(raw: Path, session: Unfolding) -> None:
    with raw.open("rb") as stream:
        session.add(
            iter(lambda: stream.read(1 << 20), b""), name=None, path="0", media_type="message/rfc822", role="message"
        )
