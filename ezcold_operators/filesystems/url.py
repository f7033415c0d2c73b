"""`scheme://host:port/path`, read literally: nothing in a path is percent-decoded, file names hold `%`, `#` and `?`."""

from __future__ import annotations

from dataclasses import dataclass

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _


@dataclass(frozen=True, slots=True)
class Url:
    """A folder on a server."""

    scheme: str
    host: str
    port: int | None
    path: str
    """Begins with `/`, does not end with it (but for "/" itself)."""

    def __str__(self) -> str:
        port = f":{self.port}" if self.port is not None else ""
        return f"{self.scheme}://{self.host}{port}{self.path}"


def scheme_of(path: str) -> str:
    """`smb` of `smb://...`; "" for a local path."""
    scheme, separator, _rest = path.partition("://")
    return scheme.lower() if separator and scheme.isalnum() else ""


def parse(text: str) -> Url:
    """Read a URL.

    :raises ConfigurationError: a login in it (it belongs into a Connection), no host, or a port that is none.
    """
    scheme, _separator, rest = text.partition("://")
    netloc, _slash, path = rest.partition("/")
    if "@" in netloc:
        raise ConfigurationError(
            _("{scheme}://...: write no login into a path, name a Connection instead").format(scheme=scheme)
        )
    host, port = _host_and_port(netloc)
    if not host or (port and not port.isdecimal()):
        raise ConfigurationError(_("{url} names no host, or a port that is none").format(url=text))
    levels = "/".join(level for level in path.split("/") if level)
    return Url(scheme.lower(), host.lower(), int(port) if port else None, f"/{levels}")


def _host_and_port(netloc: str) -> tuple[str, str]:
    if netloc.startswith("["):
        host, _bracket, rest = netloc[1:].partition("]")
        return host, rest.removeprefix(":")
    host, _colon, port = netloc.partition(":")
    return host, port


def port_of(url: Url, credentials: Credentials, default: int) -> int:
    """The port to dial; also that the Connection was meant for this host.

    :raises ConfigurationError: it is for another one, which shall not see its password.
    """
    if credentials.host and credentials.host.lower() != url.host:
        raise ConfigurationError(
            _("Connection {conn_id} is for {host}, the path names {other}: use the same host in both").format(
                conn_id=credentials.conn_id, host=credentials.host, other=url.host
            )
        )
    return url.port or credentials.port or default
