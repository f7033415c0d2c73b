"""What a Connection holds, apart from where it came from. Secrets never show in `repr`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _


@dataclass(frozen=True, slots=True)
class Credentials:
    """One resolved Connection (launcher.md: extras `ca_file`, `security`, `timeout`, and those of each protocol)."""

    conn_id: str = ""
    host: str = ""
    port: int | None = None
    login: str = ""
    password: str = field(default="", repr=False)
    schema: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def security(self) -> str:
        """`tls` (default), `starttls` or `none`."""
        return str(self.extra.get("security", "tls"))

    @property
    def timeout(self) -> float:
        """Seconds that one command may take."""
        return float(self.extra.get("timeout", 30))

    @property
    def ca_file(self) -> str | None:
        """PEM file of the authorities to trust beside the system's, or None."""
        value = self.extra.get("ca_file")
        return str(value) if value else None


Fallback = Callable[[str], Credentials | None]
_fallback: Fallback | None = None


def set_fallback(lookup: Fallback | None) -> None:
    """Where to look after the environment: Airflow's own resolution, given by who may import Airflow."""
    global _fallback
    _fallback = lookup


def resolve(conn_id: str) -> Credentials:
    """A Connection by its id: `AIRFLOW_CONN_<ID>` of the environment (URI or JSON), then the fallback.

    :raises ConfigurationError: there is none, or it cannot be read, or an extra is wrong.
    """
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    written = os.environ.get(variable)
    found = parse_connection(conn_id, written) if written else _fallback(conn_id) if _fallback else None
    if found is None:
        raise ConfigurationError(
            _(
                "no Connection {conn_id}: set {variable}, or run `airflow connections add {conn_id} ...`, "
                "or add it in Airflow under Admin, Connections"
            ).format(conn_id=conn_id, variable=variable)
        )
    return found


def parse_connection(conn_id: str, written: str) -> Credentials:
    """A Connection as Airflow writes it in the environment: JSON where it begins with `{`, else a URI.

    :raises ConfigurationError: it is neither; the message does not quote it.
    """
    text = written.strip()
    try:
        return _from_json(conn_id, json.loads(text)) if text.startswith("{") else _from_uri(conn_id, text)
    except (ValueError, TypeError, AttributeError):
        raise ConfigurationError(
            _("AIRFLOW_CONN_{id} is neither a URI nor JSON as Airflow writes them").format(id=conn_id.upper())
        ) from None


def _from_json(conn_id: str, data: dict[str, Any]) -> Credentials:
    extra = data.get("extra") or {}
    port = data.get("port")
    return Credentials(
        conn_id=conn_id,
        host=data.get("host") or "",
        port=int(port) if port not in (None, "") else None,
        login=data.get("login") or "",
        password=data.get("password") or "",
        schema=data.get("schema") or "",
        extra=json.loads(extra) if isinstance(extra, str) else dict(extra),
    )


def _from_uri(conn_id: str, text: str) -> Credentials:
    parts = urlsplit(text)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    extra = json.loads(query["__extra__"]) if "__extra__" in query else query
    return Credentials(
        conn_id=conn_id,
        host=unquote(parts.hostname or ""),
        port=parts.port,
        login=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        schema=unquote(parts.path[1:]),
        extra=extra,
    )
