"""Names at a COLD's entrance: acceptable to Windows, unique, of bounded length, with their extension.

Rules of Windows: learn.microsoft.com/windows/win32/fileio/naming-a-file. Uniqueness is the token's, never the name's.
"""

from __future__ import annotations

import mimetypes
import re
import secrets
import string
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ezcold_operators.cold.base import Outgoing
from ezcold_operators.config.scenario import NAME_FIELDS
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _

MOST = 180
"""Bytes of UTF-8, and so no more units of UTF-16: NTFS takes 255, but a whole path on Windows often only 260."""
MOST_EXTENSION = 20
MOST_FIELD = 60
"""Characters that a sender or a subject may fill of a name."""
TOKEN_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # noqa: S105 - Crockford's base 32: no i, l, o, u
TOKEN_LENGTH = 12
FIELDS = frozenset(NAME_FIELDS)
INVENTED = "document"

_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
_EXTENSION = re.compile(r"(?s)(.*)\.([^.\s]+)\Z")
_RESERVED = re.compile(r"(?i)(?:con|prn|aux|nul|conin\$|conout\$|clock\$|(?:com|lpt)[0-9¹²³])\Z")
_TYPES = {
    "application/pdf": "pdf",
    "application/xml": "xml",
    "text/xml": "xml",
    "text/plain": "txt",
    "text/html": "html",
    "text/csv": "csv",
    "message/rfc822": "eml",
    "application/zip": "zip",
    "image/jpeg": "jpg",
    "image/tiff": "tif",
    "image/png": "png",
}


def new_token() -> str:
    """60 random bits, readable, in lower case: still unique where case does not count."""
    bits = secrets.randbits(5 * TOKEN_LENGTH)
    return "".join([TOKEN_ALPHABET[bits >> shift & 31] for shift in range(0, 5 * TOKEN_LENGTH, 5)])


def final_name(template: str, outgoing: Outgoing, token: str, scenario: Mapping[str, Any] | None = None) -> str:
    """The name under which a document shows itself at the entrance.

    An index that stands beside a document (`beside` in its context) takes that one's stem, and so its token.

    :param scenario: fields of the template that the document itself does not bring.
    :raises ConfigurationError: the template has a field that we do not know.
    """
    name = outgoing.name.strip() if outgoing.name else ""
    if beside := outgoing.context.get("beside"):
        return next_to(str(beside), split(name)[1])
    if not _clean(name).strip(". "):
        name = invented(outgoing.media_type)
    known = {**outgoing.context, **(scenario or {}), "sha256": outgoing.sha256}
    return unique(render(template, known, name, outgoing.date), name, token)


def next_to(beside: str, extension: str) -> str:
    """The name of a file beside another: `a__token.json` beside `a__token.pdf`."""
    stem, own = split(beside)
    return f"{beside if own.lower() == extension.lower() else stem}.{extension}"


def invented(media_type: str) -> str:
    """A name for what was sent without one."""
    kind = media_type.partition(";")[0].strip().lower()
    extension = _TYPES.get(kind) or (mimetypes.guess_extension(kind) or "").lstrip(".")
    return f"{INVENTED}.{extension}" if extension else INVENTED


def unique(text: str, name: str, token: str) -> str:
    """`text` made safe, with the token before the extension that `name` has."""
    flat = _flat(name)
    extension = split(flat)[1]
    safe = flat if text == name else _flat(text)
    stem, own = split(safe)
    if extension and own.lower() != extension.lower():
        stem = safe
    else:
        extension = own or extension
    stem = stem.strip(". ") or INVENTED
    if _RESERVED.match(stem.partition(".")[0].rstrip(" ")):
        stem = f"_{stem}"
    tail = f"__{token}.{extension}" if extension else f"__{token}"
    return _cut(stem, MOST - len(tail.encode())) + tail


def split(name: str) -> tuple[str, str]:
    """Stem and extension (without its dot; "" when there is none: what follows the dot is then a sentence's rest)."""
    match = _EXTENSION.match(name)
    if match is None or len(match[2]) > MOST_EXTENSION:
        return name, ""
    return match[1], match[2]


def check_template(template: str) -> None:
    """:raises ConfigurationError: it is not one of ours."""
    render(template, {}, "x.pdf", None)


def render(template: str, context: Mapping[str, Any], name: str, date: datetime | None) -> str:
    """Fill a name template. Only plain known fields; a format only for `{date:...}` (strftime).

    :raises ConfigurationError: an unknown field, an attribute, an index, a conversion.
    """
    stem, extension = split(name)
    own = {"name": name, "stem": stem, "ext": extension}
    out: list[str] = []
    try:
        for literal, field, spec, conversion in string.Formatter().parse(template):
            out.append(literal)
            if field is not None:
                out.append(_field(template, field, spec or "", conversion, own, context, date))
    except ValueError as exc:
        raise ConfigurationError(
            _("the name template {template} cannot be read: {error}").format(template=template, error=exc)
        ) from None
    return "".join(out)


def _field(
    template: str,
    field: str,
    spec: str,
    conversion: str | None,
    own: Mapping[str, str],
    context: Mapping[str, Any],
    date: datetime | None,
) -> str:
    if field not in FIELDS or conversion or (spec and field != "date") or "{" in spec:
        raise ConfigurationError(
            _("the name template {template} has a field that is not known: {field}; there are {known}").format(
                template=template, field=field or "{}", known=", ".join(sorted(FIELDS))
            )
        )
    if field == "date":
        return date.strftime(spec or "%Y%m%d") if date else ""
    if field in own:
        return own[field]
    value = context.get(field)
    return str(value)[:MOST_FIELD] if isinstance(value, str | int | float) else ""


def _flat(name: str) -> str:
    """One component: a path as Windows or a traversal writes it gives its last part, any other slash an underscore."""
    parts = [part for part in re.split(r"[/\\]", name) if part.strip(". ")]
    if name.startswith(("/", "\\", "..", "./")) or "\\" in name:
        parts = parts[-1:]
    return _clean("_".join(parts)).rstrip(". ")


def _clean(name: str) -> str:
    name = unicodedata.normalize("NFC", name)
    if name.isprintable():  # nothing of the categories below
        return _FORBIDDEN.sub("_", name)
    out = []
    for char in name:
        category = unicodedata.category(char)
        if category in {"Zl", "Zp"} or char in "\t\r\n":
            out.append(" ")
        elif category == "Cs":
            out.append("_")
        elif category not in {"Cc", "Cf"}:
            out.append(char)
    # Again: what stood between two characters may have kept them from composing.
    return _FORBIDDEN.sub("_", unicodedata.normalize("NFC", "".join(out)))


def _cut(stem: str, most: int) -> str:
    data = stem.encode()
    return stem if len(data) <= most else data[:most].decode("utf-8", "ignore").rstrip()
