"""Microsoft 365: the process is killed before and after each effect on the mailbox and on the kept tokens."""

from __future__ import annotations

import json
import os
import random
import zlib
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.ledger.accounts import Account, AccountStore
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.sources.graph.auth import application, token_cache
from ezcold_operators.sources.graph.settings import settings
from tests.crash.world import Eater, World, Zygote
from tests.servers.graph import GraphServer, graph_server

pytestmark = pytest.mark.crash
SEED = int(os.environ.get("EZCOLD_SEED", random.SystemRandom().randrange(1 << 32)))


class GraphWorld(World):
    """A mailbox of somebody who signed in, whose access token ended; mails are moved when done with."""

    after = "{action: move, to: Traité/2024}"
    server: GraphServer

    def prepare(self) -> None:
        self.login = f"u{self.random.randrange(1 << 60):x}@exemple.fr"
        self.box = self.server.mailbox(self.login)
        for n in range(self.items):
            mail = EmailMessage()
            mail["From"], mail["Subject"] = "a@exemple.fr", f"Facture {n}"
            mail.set_content("Bonjour")
            name, data = self.pdf()
            mail.add_attachment(data, maintype="application", subtype="pdf", filename=name)
            self.box.put(mail.as_bytes(), str(n), files=1)
        extras = self.server.extras()
        self.env["EZCOLD_FERNET_KEY"] = Fernet.generate_key().decode()
        self.env["AIRFLOW_CONN_BOX"] = json.dumps({"conn_type": "o365", "extra": extras})
        self.link(Credentials(conn_id="box", extra=extras))

    def link(self, credentials: Credentials) -> None:
        wanted = settings(credentials, None)
        cache = token_cache()
        with application(wanted, cache) as app:
            flow = app.initiate_device_flow(scopes=wanted.scopes)
            self.server.entra.enter(flow["user_code"], "approved", self.login)
            assert "access_token" in app.acquire_token_by_device_flow(flow)
        self.home.mkdir()
        with Ledger.open(f"sqlite:///{self.home}/ledger.db") as ledger:
            account = Account(wanted.account_key, cache.serialize(), login=self.login)
            AccountStore(ledger, self.env["EZCOLD_FERNET_KEY"]).save(account)
        self.server.entra.revoke_access()

    def source_yaml(self) -> str:
        return f"  protocol: o365\n  connection: box\n  after: {self.after}\n"

    def all_acknowledged(self) -> list[str]:
        left = [f"in the inbox: {mail.label}" for mail in self.box.inside(self.box.known["inbox"])]
        moved = self.box.inside(self.box.path("Traité/2024"))
        made = [folder.name for folder in self.box.folders.values() if folder.name in {"Traité", "2024"}]
        if len(moved) != self.items or len(made) != 2:
            left.append(f"{len(moved)} moved, not {self.items}; folders {made}")
        return left + self.server.violations


class GraphMarkWorld(GraphWorld):
    after = "{action: mark}"

    def all_acknowledged(self) -> list[str]:
        return [mail.label for mail in self.box.mails.values() if not mail.read] + self.server.violations


@pytest.fixture(scope="module", autouse=True)
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GraphServer]:
    with graph_server(tmp_path_factory.mktemp("graph")) as running:
        running.entra.strict = False
        GraphWorld.server = running
        yield running


@pytest.mark.timeout(300)
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    ("world_class", "step"),
    [
        (GraphWorld, "account.save"),
        (GraphWorld, "fetch.staged"),
        (GraphWorld, "o365.create"),
        (GraphWorld, "o365.move"),
        (GraphWorld, "settle.settled"),
        (GraphMarkWorld, "o365.patch"),
    ],
)
def test_killed_and_started_again_twice_at_once(
    zygote: Zygote, tmp_path: Path, world_class: Any, step: str, moment: str
) -> None:
    world = world_class(tmp_path, SEED + zlib.crc32(f"{step} {moment}".encode()))
    context = f"EZCOLD_SEED={SEED}, killed {moment} {step}"
    with Eater(world.wait, world.eaten):
        (status,) = zygote.run([world.job(crash={"step": step, "moment": moment, "nth": 1})])
        assert status == -9, f"{context}: not reached, exit {status}\n{world.output()}"
        both = zygote.run([world.job(), world.job()])
    assert both == [0, 0], f"{context}: {both}\n{world.output()}"
    try:
        world.check()
    except AssertionError as exc:
        raise AssertionError(f"{context}: {exc}\n{world.output()}") from exc
