"""Logging in to an SFTP server: its host key is always verified, its refusals become our errors.

Extras of the Connection, named as Airflow's SFTP provider names them: `host_key` ("ssh-ed25519 AAAA...", or only its
base64 part), `known_hosts` (a file; else the user's and the system's), `private_key` (PEM text) or `key_file`, and
`private_key_passphrase`. `no_host_key_check` is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import socket
from pathlib import Path

import paramiko

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.errors import AuthenticationFailed, ConfigurationError
from ezcold_operators.filesystems.url import Url, port_of
from ezcold_operators.i18n import _

PORT = 22
KNOWN_HOSTS = (Path("~/.ssh/known_hosts"), Path("/etc/ssh/ssh_known_hosts"))
_KEYS = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


def connect(url: Url, credentials: Credentials) -> paramiko.Transport:
    """A verified, authenticated connection.

    :raises OSError: no answer. :raises AuthenticationFailed: :raises ConfigurationError:
    """
    if not credentials.login:
        raise ConfigurationError(_("{url} needs a login: name a Connection").format(url=url))
    port = port_of(url, credentials, PORT)
    wanted = _known_keys(url.host, port, credentials)
    key = _private_key(credentials)
    channel = socket.create_connection((url.host, port), credentials.timeout)
    channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # many small questions, each waited for
    transport = paramiko.Transport(channel)
    try:
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = credentials.timeout
        _greet(transport, url, wanted)
        _log_in(transport, url, credentials, key)
    except BaseException:
        transport.close()
        raise
    return transport


def _greet(transport: paramiko.Transport, url: Url, wanted: dict[str, bytes]) -> None:
    options = transport.get_security_options()
    kinds = [kind for kind in options.key_types if _plain(kind) in wanted]
    if kinds:  # ask for a key that we can compare
        options.key_types = kinds
    try:
        transport.start_client(timeout=transport.handshake_timeout)
        shown = transport.get_remote_server_key()
    except paramiko.ssh_exception.IncompatiblePeer as exc:
        raise ConfigurationError(
            _(
                "{host} offers only SHA-1 key exchange or host keys, which paramiko 5 no longer speaks: "
                "update the server, or install paramiko<5"
            ).format(host=url.host)
        ) from exc
    except (paramiko.SSHException, EOFError) as exc:
        raise ConnectionError(_("no SSH answer ({error})").format(error=exc)) from exc
    if wanted.get(shown.get_name()) != shown.asbytes():
        finger = base64.b64encode(hashlib.sha256(shown.asbytes()).digest()).decode().rstrip("=")
        what = _("another host key than the known one") if wanted else _("a host key that is not known")
        raise ConfigurationError(
            _(
                "{host} shows {what} ({kind} SHA256:{finger}): compare it with the server's, then write it into the "
                "extra host_key of the Connection"
            ).format(host=url.host, what=what, kind=shown.get_name(), finger=finger)
        )


def _plain(kind: str) -> str:
    return "ssh-rsa" if kind.startswith("rsa-sha2-") else kind


def _log_in(transport: paramiko.Transport, url: Url, credentials: Credentials, key: paramiko.PKey | None) -> None:
    try:
        if key is not None:
            transport.auth_publickey(credentials.login, key)
        else:
            transport.auth_password(credentials.login, credentials.password)
    except paramiko.AuthenticationException:
        raise AuthenticationFailed(
            _("{host} refused the login {login}: check the Connection {conn_id}").format(
                host=url.host, login=credentials.login, conn_id=credentials.conn_id
            )
        ) from None
    except (paramiko.SSHException, EOFError) as exc:
        raise ConnectionError(_("the SSH connection broke off")) from exc


def _known_keys(host: str, port: int, credentials: Credentials) -> dict[str, bytes]:
    """Key type to key, of this host."""
    if credentials.extra.get("no_host_key_check"):
        raise ConfigurationError(_("no_host_key_check is not supported: write the extra host_key instead"))
    written = credentials.extra.get("host_key")
    if written:
        return _written_key(str(written))
    files = [Path(str(credentials.extra["known_hosts"]))] if credentials.extra.get("known_hosts") else KNOWN_HOSTS
    known = paramiko.HostKeys()
    for file in files:
        try:
            known.load(str(file.expanduser()))
        except OSError:
            continue
    found = known.lookup(host if port == PORT else f"[{host}]:{port}")
    return {name: found[name].asbytes() for name in found} if found else {}


def _written_key(text: str) -> dict[str, bytes]:
    words = text.split()
    try:
        raw = base64.b64decode(words[1] if len(words) > 1 else words[0], validate=True)
        size = int.from_bytes(raw[:4], "big")
        return {raw[4 : 4 + size].decode("ascii"): raw}
    except (binascii.Error, IndexError, UnicodeDecodeError):
        raise ConfigurationError(
            _("the extra host_key cannot be read: write it as in known_hosts, such as: ssh-ed25519 AAAA...")
        ) from None


def _private_key(credentials: Credentials) -> paramiko.PKey | None:
    text, file = credentials.extra.get("private_key"), credentials.extra.get("key_file")
    if not text and not file:
        return None
    passphrase = credentials.extra.get("private_key_passphrase")
    try:
        pem = str(text) if text else Path(str(file)).expanduser().read_text()
    except OSError as exc:
        raise ConfigurationError(
            _("the private key {file} cannot be read: {error}").format(file=file, error=exc.strerror)
        ) from None
    for kind in _KEYS:
        try:
            return kind.from_private_key(io.StringIO(pem), str(passphrase) if passphrase else None)
        except (paramiko.SSHException, ValueError):
            continue
    raise ConfigurationError(
        _(
            "the private key of Connection {conn_id} cannot be read: PEM of ed25519, ECDSA or RSA, and its passphrase"
        ).format(conn_id=credentials.conn_id)
    )
