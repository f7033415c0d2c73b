"""What a person sees when something outside fails: one sentence, the right exit code, no secret. In real processes."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.conftest import require
from tests.rooms.works import mail
from tests.servers.dovecot import Dovecot, Mailbox, free_port
from tests.servers.proxy import Faults, Proxy

SECRET = "planted-9f3c-Pa55"
FILES = 2


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    require("dovecot")
    with Dovecot() as server:
        yield server


class Shop:
    """A launcher on a mailbox, run as a process with logs at their loudest."""

    def __init__(self, root: Path, server: Dovecot) -> None:
        self.root, self.server, self.home = root, server, root / "home"
        self.login = f"u{uuid.uuid4().hex[:10]}"
        self.box: Mailbox = server.user(self.login, SECRET)
        for n in range(FILES):
            self.box.deliver(mail(f"Facture {n}", (f"f{n}.pdf", b"%PDF" + str(n).encode())))
        self.waiting = root / "wait"
        self.waiting.mkdir()
        self.scenario: dict[str, Any] = {"driver": "folder", "path": str(self.waiting)}
        self.connection: dict[str, Any] = {
            "conn_type": "imap", "host": "localhost", "port": server.imap, "login": self.login, "password": SECRET,
            "extra": {"security": "none", "timeout": 3},
        }  # fmt: skip
        self.said = ""

    def tls(self, **extra: Any) -> None:
        self.connection |= {"port": self.server.imaps, "extra": {"security": "tls", "timeout": 3} | extra}

    def call(self, command: str, *arguments: str, **env: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        (self.root / "launchers").mkdir(exist_ok=True)
        file = self.root / "launchers" / "l1.yaml"
        (self.root / "scenarios.yaml").write_text(json.dumps({"scenarios": {"s1": self.scenario}}))
        source = {"protocol": "imap", "connection": "mail", "path": "INBOX", "after": {"action": "move", "to": "Done"}}
        content = {"launcher": "l1", "source": source, "routes": [{"extensions": ["*"], "send_to": ["s1"]}]}
        file.write_text(json.dumps(content))
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "EZCOLD"))} | {
            "EZCOLD_HOME": str(self.home), "EZCOLD_LANG": "en", "EZCOLD_LOG": "DEBUG",
            "EZCOLD_LEDGER_URL": f"sqlite:///{self.home}/ledger.db?timeout=0.3",
            "AIRFLOW_CONN_MAIL": json.dumps(self.connection),
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "ezcold_operators.cli", command, *arguments, str(file)],
            env=environment | env, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        self.said += done.stdout + done.stderr
        return done.returncode, done.stdout, done.stderr

    def fails(self, code: int, *words: str) -> str:
        """A run that ends so; its one sentence, which has these words."""
        found, out, err = self.call("run", "--json")
        assert "Traceback" not in err
        assert found == code, err
        (sentence,) = json.loads(out)["errors"]
        assert "\n" not in sentence
        assert sentence in err.splitlines()
        for word in words:
            assert word in sentence
        return str(sentence)

    def works(self, arrived: int = FILES) -> None:
        """A run that ends well; nothing was lost, nothing came twice, all is acknowledged."""
        code, out, err = self.call("run", "--json")
        assert code == 0, err
        assert json.loads(out)["errors"] == []
        expected = sorted(b"%PDF" + str(n).encode() for n in range(arrived))
        assert sorted(p.read_bytes() for p in self.waiting.iterdir()) == expected
        assert (self.box.mails(), len(self.box.mails("Done"))) == ([], arrived)

    def no_secret_anywhere(self) -> None:
        """Neither said nor kept."""
        assert SECRET not in self.said
        for path in self.root.rglob("*"):
            if path.is_file():
                assert SECRET.encode() not in path.read_bytes(), path


@pytest.fixture
def shop(tmp_path: Path, dovecot: Dovecot) -> Iterator[Shop]:
    found = Shop(tmp_path, dovecot)
    yield found
    found.no_secret_anywhere()


def test_all_goes_well_and_no_secret_is_said_or_kept(shop: Shop) -> None:
    shop.works()
    for command, arguments in (("plan", ["--json"]), ("test", []), ("check", [])):
        code, out, err = shop.call(command, *arguments)
        assert (code, "Traceback" in out + err) == (0, False), err
    assert "fetched" in shop.said  # the logs were loud


def test_the_server_is_dead(shop: Shop) -> None:
    port = free_port()
    shop.connection["port"] = port
    shop.fails(3, "localhost", str(port))


def test_the_host_is_unknown(shop: Shop) -> None:
    shop.connection["host"] = "no-such-host.invalid"
    shop.fails(3, "no-such-host.invalid")


def test_the_password_is_wrong(shop: Shop) -> None:
    shop.connection["password"] = SECRET + "x"
    sentence = shop.fails(3, shop.login)
    assert SECRET not in sentence
    assert len(shop.box.mails()) == FILES
    shop.connection["password"] = SECRET
    shop.works()


@pytest.mark.parametrize(
    "bye",
    [
        {"bye_on_command": rb"BODY\.PEEK", "bye": b"* BYE Maintenance until 14:00\r\n"},
        {
            "cut_armed_by": rb"BODY\.PEEK\[\]",
            "cut_after_bytes": 500,
            "last_words": b"* BYE Maintenance until 14:00\r\n",
        },
    ],
    ids=["instead of an answer", "among the bytes of a mail"],
)
def test_the_server_says_bye_in_mid_fetch(shop: Shop, bye: dict[str, Any]) -> None:
    with Proxy("127.0.0.1", shop.server.imap, faults=Faults(**bye, times=100)) as proxy:
        shop.connection["port"] = proxy.port
        sentence = shop.fails(3, "localhost", str(proxy.port), "(Maintenance until 14:00)")
        assert sentence.endswith("the next run takes the rest; if this comes again, ask whoever runs the server")
        assert len(shop.box.mails()) == FILES
        proxy.faults.times = 0
        shop.works()


def test_a_bye_in_mid_mail_costs_no_second_run(shop: Shop) -> None:
    faults = Faults(cut_armed_by=rb"BODY\.PEEK\[\]", cut_after_bytes=500, last_words=b"* BYE Bye\r\n")
    with Proxy("127.0.0.1", shop.server.imap, faults=faults) as proxy:
        shop.connection["port"] = proxy.port
        shop.works()
        assert faults.times == 0


def test_the_certificate_is_of_an_unknown_authority(shop: Shop) -> None:
    shop.tls()
    shop.fails(3, "certificate")
    shop.tls(ca_file=str(shop.server.ca_file))
    shop.works()


def test_the_certificate_has_expired(tmp_path: Path) -> None:
    require("dovecot")
    with Dovecot() as server:
        server.kill()
        server.certify(not_after=datetime.now(tz=UTC) - timedelta(days=2))
        server.start()
        shop = Shop(tmp_path, server)
        shop.tls(ca_file=str(server.ca_file))
        shop.fails(3, "expired")
        shop.no_secret_anywhere()


def test_the_certificate_is_of_another_host(tmp_path: Path) -> None:
    require("dovecot")
    with Dovecot() as server:
        server.kill()
        certificate = server.ca.issue_cert("mail.other.example")
        assert isinstance(certificate, trustme.LeafCert)
        certificate.private_key_pem.write_to_path(str(server.run / "key.pem"))
        (server.run / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
        server.start()
        shop = Shop(tmp_path, server)
        shop.tls(ca_file=str(server.ca_file))
        shop.fails(3, "certificate")


def test_the_ledger_is_locked(shop: Shop) -> None:
    shop.call("run")
    shop.box.deliver(mail("Facture 2", ("f2.pdf", b"%PDF2")))
    other = sqlite3.connect(shop.home / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    shop.fails(3, "ledger.db", "locked")
    other.close()
    shop.works(FILES + 1)


def test_the_waiting_directory_is_missing(shop: Shop) -> None:
    shop.waiting.rename(shop.root / "away")
    shop.fails(3, str(shop.waiting))
    assert not shop.waiting.exists()
    (shop.root / "away").rename(shop.waiting)
    shop.works()


def test_the_parts_are_on_another_file_system(shop: Shop) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == shop.waiting.stat().st_dev:
        pytest.skip("no second file system here")
    parts = other / f"ezcold-{uuid.uuid4().hex}"
    shop.scenario["parts"] = str(parts)
    try:
        shop.fails(2, str(parts))
    finally:
        if parts.exists():
            subprocess.run(["rm", "-r", str(parts)], check=True)
    del shop.scenario["parts"]
    shop.works()


def test_a_connection_is_missing(shop: Shop) -> None:
    code, out, _err = shop.call("run", "--json", AIRFLOW_CONN_MAIL="")
    assert code == 2
    (sentence,) = json.loads(out)["errors"]
    assert "AIRFLOW_CONN_MAIL" in sentence
    shop.works()


def test_a_connection_that_cannot_be_read_shows_nothing_of_itself(shop: Shop) -> None:
    for written in (f"{{'password': '{SECRET}'", f"imap://u:{SECRET}@h:port", SECRET):
        code, out, err = shop.call("run", "--json", AIRFLOW_CONN_MAIL=written)
        assert (code, "Traceback" in err) == (2, False)
        assert SECRET not in out + err


def test_the_home_cannot_be_written(shop: Shop) -> None:
    shop.home.write_text("a file where a folder should be")
    code, out, err = shop.call("run", "--json")
    assert (code, out, "Traceback" in err) == (3, "", False)
    assert str(shop.home) in err
    shop.home.unlink()
    shop.works()


def test_the_ledger_is_damaged(shop: Shop) -> None:
    shop.home.mkdir()
    (shop.home / "ledger.db").write_bytes(b"no ledger at all" * 1000)
    code, out, err = shop.call("run", "--json")
    assert (code, out, "Traceback" in err) == (3, "", False)
    assert "damaged" in err


def test_a_secret_in_the_ledgers_url_is_never_said(shop: Shop) -> None:
    url = f"postgresql://anne:{SECRET}@127.0.0.1:1/ez?password={SECRET}"
    for command in ("run", "plan", "check", "test"):
        code, _out, err = shop.call(command, EZCOLD_LEDGER_URL=url)
        assert (code, "Traceback" in err) == (0 if command == "check" else 3, False), err


def test_in_french(shop: Shop) -> None:
    shop.connection["port"] = free_port()
    _code, out, err = shop.call("run", "--json", EZCOLD_LANG="fr_FR.UTF-8")
    (sentence,) = json.loads(out)["errors"]
    assert any(word in sentence for word in ("connexion", "serveur"))
    assert "registre" in err or "journal" in err or "grand livre" in err


def test_two_runs_at_once_deliver_once(shop: Shop) -> None:
    for n in range(FILES, 30):
        shop.box.deliver(mail(f"Facture {n}", (f"f{n}.pdf", b"%PDF" + str(n).encode())))
    shop.call("check")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "EZCOLD"))} | {
        "EZCOLD_HOME": str(shop.home), "EZCOLD_LEDGER_URL": f"sqlite:///{shop.home}/ledger.db",
        "AIRFLOW_CONN_MAIL": json.dumps(shop.connection),
    }  # fmt: skip
    command = [sys.executable, "-m", "ezcold_operators.cli", "run", str(shop.root / "launchers" / "l1.yaml")]
    pipe = subprocess.PIPE
    some = [subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True) for _ in range(3)]
    for one in some:
        shop.said += "".join(one.communicate(timeout=120))
    assert {one.returncode for one in some} == {0}, shop.said
    shop.works(30)
