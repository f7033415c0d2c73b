"""Options and answers as plain data, for the pipe between a process and its decoder."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from .base import Decoded, Envelope, Found, Headers, Limits, Options


def options_to(options: Options) -> dict[str, Any]:
    """Options as JSON takes them."""
    plain = {name: getattr(options, name) for name in Options.__dataclass_fields__ if name != "limits"}
    return {**plain, "limits": {name: getattr(options.limits, name) for name in Limits.__dataclass_fields__}}


def options_from(plain: dict[str, Any]) -> Options:
    """The reverse of `options_to`."""
    lists: dict[str, Any] = {name: tuple(plain[name]) for name in ("unpack", "passwords")}
    return Options(**{**plain, **lists, "limits": Limits(**plain["limits"])})


def decoded_to(decoded: Decoded) -> dict[str, Any]:
    """An answer as JSON takes it."""
    headers, envelope = decoded.headers, decoded.envelope
    return {
        "documents": [
            [
                found.name,
                found.path,
                found.media_type,
                found.size,
                found.sha256,
                str(found.file),
                found.sniffed,
                found.role,
                found.inline,
                dict(found.metadata),
            ]
            for found in decoded.documents
        ],
        "headers": headers
        and [
            headers.sender,
            headers.recipients,
            headers.subject,
            headers.date and headers.date.isoformat(),
            headers.message_id,
        ],
        "envelope": envelope and [envelope.type, dict(envelope.metadata)],
        "quarantined": decoded.quarantined,
    }


def _found(row: list[Any]) -> Found:
    name, path, media_type, size, sha256, file, sniffed, role, inline, metadata = row
    return Found(name, path, media_type, size, sha256, Path(file), sniffed, role, inline, metadata)


def decoded_from(plain: dict[str, Any]) -> Decoded:
    """The reverse of `decoded_to`."""
    headers = plain["headers"]
    if headers:
        sender, recipients, subject, date, message_id = headers
        headers = Headers(sender, recipients, subject, datetime.fromisoformat(date) if date else None, message_id)
    return Decoded(
        documents=tuple(_found(row) for row in plain["documents"]),
        headers=headers,
        envelope=Envelope(*plain["envelope"]) if plain["envelope"] else None,
        quarantined=plain["quarantined"],
    )
