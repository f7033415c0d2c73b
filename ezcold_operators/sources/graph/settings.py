"""What one launcher and its Connection say about Microsoft 365, checked before anything is asked of Microsoft."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from urllib.parse import quote, urlsplit

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.i18n import _

GLOBAL_LOGIN = "login.microsoftonline.com"
GRAPH_OF_LOGIN = {
    GLOBAL_LOGIN: "graph.microsoft.com",
    "login.microsoftonline.us": "graph.microsoft.us",
    "login.partner.microsoftonline.cn": "microsoftgraph.chinacloudapi.cn",
    "login.chinacloudapi.cn": "microsoftgraph.chinacloudapi.cn",
}
"""Sign-in host -> Graph host (Microsoft, National cloud deployments). Others are named by `graph_host`."""
SHARED_TENANTS = {"common", "organizations", "consumers"}
UNQUALIFIED = set(GRAPH_OF_LOGIN.values()) - {"graph.microsoft.com"} | {"dod-graph.microsoft.us"}
"""Graph hosts of national clouds, where a bare permission name would mean the global one."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One mailbox, the application that reads it, and the hosts it goes through."""

    conn_id: str
    tenant: str
    client_id: str
    authority: str
    graph_host: str
    mailbox: str
    login: str
    timeout: float
    ca_file: str | None
    instance_discovery: bool | None
    secret: str = field(default="", repr=False)
    secret_expires: datetime | None = None
    certificate: str = field(default="", repr=False)
    certificate_password: str = field(default="", repr=False)

    @property
    def app_only(self) -> bool:
        """The application signs in by itself, without a person."""
        return bool(self.secret or self.certificate)

    @property
    def base(self) -> str:
        """Where every Graph address begins."""
        return f"https://{self.graph_host}/v1.0"

    @property
    def owner(self) -> str:
        """The mailbox in an address: `me` or `users/<mailbox>`."""
        return f"users/{quote(self.mailbox, safe='@')}" if self.mailbox else "me"

    @property
    def scopes(self) -> list[str]:
        """The permissions to ask for (`.default` for an application: those that an administrator consented to)."""
        if self.app_only:
            return [f"https://{self.graph_host}/.default"]
        names = ["Mail.ReadWrite"] + (["Mail.ReadWrite.Shared"] if self.mailbox else [])
        return [f"https://{self.graph_host}/{name}" for name in names] if self.graph_host in UNQUALIFIED else names

    @property
    def account_key(self) -> str:
        """The key of the signed-in person's token cache; launchers that share a Connection share it."""
        return f"o365:{self.conn_id}:{self.tenant}:{self.client_id}"

    def tls(self) -> ssl.SSLContext:
        """A verifying context: the system's authorities, and those of `ca_file` beside them.

        :raises ConfigurationError: `ca_file` cannot be read.
        """
        context = ssl.create_default_context()
        if self.ca_file:
            try:
                context.load_verify_locations(self.ca_file)
            except (OSError, ssl.SSLError) as error:
                raise ConfigurationError(
                    _("Connection {conn}: `ca_file` {file} cannot be read as a PEM file of authorities.").format(
                        conn=self.conn_id, file=self.ca_file
                    )
                ) from error
        return context


def settings(credentials: Credentials, mailbox: str | None) -> Settings:
    """Read the extras of a Connection (launcher.md: tenant, client_id, client_secret | certificate, authority, ...).

    :param mailbox: `source.mailbox` of the launcher: compulsory for an application, a shared mailbox for a person.
    :raises ConfigurationError: something is missing or contradicts itself.
    """
    extra = credentials.extra
    client_id = _text(credentials, "client_id")
    if not client_id:
        raise _wrong(credentials, _("`client_id` is missing: give the application id registered in Microsoft Entra."))
    authority, tenant = _authority(credentials)
    secret, certificate = _text(credentials, "client_secret"), _text(credentials, "certificate")
    if secret and certificate:
        raise _wrong(credentials, _("give `client_secret` or `certificate`, not both."))
    if (secret or certificate) and tenant.lower() in SHARED_TENANTS:
        raise _wrong(credentials, _("an application signs in to one tenant: give `tenant` its id or domain."))
    if (secret or certificate) and not mailbox:
        raise _wrong(credentials, _("an application opens the mailbox it is told: add `mailbox:` to the source."))
    return Settings(
        conn_id=credentials.conn_id,
        tenant=tenant,
        client_id=client_id,
        authority=authority,
        graph_host=_graph_host(credentials, authority),
        mailbox=(mailbox or "").strip(),
        login=credentials.login,
        timeout=credentials.timeout,
        ca_file=credentials.ca_file,
        instance_discovery=_truth(extra.get("instance_discovery")),
        secret=secret,
        secret_expires=_date(credentials, "client_secret_expires"),
        certificate=_pem(credentials, certificate),
        certificate_password=_text(credentials, "certificate_password"),
    )


def _authority(credentials: Credentials) -> tuple[str, str]:
    given, tenant = _text(credentials, "authority").rstrip("/"), _text(credentials, "tenant")
    if not given:
        tenant = tenant or "organizations"
        return f"https://{GLOBAL_LOGIN}/{quote(tenant)}", tenant
    parts = urlsplit(given)
    path = parts.path.strip("/")
    if parts.scheme != "https" or not parts.hostname or "/" in path:
        raise _wrong(credentials, _("`authority` must look like https://login.microsoftonline.com/<tenant>."))
    tenant = tenant or path or "organizations"
    return f"https://{parts.netloc}/{path or quote(tenant)}", tenant


def _graph_host(credentials: Credentials, authority: str) -> str:
    given = _text(credentials, "graph_host")
    if given:
        host = given.removeprefix("https://").rstrip("/").lower()
        if "/" in host or "@" in host or not host:
            raise _wrong(credentials, _("`graph_host` must be a host or host:port, such as graph.microsoft.com."))
        return host
    login = urlsplit(authority).hostname or ""
    if login not in GRAPH_OF_LOGIN:
        raise _wrong(credentials, _("`graph_host` is missing: it is not known for this `authority`."))
    return GRAPH_OF_LOGIN[login]


def _pem(credentials: Credentials, value: str) -> str:
    """The text of a certificate with its private key, from itself or from the file it names."""
    if not value or "-----BEGIN" in value:
        return value.replace("\\n", "\n")
    try:
        return Path(value).read_text("ascii")
    except (OSError, ValueError) as error:
        raise _wrong(
            credentials, _("`certificate` must be the path of a readable PEM file (key and certificate).")
        ) from error


def _date(credentials: Credentials, name: str) -> datetime | None:
    value = _text(credentials, name)
    if not value:
        return None
    try:
        return datetime.combine(date.fromisoformat(value[:10]), time(), UTC)
    except ValueError as error:
        raise _wrong(credentials, _("`{name}` must be a date such as 2027-03-31.").format(name=name)) from error


def _truth(value: object) -> bool | None:
    if value is None or value == "":
        return None
    return str(value).strip().lower() not in {"false", "0", "no", "off"}


def _text(credentials: Credentials, name: str) -> str:
    return str(credentials.extra.get(name) or "").strip()


def _wrong(credentials: Credentials, what: str) -> ConfigurationError:
    return ConfigurationError(_("Connection {conn}: {what}").format(conn=credentials.conn_id, what=what))
