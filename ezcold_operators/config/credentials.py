"""What a Connection holds, apart from where it came from. Secrets never show in `repr`.

Resolved when a launcher runs, never when it is loaded. `AIRFLOW_CONN_<ID>` is read as Airflow 3.3 reads it
(airflow.models.connection: `_parse_from_uri`, `from_json`), without importing Airflow.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _

SECURITY = ("tls", "starttls", "none")


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
    conn_type: str = ""

    @property
    def security(self) -> str:
        """`tls` (default), `starttls` or `none`; the IMAP provider's own `use_ssl: false` means `none`."""
        said = self.extra.get("security")
        if not said and self.extra.get("use_ssl") in (False, "false", "False"):
            return "none"
        return str(said or "tls")

    @property
    def timeout(self) -> float:
        """Seconds that one command may take."""
        value = self.extra.get("timeout")
        return 30.0 if value in (None, "") else float(value)

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
        text = _(
            "no Connection {id}: set {variable}, or run `airflow connections add {id} ...`, or add it in Airflow's menu"
        )
        raise ConfigurationError(text.format(id=conn_id, variable=variable))
    verify(found)
    return found


def verify(credentials: Credentials) -> None:
    """Check the extras that every Connection may have.

    :raises ConfigurationError: one is wrong.
    """
    if credentials.security not in SECURITY:
        _refuse(credentials, "security", _("use one of {known}").format(known=", ".join(SECURITY)))
    try:
        positive = 0 < credentials.timeout < 86_400
    except (TypeError, ValueError):
        positive = False
    if not positive:
        _refuse(credentials, "timeout", _("a number of seconds above 0 is expected"))
    if credentials.ca_file is not None and not Path(credentials.ca_file).is_file():
        _refuse(credentials, "ca_file", _("there is no file {file}").format(file=credentials.ca_file))


def _refuse(credentials: Credentials, extra: str, problem: str) -> None:
    text = _("Connection {id}, extra {extra}: {problem}")
    raise ConfigurationError(text.format(id=credentials.conn_id, extra=extra, problem=problem))


def parse_connection(conn_id: str, written: str) -> Credentials:
    """A Connection as Airflow writes it in the environment: JSON where it begins with `{`, else a URI.

    :raises ConfigurationError: it is neither; the message does not quote it.
    """
    text = written.strip()
    try:
        return _from_json(conn_id, json.loads(text)) if text.startswith("{") else _from_uri(conn_id, text)
    except (ValueError, TypeError, AttributeError):
        text = _("AIRFLOW_CONN_{id} is neither a URI nor JSON as Airflow writes them").format(id=conn_id.upper())
        raise ConfigurationError(text) from None


def _from_json(conn_id: str, data: dict[str, Any]) -> Credentials:
    if "uri" in data:
        return _from_uri(conn_id, data["uri"])
    extra = data.get("extra")
    port = data.get("port")
    return Credentials(
        conn_id=conn_id,
        host=data.get("host") or "",
        port=int(port) if port else None,
        login=data.get("login") or "",
        password=data.get("password") or "",
        schema=data.get("schema") or "",
        extra=_object(extra) if extra else {},
        conn_type=_conn_type(data.get("conn_type") or ""),
    )


def _from_uri(conn_id: str, uri: str) -> Credentials:
    schemes = uri.count("://")
    if not 1 <= schemes <= 2:
        raise ValueError("no scheme")
    scheme = urlsplit(uri).scheme
    rest = uri.replace(f"{scheme}://", "" if schemes == 2 else "//")
    before = rest.split("://", 1)[0]
    if schemes == 2 and ("@" in before or ":" in before):
        raise ValueError("a scheme in the middle")
    parts = urlsplit(rest)
    host = _hostname(parts)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return Credentials(
        conn_id=conn_id,
        host=f"{parts.scheme}://{host}" if schemes == 2 and host else host,
        port=parts.port,
        login=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        schema=unquote(parts.path[1:]),
        extra=_extra(query),
        conn_type=_conn_type(scheme),
    )


def _conn_type(written: str) -> str:
    return "postgres" if written == "postgresql" else written.replace("-", "_")


def _hostname(parts: SplitResult) -> str:
    """The host; a socket's path in its place keeps its letter case."""
    host = unquote(parts.hostname or "")
    if "/" not in host:
        return host
    return unquote(parts.netloc.rsplit("@", 1)[-1].split(":", 1)[0])


def _extra(query: dict[str, str]) -> Mapping[str, Any]:
    if "__extra__" in query:
        return _object(query["__extra__"]) if query["__extra__"] else {}
    return {key: _typed(value) for key, value in query.items()}


def _typed(value: str) -> Any:
    try:
        return json.loads(value) if value else value
    except ValueError:
        return value


def _object(extra: Any) -> Mapping[str, Any]:
    found = json.loads(extra) if isinstance(extra, str) else extra
    if not isinstance(found, dict):
        raise TypeError("extra is no object")
    return found
