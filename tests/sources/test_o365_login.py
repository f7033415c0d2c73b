"""Signing in to Microsoft 365: device code, application, what is refused and in which words, what is kept and how."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import Launcher
from ezcold_operators.errors import AuthenticationFailed, ConfigurationError, EzcoldError
from ezcold_operators.ledger.accounts import Account, AccountStore, Superseded
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.sources.graph.auth import UserTokens
from ezcold_operators.sources.graph.settings import settings
from ezcold_operators.sources.graph.store import MemoryStore
from ezcold_operators.sources.o365 import create, device_login, expiry_warnings
from tests.servers.graph import GraphServer, graph_server

UPN = "Factures@exemple.fr"
SECRET = "v3ry~Secret.Value"


def launcher(**source: Any) -> Launcher:
    return Launcher.model_validate(
        {
            "launcher": "factures",
            "source": {"protocol": "o365", "connection": "m365"} | source,
            "routes": [{"extensions": ["*"], "send_to": ["factures"]}],
        }
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GraphServer]:
    with graph_server(tmp_path) as running:
        running.entra.secrets[SECRET] = ""
        running.mailbox(UPN).put(b"Subject: 1\r\n\r\n", "one")
        yield running
    assert running.violations == []


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as opened:
        yield opened


@pytest.fixture
def store(ledger: Ledger) -> AccountStore:
    return AccountStore(ledger, Fernet.generate_key().decode())


def person(server: GraphServer, **extra: Any) -> Credentials:
    return Credentials(conn_id="m365", extra=server.extras(**extra))


def application(server: GraphServer, **extra: Any) -> Credentials:
    return person(server, client_secret=SECRET, **extra)


def sign_in(server: GraphServer, store: Any, outcome: str = "approved", login: str = UPN, **extra: Any) -> Any:
    """The login, while a person does `outcome` as soon as the code is shown."""
    shown: list[str] = []

    def show(sentence: str) -> None:
        if not shown:
            code = next(flow.user_code for flow in server.entra.flows.values())
            assert code in sentence
            assert "https://microsoft.com/devicelogin" in sentence
            server.entra.enter(code, outcome, login)
        shown.append(sentence)

    return device_login(launcher(), person(server, **extra), store, show), shown


def keys(server: GraphServer, store: Any, credentials: Credentials, **source: Any) -> list[str]:
    made = create(launcher(**source))
    made.bind(store)
    with made.open(credentials) as session:
        return [item.key for item in session.list({})]


def test_a_code_links_an_account_and_its_tokens_are_kept(server: GraphServer, store: AccountStore) -> None:
    account, _shown = sign_in(server, store)
    assert account == UPN
    (key,) = keys(server, store, person(server))
    assert key.startswith("o365:factures@exemple.fr/")


def test_the_account_that_signed_in_is_named_when_another_was_expected(
    server: GraphServer, store: AccountStore
) -> None:
    credentials = Credentials(conn_id="m365", login="compta@exemple.fr", extra=server.extras())
    shown: list[str] = []

    def show(sentence: str) -> None:
        shown.append(sentence)
        if len(shown) == 1:
            server.entra.enter(next(iter(server.entra.flows.values())).user_code, "approved", UPN)

    assert device_login(launcher(), credentials, store, show) == UPN
    assert "compta@exemple.fr" in shown[1]
    assert UPN in shown[1]


def test_waiting_keeps_the_interval_and_slows_down_when_told(server: GraphServer, store: AccountStore) -> None:
    shown: list[str] = []
    done = threading.Event()

    def show(sentence: str) -> None:
        flow = next(iter(server.entra.flows.values()))
        flow.slow = 1
        shown.append(sentence)

        def enter() -> None:
            while flow.polls < 2 and not done.wait(0.02):
                pass
            server.entra.enter(flow.user_code, "approved", UPN)

        threading.Thread(target=enter, daemon=True).start()

    assert device_login(launcher(), person(server), store, show) == UPN
    done.set()
    assert server.entra.early_polls == 0
    assert next(iter(server.entra.flows.values())).polls >= 2


@pytest.mark.parametrize(
    ("outcome", "words"),
    [("declined", "declined"), ("expired", "in time"), ("bad", "no longer knows this code")],
)
def test_a_sign_in_that_fails_says_why_and_keeps_nothing(
    server: GraphServer, store: AccountStore, outcome: str, words: str
) -> None:
    with pytest.raises(AuthenticationFailed, match=words):
        sign_in(server, store, outcome)
    with pytest.raises(AuthenticationFailed, match="ezcold login"):
        keys(server, store, person(server))


def test_missing_consent_and_closed_client_are_told_apart(server: GraphServer, store: AccountStore) -> None:
    server.entra.consent = False
    with pytest.raises(AuthenticationFailed, match="consent"):
        sign_in(server, store)
    server.entra.consent, server.entra.public_client = True, False
    server.entra.flows.clear()
    with pytest.raises(ConfigurationError, match="public client"):
        sign_in(server, store)


def test_nobody_signs_in_without_a_key_to_keep_it(server: GraphServer, ledger: Ledger) -> None:
    with pytest.raises(ConfigurationError, match="EZCOLD_FERNET_KEY"):
        sign_in(server, AccountStore(ledger, None))
    assert server.entra.flows == {}
    assert len(keys(server, AccountStore(ledger, None), application(server), mailbox=UPN)) == 1


def test_tokens_are_encrypted_where_they_are_kept(server: GraphServer, store: AccountStore, tmp_path: Path) -> None:
    sign_in(server, store)
    written = b"".join(path.read_bytes() for path in tmp_path.glob("ledger.db*"))
    secrets = [*server.entra.tokens, *server.entra.refreshes]
    assert secrets
    assert not any(secret.encode() in written for secret in secrets)
    account = store.load(settings(person(server), None).account_key)
    assert account is not None
    assert any(secret in account.cache for secret in secrets)
    assert not any(secret in repr(account) + repr(store) for secret in secrets)


def test_another_key_is_said_and_an_older_one_still_opens(
    server: GraphServer, store: AccountStore, ledger: Ledger
) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    AccountStore(ledger, old).save(Account("k", "cache"))
    with pytest.raises(ConfigurationError, match="another key"):
        AccountStore(ledger, new).load("k")
    opened = AccountStore(ledger, f"{new},{old}").load("k")
    assert opened is not None
    assert opened.cache == "cache"


def test_an_older_version_never_overwrites_a_newer_one(store: AccountStore) -> None:
    store.save(Account("k", "first"))
    first = store.load("k")
    assert first is not None
    store.save(first)
    with pytest.raises(Superseded):
        store.save(first)


def test_parallel_workers_renew_once_and_never_spoil_each_other(server: GraphServer, store: AccountStore) -> None:
    """The server takes each refresh token once: two workers that both used it would end the sign-in."""
    sign_in(server, store)
    asked = server.entra.asked
    wanted = settings(person(server), None)
    workers = [UserTokens(wanted, store) for _ in range(6)]
    for round_ in range(3):
        old = {worker.bearer() for worker in workers}
        assert len(old) == 1
        server.entra.revoke_access()
        new: list[str] = []

        def renew(worker: UserTokens, refused: str, into: list[str]) -> None:
            into.append(worker.renew(refused))

        threads = [threading.Thread(target=renew, args=(worker, min(old), new)) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(new) == 6
        assert len(set(new)) == 1
        assert set(new) != old
        assert server.entra.asked == asked + round_ + 1


def test_a_renewed_sign_in_is_kept_for_the_next_run(server: GraphServer, store: AccountStore) -> None:
    sign_in(server, store)
    for _run in range(3):
        server.entra.revoke_access()
        assert len(keys(server, store, person(server))) == 1
    assert len(server.entra.spent) == 3


@pytest.mark.parametrize(
    ("number", "words"), [(50173, "revoked"), (700082, "90 days"), (50076, "second factor"), (70000, "has ended")]
)
def test_a_revoked_sign_in_asks_for_a_new_one(
    server: GraphServer, store: AccountStore, number: int, words: str
) -> None:
    sign_in(server, store)
    server.entra.revoke_access()
    server.entra.revoked = number
    with pytest.raises(AuthenticationFailed, match=words) as caught:
        keys(server, store, person(server))
    assert "ezcold login" in str(caught.value)
    assert "m365" in str(caught.value)
    (warning,) = expiry_warnings(launcher(), person(server), store)
    assert "has ended" in warning
    server.entra.revoked = 0
    server.entra.flows.clear()
    sign_in(server, store)
    assert len(keys(server, store, person(server))) == 1
    assert expiry_warnings(launcher(), person(server), store) == []


@pytest.mark.parametrize(
    ("extra", "kind", "words"),
    [
        ({"client_secret": "wrong-one"}, AuthenticationFailed, "`client_secret` is wrong"),
        ({"client_secret": "old-one"}, AuthenticationFailed, "has expired: make a new one"),
        ({"client_id": "00000000-0000-0000-0000-000000000000"}, ConfigurationError, "does not know the application"),
        ({"authority": "nowhere"}, ConfigurationError, "does not know the tenant"),
        ({"client_id": ""}, ConfigurationError, "`client_id` is missing"),
        ({"tenant": "common", "authority": ""}, ConfigurationError, "one tenant"),
        ({"certificate": "/no/such/file"}, ConfigurationError, "not both"),
        ({"client_secret": "", "certificate": "/no/such/file"}, ConfigurationError, "readable PEM file"),
        ({"graph_host": "https://a/b"}, ConfigurationError, "`graph_host` must be"),
        ({"client_secret_expires": "soon"}, ConfigurationError, "must be a date"),
        ({"ca_file": "/no/such/file"}, ConfigurationError, "`ca_file`"),
        ({"ca_file": None}, ConfigurationError, "certificate of localhost cannot be verified"),
    ],
)
def test_a_wrong_connection_is_told_in_one_sentence(
    server: GraphServer, store: AccountStore, extra: dict[str, Any], kind: type[EzcoldError], words: str
) -> None:
    server.entra.secrets["old-one"] = "expired"
    if extra.get("authority") == "nowhere":
        extra = {"authority": f"https://{server.host}/nowhere.example"}
    with pytest.raises(kind, match=words) as caught:
        keys(server, store, person(server, **{"client_secret": SECRET} | extra), mailbox=UPN)
    assert "\n" not in str(caught.value)
    for secret in (SECRET, "wrong-one", "old-one"):
        assert secret not in f"{caught.value}{caught.value!r}"


def test_an_application_needs_a_mailbox_that_exists_and_that_it_may_open(
    server: GraphServer, store: AccountStore
) -> None:
    with pytest.raises(ConfigurationError, match="add `mailbox:`"):
        keys(server, store, application(server))
    with pytest.raises(ConfigurationError, match="is not a mailbox"):
        keys(server, store, application(server), mailbox="personne@exemple.fr")
    server.entra.permissions = frozenset({"User.Read"})
    with pytest.raises(AuthenticationFailed, match="grant it Mail"):
        keys(server, store, application(server), mailbox=UPN)


def certificate(days: int = 365) -> tuple[str, bytes]:
    """PEM of key and certificate, and of the certificate alone."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ezcold")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = made.public_bytes(serialization.Encoding.PEM)
    return (private + public).decode(), public


def test_a_certificate_signs_in_from_text_or_file_and_a_strange_one_is_refused(
    server: GraphServer, store: AccountStore, tmp_path: Path
) -> None:
    pem, public = certificate()
    path = tmp_path / "app.pem"
    path.write_text(pem)
    with pytest.raises(AuthenticationFailed, match="certificate"):
        keys(server, store, person(server, certificate=pem), mailbox=UPN)
    server.entra.certificates.append(public)
    for given in (pem, str(path)):
        assert len(keys(server, store, person(server, certificate=given), mailbox=UPN)) == 1
    with pytest.raises(ConfigurationError, match="private key and the certificate"):
        keys(server, store, person(server, certificate=public.decode()), mailbox=UPN)


def test_what_ends_within_14_days_is_said(server: GraphServer, store: AccountStore) -> None:
    soon = (datetime.now(UTC) + timedelta(days=10)).date().isoformat()
    late = (datetime.now(UTC) + timedelta(days=40)).date().isoformat()
    here = launcher(mailbox=UPN)
    assert expiry_warnings(here, application(server)) == []
    assert expiry_warnings(here, application(server, client_secret_expires=late)) == []
    (warning,) = expiry_warnings(here, application(server, client_secret_expires=soon))
    assert soon in warning
    assert "ends on" in warning
    (ended,) = expiry_warnings(here, application(server, client_secret_expires="2020-01-01"))
    assert "ended on" in ended
    assert expiry_warnings(here, person(server, certificate=certificate(60)[0])) == []
    (short,) = expiry_warnings(here, person(server, certificate=certificate(5)[0]))
    assert "`certificate`" in short


def test_a_sign_in_that_nobody_used_is_warned_of_and_each_use_renews_it(
    server: GraphServer, store: AccountStore
) -> None:
    (nobody,) = expiry_warnings(launcher(), person(server), store)
    assert "no account is linked" in nobody
    sign_in(server, store)
    assert expiry_warnings(launcher(), person(server), store) == []
    later = datetime.now(UTC) + timedelta(days=80)
    (warning,) = expiry_warnings(launcher(), person(server), store, now=later)
    assert UPN in warning


def test_a_shared_mailbox_is_opened_by_the_person_who_may(server: GraphServer, store: AccountStore) -> None:
    server.mailbox("partage@exemple.fr").put(b"x", "shared")
    memory = MemoryStore()
    sign_in(server, memory)
    (key,) = keys(server, memory, person(server), mailbox="partage@exemple.fr")
    assert key.startswith("o365:partage@exemple.fr/")


@pytest.mark.parametrize(
    ("authority", "host", "scope"),
    [
        ("", "graph.microsoft.com", "Mail.ReadWrite"),
        (
            "https://login.microsoftonline.us/exemple.us",
            "graph.microsoft.us",
            "https://graph.microsoft.us/Mail.ReadWrite",
        ),
        (
            "https://login.partner.microsoftonline.cn/exemple.cn",
            "microsoftgraph.chinacloudapi.cn",
            "https://microsoftgraph.chinacloudapi.cn/Mail.ReadWrite",
        ),
    ],
)
def test_each_cloud_has_its_own_graph(authority: str, host: str, scope: str) -> None:
    found = settings(Credentials(extra={"client_id": "c", "authority": authority}), None)
    assert (found.graph_host, found.scopes[0]) == (host, scope)
    with pytest.raises(ConfigurationError, match="`graph_host` is missing"):
        settings(Credentials(extra={"client_id": "c", "authority": "https://login.sovcloud-identity.fr/t"}), None)
