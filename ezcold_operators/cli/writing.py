"""Launchers as files: an id out of a name, YAML that our own reader takes, and never over another file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import yaml

from ezcold_operators.config.loader import Loaded, read_launcher
from ezcold_operators.config.yaml import plain as read_plain
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _

PROTOCOLS = {
    "imap": "imap", "imaps": "imap", "gmail": "imap", "o365": "o365", "office365": "o365", "microsoft365": "o365",
    "m365": "o365", "outlook": "o365", "exchange": "o365", "pop": "pop", "pop3": "pop", "pops": "pop",
    "repertoire": "folder", "dossier": "folder", "folder": "folder", "file": "folder", "fichier": "folder",
    "local": "folder", "adullact": "adullact",
}  # fmt: skip
"""As people and EzGED's form write them, without accents, blanks and case."""


def plain(text: str) -> str:
    """Small letters and digits of a text, accents taken off: what two spellings of a word share."""
    flat = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9*]", "", flat)


def identifier(name: str, taken: Container[str] = ()) -> str:
    """An id (launcher contract) out of a free name: `10 - documentsclients reprise` gives documentsclients_reprise."""
    flat = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "_", re.sub(r"^\s*[0-9]+\s*[-.:)]\s*", "", flat)).strip("_")
    first = (words if words[:1].isalpha() else f"l_{words}".rstrip("_"))[:180]
    found, n = first, 1
    while found in taken:
        n += 1
        found = f"{first}_{n}"
    return found


def protocol(text: str) -> str | None:
    """The protocol that a person means; None if that is not clear."""
    return PROTOCOLS.get(plain(text))


class _Dumper(yaml.SafeDumper):
    """Lists of plain words on one line, all else below each other; no aliases, which a launcher may not hold."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _list(dumper: yaml.SafeDumper, data: list[Any]) -> yaml.Node:
    flow = all(isinstance(one, str) and re.fullmatch(r"[\w*.-]+", one) for one in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=flow)


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.Node:
    """In quotes where YAML 1.2, which our reader goes by, has a number (`0E0`): PyYAML knows those of 1.1 alone."""
    quoted = not isinstance(read_plain(data), str)
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style="'" if quoted else None)


_Dumper.add_representer(list, _list)
_Dumper.add_representer(str, _text)


def dumped(content: Mapping[str, Any]) -> str:
    """A launcher's YAML."""
    return yaml.dump(
        dict(content), Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=110, default_flow_style=None
    )


def write(content: Mapping[str, Any], file: Path, comment: str = "") -> Loaded:
    """Write a launcher and read it again as every command does. A wrong one is not kept.

    :return: the launcher, or its errors, told with the lines of what would have been written.
    :raises ConfigurationError: the file is there already, or cannot be written.
    """
    temporary = file.with_name(f".{file.name}.new")
    try:
        if file.exists():
            raise ConfigurationError(_("{file} is there already: it is left as it is").format(file=file))
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text("".join(f"# {line}\n" for line in comment.splitlines()) + dumped(content), "utf-8")
        loaded = read_launcher(temporary)
        if loaded.launcher is not None:
            temporary.rename(file)
        else:
            temporary.unlink()
    except OSError as exc:
        raise ConfigurationError(_("{file} cannot be written: {error}").format(file=file, error=exc.strerror)) from None
    return loaded
