"""The whole river from a Microsoft 365 mailbox in a storm: throttled, revoked, forgotten, killed, two runs at once."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.servers.graph import GraphServer, graph_server

UPN = "factures@exemple.fr"
SEED = int(os.environ.get("EZCOLD_SEED", random.SystemRandom().randrange(1 << 32)))
EZCOLD = [sys.executable, "-c", "from ezcold_operators.cli import main; main()"]
LAUNCHER = """launcher: factures
source:
  protocol: o365
  connection: m365
  path: inbox
  subfolders: true
  after: {action: move, to: Traité}
routes:
  - extensions: [pdf]
    send_to: [fac]
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GraphServer]:
    with graph_server(tmp_path) as running:
        yield running
    assert running.violations == []


class Desk:
    """A launcher, its scenario, its environment."""

    def __init__(self, tmp: Path, server: GraphServer) -> None:
        self.tmp, self.server, self.box = tmp, server, server.mailbox(UPN)
        self.wait = tmp / "wait"
        (tmp / "launchers").mkdir()
        self.wait.mkdir()
        self.file = tmp / "launchers" / "factures.yaml"
        self.file.write_text(LAUNCHER)
        (tmp / "scenarios.yaml").write_text(f"scenarios:\n  fac: {{driver: folder, path: {self.wait}}}\n")
        self.env = os.environ | {
            "EZCOLD_HOME": str(tmp / "home"),
            "EZCOLD_FERNET_KEY": Fernet.generate_key().decode(),
            "EZCOLD_LANG": "en",
            "AIRFLOW_CONN_M365": json.dumps({"conn_type": "o365", "extra": server.extras()}),
        }

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [*EZCOLD, *words] + ([str(self.file)] if words[0] != "why" else [])
        return subprocess.Popen(command, env=self.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def login(self) -> str:
        """As a person does it: reads the code, enters it."""
        process = self.start("login")
        assert process.stderr is not None
        for line in process.stderr:
            codes = [flow.user_code for flow in self.server.entra.flows.values() if flow.user_code in line]
            if codes:
                self.server.entra.enter(codes[0], "approved", UPN)
        out = process.stdout.read() if process.stdout else ""
        assert process.wait() == 0
        return out

    def fill(self, count: int) -> list[bytes]:
        sent = []
        for number in range(count):
            mail = EmailMessage()
            mail["From"], mail["Subject"] = "a@exemple.fr", f"Facture {number}"
            mail["Message-ID"] = f"<{number}@exemple.fr>"
            mail.set_content("Bonjour")
            data = b"%PDF-1.4 " + str(number).encode() * 3000
            mail.add_attachment(data, maintype="application", subtype="pdf", filename=f"Facture {number}.pdf")
            links = [{"name": "plan.pdf", "url": "https://exemple.sharepoint.com/plan.pdf"}] if number == 5 else []
            self.box.put(mail.as_bytes(), str(number), "inbox" if number % 3 else "inbox/Été", files=1, links=links)
            sent.append(data)
        return sent

    def arrived(self) -> list[bytes]:
        return sorted(path.read_bytes() for path in self.wait.iterdir())


def test_a_code_then_runs_in_a_storm(tmp_path: Path, server: GraphServer) -> None:
    desk = Desk(tmp_path, server)
    desk.box.folder("Été", desk.box.known["inbox"])
    sent = desk.fill(40)
    assert UPN in desk.login()
    server.entra.revoke_access()
    server.fault("429", path="/v1.0/", every=3, retry_after=0.1)
    server.fault("cut", path="$value", every=7)
    storm = threading.Event()

    def rage() -> None:
        while not storm.wait(1.5):
            server.entra.revoke_access()
            desk.box.forget_states()

    threading.Thread(target=rage, daemon=True).start()
    try:
        runs = [desk.start("run", "--json") for _ in range(2)]
        results = [(*run.communicate(timeout=200), run.returncode) for run in runs]
    finally:
        storm.set()
    assert [code for _out, _err, code in results] == [0, 0], results
    said = [json.loads(out) for out, _err, _code in results]
    assert sum(one["fetched"] for one in said) == 40
    assert desk.arrived() == sorted(sent)
    assert len(desk.box.inside(desk.box.path("Traité"))) == 40
    assert len([change for change in desk.box.log if change.there]) == 80
    why = desk.start("why", "--json", "plan.pdf")
    assert "https://exemple.sharepoint.com/plan.pdf" in why.communicate()[0]


@pytest.mark.crash
def test_killed_at_random_moments(tmp_path: Path, server: GraphServer) -> None:
    desk = Desk(tmp_path, server)
    desk.box.folder("Été", desk.box.known["inbox"])
    sent = desk.fill(30)
    server.entra.strict = False
    server.latency = 0.02
    desk.login()
    chosen = random.Random(SEED)
    for _kill in range(6):
        base, more = len(server.requests), chosen.randrange(2, 60)
        run = desk.start("run", "--json")
        while run.poll() is None and len(server.requests) < base + more:
            threading.Event().wait(0.005)
        run.kill()
        run.communicate()
    final = desk.start("run", "--json")
    out, err = final.communicate(timeout=200)
    assert final.returncode == 0, f"EZCOLD_SEED={SEED}: {out} {err}"
    assert desk.arrived() == sorted(sent), f"EZCOLD_SEED={SEED}"
    assert len(desk.box.inside(desk.box.path("Traité"))) == 30, f"EZCOLD_SEED={SEED}"
