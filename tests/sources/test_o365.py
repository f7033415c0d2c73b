"""Microsoft 365 against our strict Entra and Graph: the contract of sources, by an application and by a person."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import After, Launcher
from ezcold_operators.ledger.accounts import Account
from ezcold_operators.sources.graph.auth import application, token_cache
from ezcold_operators.sources.graph.settings import settings
from ezcold_operators.sources.graph.store import MemoryStore
from ezcold_operators.sources.o365 import O365Source, create
from tests.contracts.source import SECRET, SourceContract, World
from tests.servers.graph import GraphServer, graph_server

UPN = "Factures@exemple.fr"
GOOD = "the-right-secret~1"


def launcher(**source: Any) -> Launcher:
    return Launcher.model_validate(
        {
            "launcher": "factures",
            "source": {"protocol": "o365", "connection": "m365"} | source,
            "routes": [{"extensions": ["*"], "send_to": ["factures"]}],
        }
    )


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GraphServer]:
    with graph_server(tmp_path_factory.mktemp("graph")) as server:
        server.entra.secrets[GOOD] = ""
        yield server


@pytest.fixture
def server(shared_server: GraphServer) -> Iterator[GraphServer]:
    shared_server.boxes.clear()
    shared_server.violations.clear()
    yield shared_server
    assert shared_server.violations == []


class GraphWorld(World):
    native_ids = False

    def __init__(self, server: GraphServer) -> None:
        self.server = server
        self.box = server.mailbox(UPN)
        self.elsewhere = "Traité"

    def item(self, number: int, payload: bytes = b"") -> bytes:
        return b"From: a@exemple.fr\r\nSubject: %d\r\n\r\n" % number + payload

    def put(self, name: str, data: bytes) -> None:
        self.box.put(data, name)

    def vanish(self, name: str) -> None:
        self.box.remove(self.box.labelled(name))

    def replace(self, name: str, data: bytes) -> None:
        raise AssertionError("immutable ids are never used again")

    def renumber(self) -> bool:
        self.box.reissue()
        return True

    def contents(self) -> list[bytes]:
        return [mail.mime for mail in self.box.inside(self.box.known["inbox"])]

    def moved(self) -> list[bytes]:
        return [mail.mime for mail in self.box.inside(self.box.path(self.elsewhere))]

    def marked(self) -> list[bytes]:
        return [mail.mime for mail in self.box.mails.values() if mail.read]

    def snapshot(self) -> Any:
        mails = sorted((m.id, m.plain_id, m.folder, m.mime, m.read) for m in self.box.mails.values())
        return mails, sorted((f.id, f.name, f.parent) for f in self.box.folders.values()), len(self.box.log)

    def after(self, action: str) -> After:
        return After.model_validate({"action": action} | ({"to": self.elsewhere} if action == "move" else {}))

    def source(self) -> O365Source:
        return create(launcher(mailbox=UPN, after={"action": "move", "to": self.elsewhere}))

    def credentials(self, **extra: Any) -> Credentials:
        more = {"client_secret": GOOD} | extra
        return Credentials(conn_id="m365", extra=self.server.extras(**more))

    def wrong_password(self) -> Credentials:
        return self.credentials(client_secret=SECRET)

    def dead(self) -> Credentials:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            host = f"localhost:{free.getsockname()[1]}"
        credentials = self.credentials(authority=f"https://{host}/exemple.fr", graph_host=host, timeout=1)
        return Credentials(conn_id="m365", host="localhost", extra=credentials.extra)

    def silent(self) -> Credentials:
        self._silent = socket.create_server(("127.0.0.1", 0))
        host = f"localhost:{self._silent.getsockname()[1]}"
        return self.credentials(authority=f"https://{host}/exemple.fr", graph_host=host, timeout=1)


class PersonWorld(GraphWorld):
    """The same mailbox, opened by somebody who signed in."""

    def __init__(self, server: GraphServer) -> None:
        super().__init__(server)
        self.store = MemoryStore()
        link(server, self.store, self.credentials())

    def source(self) -> O365Source:
        source = create(launcher(after={"action": "move", "to": self.elsewhere}))
        source.bind(self.store)
        return source

    def credentials(self, **extra: Any) -> Credentials:
        return Credentials(conn_id="m365", extra=self.server.extras(**extra))

    def wrong_password(self) -> None:
        return None

    def dead(self) -> None:
        return None

    def silent(self) -> None:
        return None


def link(server: GraphServer, store: MemoryStore, credentials: Credentials, login: str = UPN) -> Account:
    """What `ezcold login` leaves behind, without its waiting."""
    wanted = settings(credentials, None)
    cache = token_cache()
    with application(wanted, cache) as app:
        flow = app.initiate_device_flow(scopes=wanted.scopes)
        server.entra.enter(flow["user_code"], "approved", login)
        assert "access_token" in app.acquire_token_by_device_flow(flow)
    account = Account(wanted.account_key, cache.serialize(), login=login, tenant=wanted.tenant)
    store.save(account)
    return account


class TestApplication(SourceContract):
    @pytest.fixture
    def world(self, server: GraphServer) -> World:
        return GraphWorld(server)


class TestPerson(SourceContract):
    @pytest.fixture
    def world(self, server: GraphServer) -> World:
        return PersonWorld(server)


def test_the_trust_of_a_connection_is_its_own(
    server: GraphServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.pem"
    other.write_text("")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(other))
    world = GraphWorld(server)
    world.put("a", world.item(1))
    with world.source().open(world.credentials()) as session:
        assert len(list(session.list({}))) == 1
