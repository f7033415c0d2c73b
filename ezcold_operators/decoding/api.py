"""The way in: one item's raw bytes in a file, the documents found in it out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from .base import Decoded, Options
from .limits import LimitExceeded
from .sniff import container_kind, looks_like_mail, sniff
from .unfolding import HEAD, Unfolding

EVERYTHING = ("mail", "outlook", "tnef", "smime", "archive", "envelope")
MAIL_NAMES = (".eml", ".mht", ".mhtml")


def decode(raw: Path, workdir: Path, options: Options, prefix: str = "") -> Decoded:
    """Find every document of one item.

    Never raises for what the item holds: what cannot be read is said in `Decoded.quarantined`.

    :param raw: the item's bytes; only read.
    :param workdir: an existing directory; documents are written there under names of ours, which begin with `prefix`.
    :raises OSError: our own disk fails.
    :raises ConfigurationError: an envelope needs what is not installed.
    """
    options = _kind(raw, options)
    size = raw.stat().st_size
    session = Unfolding(workdir, options, size, prefix)
    if options.kind == "adullact" or (options.kind == "file" and session.allows("envelope")):
        found = _envelope(raw, workdir, options, prefix)
        if found is not None:
            return found
    try:
        _open(raw, size, session, options)
    except LimitExceeded as error:
        session.quarantine(str(error))
    return session.result()


def decode_any(raw: Path, workdir: Path, options: Options | None = None, prefix: str = "") -> Decoded:
    """Decode any file by what it is, everything opened: for the command line.

    A mail, .msg, winmail.dat, archive or envelope is opened; anything else is its own only document.
    """
    options = options or Options()
    unpack = tuple(dict.fromkeys((*EVERYTHING, *options.unpack)))
    return decode(raw, workdir, replace(options, kind="any", unpack=unpack, name=options.name or raw.name), prefix)


def _kind(raw: Path, options: Options) -> Options:
    """Where nobody says what an item is, its bytes do."""
    if options.kind != "any":
        return options
    return replace(options, kind="mail" if _is_mail(_head(raw), raw, options.name, 1) else "file")


def _head(raw: Path) -> bytes:
    with raw.open("rb") as stream:
        return stream.read(HEAD)


def _is_mail(head: bytes, raw: Path, name: str, least: int = 2) -> bool:
    if name.lower().endswith(MAIL_NAMES):
        return sniff(head, raw) in (None, "message/rfc822", "text/html")
    return looks_like_mail(head, least)


def _envelope(raw: Path, workdir: Path, options: Options, prefix: str) -> Decoded | None:
    from .adullact import decode_envelope

    return decode_envelope(raw, workdir, options, prefix)


def _open(raw: Path, size: int, session: Unfolding, options: Options) -> None:
    """Open the item itself; its raw file is never moved nor removed."""
    if options.want_message and options.kind == "mail":
        _message(raw, session)
    kind = "mail" if options.kind == "mail" else _container(raw, options)
    if kind is None:
        _whole(raw, session, options)
    elif not session.open(kind, raw, size, options.name or None, ""):
        _keep(raw, session, options)


def _container(raw: Path, options: Options) -> str | None:
    """What kind of container a file is, if `unpack` opens that kind."""
    head = _head(raw)
    kind = container_kind(head, raw, "", options.name)
    if kind is None and _is_mail(head, raw, options.name):
        kind = "mail"
    return kind if kind in options.unpack else None


def _keep(raw: Path, session: Unfolding, options: Options) -> None:
    """A file that could not be opened is at least itself; a mail's raw bytes are kept by the stage."""
    if options.kind != "mail" and not session.documents:
        _whole(raw, session, options)


def _whole(raw: Path, session: Unfolding, options: Options) -> None:
    """The file itself as the only document."""
    with raw.open("rb") as stream:
        session.add(
            iter(lambda: stream.read(1 << 20), b""),
            name=options.name or None,
            path="1",
            media_type=sniff(stream.peek(HEAD)[:HEAD], raw) or "application/octet-stream",
        )


def _message(raw: Path, session: Unfolding) -> None:
    """The mail itself as a document, byte for byte."""
    with raw.open("rb") as stream:
        session.add(
            iter(lambda: stream.read(1 << 20), b""), name=None, path="0", media_type="message/rfc822", role="message"
        )
