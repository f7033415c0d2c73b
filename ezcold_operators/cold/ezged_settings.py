"""What a Connection says about an EzGED: where it is, who we are there, and what its instance wants."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _

BASE_PATH = "/ezged3/data/"
DEFAULT_TOKEN = "c3e335143464469a1ca542c21147f913"  # noqa: S105 - published: github.com/exeGeseIT/ezged-ws-client ships it
_TRUE = (True, 1, "1", "true", "True", "yes")


@dataclass(frozen=True, slots=True)
class Settings:
    """One EzGED. Secrets never show in `repr`."""

    base: str
    """URL in front of every endpoint, ending in a slash."""
    login: str
    password: str = field(repr=False)
    domain: str = ""
    """A directory login: the password then goes as it is, not as its md5."""
    token: str = field(default=DEFAULT_TOKEN, repr=False)
    own_token: bool = False
    """The Connection gave the token."""
    timeout: float = 30.0
    check_jobs: bool = False
    conn_id: str = ""
    ca_file: str | None = None

    @property
    def host(self) -> str:
        """Host and port, for sentences."""
        return urlsplit(self.base).netloc

    def tls(self) -> ssl.SSLContext | bool:
        """Verifies against the system's authorities and, beside them, `ca_file`.

        :raises ConfigurationError: `ca_file` holds no certificate.
        """
        if not self.base.startswith("https://"):
            return True
        context = ssl.create_default_context()
        if self.ca_file:
            try:
                context.load_verify_locations(self.ca_file)
            except (OSError, ssl.SSLError) as exc:
                raise ConfigurationError(
                    _("Connection {conn}: `ca_file` {file} is no readable PEM file of certificates").format(
                        conn=self.conn_id, file=self.ca_file
                    )
                ) from exc
        return context


def settings(credentials: Credentials | None) -> Settings:
    """Read a Connection (launcher.md: extras `token`, `base_path`, `domain`, `check_jobs`, and those of all).

    :raises ConfigurationError: something is missing, or the password would go over the network in clear.
    """
    if credentials is None or not credentials.host:
        raise ConfigurationError(
            _("Connection {conn}: the host of EzGED is missing").format(
                conn=credentials.conn_id if credentials else "?"
            )
        )
    conn = credentials.conn_id
    if not credentials.login or not credentials.password:
        raise ConfigurationError(_("Connection {conn}: EzGED needs a login and a password").format(conn=conn))
    extra = credentials.extra
    token = _text(extra.get("token"))
    path = "/".join(part for part in (_text(extra.get("base_path")) or BASE_PATH).split("/") if part)
    return Settings(
        base=f"{_origin(credentials)}/{path}/" if path else f"{_origin(credentials)}/",
        login=credentials.login,
        password=credentials.password,
        domain=_text(extra.get("domain")),
        token=token or DEFAULT_TOKEN,
        own_token=bool(token),
        timeout=credentials.timeout,
        check_jobs=extra.get("check_jobs") in _TRUE,
        conn_id=conn,
        ca_file=credentials.ca_file,
    )


def _text(value: object) -> str:
    return "" if value is None or value is False else str(value).strip()


def _origin(credentials: Credentials) -> str:
    scheme, found, host = credentials.host.rpartition("://")
    named = scheme.lower() if found else credentials.schema.lower()
    if credentials.security == "starttls":
        raise ConfigurationError(
            _("Connection {conn}: EzGED knows no starttls: set `security` to tls, or to none for plain http").format(
                conn=credentials.conn_id
            )
        )
    secure = credentials.security == "tls"
    if secure and named == "http":
        raise ConfigurationError(
            _(
                "Connection {conn}: plain http would show the password to the network: use https, "
                "or set the extra {extra} if that is meant"
            ).format(conn=credentials.conn_id, extra='"security": "none"')
        )
    host = host.split("/", 1)[0]
    if ":" in host and not host.startswith("[") and not host.rpartition(":")[2].isdigit():
        host = f"[{host}]"
    port = f":{credentials.port}" if credentials.port else ""
    return f"{'https' if secure or named == 'https' else 'http'}://{host}{port}"
