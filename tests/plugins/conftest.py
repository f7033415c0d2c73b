"""One API server of a real Airflow for all tests of the pages, with launchers, a ledger with documents, four users."""

from __future__ import annotations

import html
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.fernet import Fernet

from ezcold_operators.config.loader import load_launcher, load_scenarios
from ezcold_operators.config.settings import Settings
from ezcold_operators.ledger.events import Event, record
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.rooms.base import River
from ezcold_operators.rooms.river import Run
from tests.airflow_runs import write
from tests.servers.graph import GraphServer, graph_server

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
sys.path.insert(0, str(PLUGINS))
USERS = {"admin": "admin", "viewer": "viewer", "fenced": "user", "clerk": "user"}
HOSTILE = "<img src=x onerror=alert(1)>\"'{{7*7}}.pdf"
START_SECONDS = 120
RUN = """
import sys
from tests.airflow_runs import AT_ONCE, run
from ezcold_operators.dag import build_dags
for name in sys.argv[2:]:
    print(name, run(build_dags(sys.argv[1], only=name, default_args=AT_ONCE)[name]).state)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def text(answer: Any) -> str:
    """What a person reads, spaces evened."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", answer.raise_for_status().text)).split())


@dataclass
class Site:
    """The running API server."""

    url: str
    root: Path
    env: dict[str, str] = field(repr=False)
    tokens: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def launchers(self) -> Path:
        return self.root / "launchers"

    @property
    def ledger(self) -> Path:
        return self.root / "home" / "ledger.db"

    def token(self, who: str) -> str:
        """A person's JWT."""
        if who not in self.tokens:
            answer = httpx2.post(f"{self.url}/auth/token", json={"username": who, "password": who}, timeout=30)
            self.tokens[who] = answer.raise_for_status().json()["access_token"]
        return self.tokens[who]

    def client(self, who: str | None = None, language: str = "en") -> Visitor:
        """A browser's worth of cookies, signed in as somebody or as nobody."""
        return Visitor(self, who, language)


class Visitor(httpx2.Client):
    """A person at the pages; `post` bears the session's token, as the pages' forms do."""

    def __init__(self, site: Site, who: str | None, language: str) -> None:
        cookies = {"_token": site.token(who)} if who else {}
        super().__init__(
            base_url=f"{site.url}/ezcold", cookies=cookies, timeout=60, headers={"accept-language": language}
        )

    def csrf(self) -> str:
        """The token of this session's forms."""
        page = self.get("/documents").raise_for_status().text
        return page.split('data-csrf="')[1].split('"')[0]

    def send(self, path: str, fields: Any = None, **more: Any) -> httpx2.Response:  # type: ignore[override]
        """Dispatch a form, or (given a request) do what httpx's own `send` does."""
        if isinstance(path, httpx2.Request):
            return super().send(path, **more)
        return self.post(path, data={"csrf": self.csrf(), **(fields or {})}, **more)


def scenarios(root: Path) -> dict[str, Any]:
    places = {"factures": 87, "clients": 69}
    return {
        name: {"number": number, "driver": "folder", "path": str(root / "wait" / name), "parts": str(root / "parts")}
        for name, number in places.items()
    }


def folder_launcher(root: Path, name: str, **more: Any) -> dict[str, Any]:
    source = {"protocol": "folder", "path": str(root / "in" / name / "*"), "settle_seconds": 0}
    plain = {"launcher": name, "title": name.replace("_", " "), "source": source,
             "routes": [{"extensions": ["pdf"], "send_to": ["factures"]}]}  # fmt: skip
    return plain | more


MAIRIE = [
    ("mairie_factures", "Factures fournisseurs", "imap", "INBOX", "factures"),
    ("mairie_courrier", "10 - documentsclients", "imap", "Clients/Courrier", "clients"),
    ("mairie_marches", "Marchés publics", "o365", "INBOX/Marchés", "clients"),
    ("mairie_regie", "Régie de recettes", "pop", None, "factures"),
]


def mail_launcher(name: str, title: str, protocol: str, path: str | None, to: str) -> dict[str, Any]:
    source = {"protocol": protocol, "connection": "o365_test" if protocol == "o365" else f"boite_{name}"}
    source |= {"path": path} if path else {}
    routes = [{"extensions": ["*"], "send_to": [to]}]
    return {"launcher": name, "title": title, "schedule": "*/5 * * * *", "source": source, "routes": routes}


def lay_out(root: Path) -> None:
    """Launchers, scenarios and documents on the disk, taken by the real river."""
    for name in scenarios(root):
        (root / "wait" / name).mkdir(parents=True)
    write(root / "scenarios.yaml", {"scenarios": scenarios(root)})
    filters = [r"/.*\.(?!db).*/", r"/(?!brouillon).*\..*/"]
    made = [
        folder_launcher(root, "factures_scan", title="Factures <b>numérisées</b>", filters=filters, schedule="@hourly",
                        description="Scans de l'accueil"),
        folder_launcher(root, "paie_secret", title="Paie"),
        folder_launcher(root, "archive_reprise", reprise={"by": "modified", "every": "month"}),
        folder_launcher(root, "douteux", mismatch="quarantine"),
        folder_launcher(root, "suspects", mismatch="quarantine"),
        *(mail_launcher(*one) for one in MAIRIE),
        {"launcher": "boite_o365", "title": "Boîte O365", "source": {"protocol": "o365", "connection": "o365_test"},
         "routes": [{"extensions": ["*"], "send_to": ["clients"]}]},
    ]  # fmt: skip
    for one in made:
        write(root / "launchers" / f"{one['launcher']}.yaml", one)
        (root / "in" / one["launcher"]).mkdir(parents=True)
    (root / "launchers" / "casse.yaml").write_text("launcher: casse\ntitle: Cassé\nsource: {protocol: imapp}\n")
    names = ["facture_1.pdf", "facture_2.pdf", "brouillon_3.pdf", "Thumbs.db", HOSTILE.replace("/", "_")]
    for name in names:
        (root / "in" / "factures_scan" / name).write_bytes(b"%PDF-1.4\n%%EOF\n" + name.encode())
    for name in ("faux_1.pdf", "faux_2.pdf", "faux_3.pdf", f"faux {HOSTILE}".replace("/", "_")):
        (root / "in" / "douteux" / name).write_bytes(b"\x89PNG\r\n\x1a\n" + name.encode())
        (root / "in" / "suspects" / name).write_bytes(b"\x89PNG\r\n\x1a\nsuspect" + name.encode())
    (root / "in" / "paie_secret" / "bulletin_dupont.pdf").write_bytes(b"%PDF-1.4\n%%EOF\nsecret")


def take(root: Path, name: str, run_id: str) -> None:
    """One run of a launcher."""
    settings = Settings(root / "home", root / "launchers", root / "scenarios.yaml", f"sqlite:///{root}/home/ledger.db")
    known = load_scenarios(root / "scenarios.yaml")
    launcher = load_launcher(root / "launchers" / f"{name}.yaml", known)
    with River.open(launcher, known, settings, run_id) as river:
        Run(river).rooms()


def busy_month(root: Path) -> None:
    """A month of deliveries, of launchers whose mailboxes are not here."""
    with Ledger.open(f"sqlite:///{root}/home/ledger.db") as book, book.transaction("picture") as conn:
        now = time.time()
        for number, (name, *_rest) in enumerate(MAIRIE):
            for day in range(30):
                for _n in range((day * 7 + number * 5) % 11 if day % 7 < 5 else 0):
                    record(conn, now - day * 86400 - 60, "picture", name, [Event("sent", detail="factures: x")])


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("pages")
    lay_out(root)
    take(root, "factures_scan", "manual__2026-11-24T10:00:00+00:00")
    take(root, "paie_secret", "manual__paie")
    take(root, "douteux", "manual__douteux")
    take(root, "suspects", "manual__suspects")
    busy_month(root)
    with serving(root) as running:
        yield running


def airflow_runs(site: Site, *names: str, **env: str) -> str:
    """Runs of these launchers' DAGs, in Airflow's own database; their states."""
    command = [sys.executable, "-c", RUN, str(site.launchers), *names]
    done = subprocess.run(command, env=site.env | env, check=True, capture_output=True, cwd=ROOT, text=True)
    return " ".join(line for line in done.stdout.splitlines() if line.split(" ")[0] in names)


def settings(root: Path, port: int) -> dict[str, str]:
    """The environment of an Airflow of its own below `root`."""
    home = root / "airflow"
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": "of-these-tests",
        "AIRFLOW__API_AUTH__JWT_SECRET": "of-these-tests-" * 4,
        "AIRFLOW__CORE__AUTH_MANAGER": "tests.plugins.fenced_auth.FencedAuthManager",
        "AIRFLOW__CORE__DAGS_FOLDER": str(root / "dags"),
        "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PLUGINS),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in USERS.items()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "EZCOLD_HOME": str(root / "home"),
        "EZCOLD_LANG": "en",
        "EZCOLD_LAUNCHERS_DIR": str(root / "launchers"),
        "EZCOLD_SCENARIOS": str(root / "scenarios.yaml"),
        "NO_PROXY": "127.0.0.1,localhost",
        "PYTHONPATH": str(ROOT),
    }


@contextmanager
def serving(root: Path, more: Mapping[str, str] | None = None) -> Iterator[Site]:
    """An API server on the launchers below `root`, whose DAGs it has read."""
    port = free_port()
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "EZCOLD"))}
    env |= settings(root, port) | dict(more or {})
    for folder in (root / "dags", root / "airflow"):
        folder.mkdir()
    (root / "airflow" / "passwords.json").write_text(json.dumps({name: name for name in USERS}))
    (root / "dags" / "ezcold.py").write_text((ROOT / "dags" / "ezcold.py").read_text(encoding="utf-8"))
    for words in (["db", "migrate"], ["dags", "reserialize"]):
        subprocess.run([sys.executable, "-m", "airflow", *words], env=env, check=True, capture_output=True, cwd=root)
    url = env["AIRFLOW__API__BASE_URL"]
    with (root / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "airflow", "api-server"],
            env=env,
            stdout=log,
            stderr=log,
            cwd=root,
            start_new_session=True,
        )
        try:
            wait_for(url, server, root / "server.log")
            yield Site(url, root, env)
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait(20)


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            if httpx2.get(f"{url}/api/v2/version", timeout=5).status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(log.read_text(errors="replace")[-3000:])
        time.sleep(0.2)


@pytest.fixture
def entra(tmp_path: Path, site: Site) -> Iterator[GraphServer]:
    """Microsoft's sign-in, and the Connection of `boite_o365` to it."""
    with graph_server(tmp_path) as server, site.client("admin") as admin:
        body = {"connection_id": "o365_test", "conn_type": "o365", "extra": json.dumps(server.extras())}
        admin.delete(f"{site.url}/api/v2/connections/o365_test")
        admin.post(f"{site.url}/api/v2/connections", json=body).raise_for_status()
        yield server
        admin.send("/launchers/boite_o365/account/unlink")
