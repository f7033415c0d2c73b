"""Whole runs in a real Airflow, from a mailbox on Dovecot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest

from tests.airflow_runs import AT_ONCE, Ran, database, run, write

pytestmark = [pytest.mark.airflow, pytest.mark.dovecot, pytest.mark.filterwarnings("ignore")]

PDF = b"%PDF-1.4\n%%EOF\n"


def mail(subject: str, **attached: bytes) -> bytes:
    """A mail with one attachment a keyword; `__` in a keyword stands for the dot."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = "a@exemple.fr", "b@exemple.fr", subject
    message["Message-ID"] = f"<{subject}@exemple.fr>"
    message.set_content("Bonjour")
    for name, content in attached.items():
        message.add_attachment(content, "application", "octet-stream", filename=name.replace("__", "."))
    return message.as_bytes()


class Office:
    """A mailbox, its Connection, a waiting directory and the launcher between them."""

    def __init__(self, root: Path, server: Any, dag_id: str) -> None:
        self.root, self.server, self.dag_id = root, server, dag_id
        self.box = server.user("factures", "secret")
        self.waiting = root / "wait"
        self.waiting.mkdir()
        scenario = {"driver": "folder", "path": str(self.waiting), "parts": str(root / "parts")}
        write(root / "scenarios.yaml", {"scenarios": {"factures": scenario}})
        content = {
            "launcher": dag_id,
            "source": {
                "protocol": "imap",
                "connection": f"boite_{dag_id}",
                "path": "INBOX",
                "after": {"action": "move", "to": "Traité"},
            },
            "unpack": ["mail", "archive"],
            "routes": [{"extensions": ["pdf"], "send_to": ["factures"]}],
        }
        write(root / "launchers" / f"{dag_id}.yaml", content)

    def connection(self, password: str = "secret") -> dict[str, Any]:
        extra = {"security": "tls", "ca_file": str(self.server.ca_file), "timeout": 5}
        return {"host": "localhost", "port": self.server.imaps, "login": "factures", "password": password} | {
            "conn_type": "imap",
            "extra": json.dumps(extra),
        }

    def run(self, **default_args: Any) -> Ran:
        from ezcold_operators.dag import build_dags

        (dag,) = build_dags(self.root / "launchers", default_args={**AT_ONCE, **default_args}).values()
        return run(dag)

    def arrived(self) -> list[str]:
        return sorted(f"{p.stem.rsplit('__', 1)[0]}{p.suffix}" for p in self.waiting.iterdir())

    def subjects(self, folder: str) -> list[str]:
        lines = [line for one in self.box.mails(folder) for line in one.data.splitlines()]
        return sorted(line[9:].decode() for line in lines if line.startswith(b"Subject: "))


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Office]:
    from tests.servers.dovecot import Dovecot

    monkeypatch.setenv("EZCOLD_HOME", str(tmp_path / "home"))
    with Dovecot() as server:
        yield Office(tmp_path, server, request.node.name)


@pytest.fixture
def connected(office: Office, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setenv(f"AIRFLOW_CONN_BOITE_{office.dag_id.upper()}", json.dumps(office.connection()))
    return office


def test_the_mailbox_is_down_for_one_run(connected: Office) -> None:
    connected.box.deliver(mail("un", a__pdf=PDF))
    assert connected.run().state == "success"
    assert (connected.subjects("INBOX"), connected.subjects("Traité")) == ([], ["un"])
    connected.box.deliver(mail("deux", b__pdf=PDF + b"b"))
    connected.server.kill()
    down = connected.run()
    assert (down.state, down.tasks["fetch"], down.tasks["settle"]) == ("failed", "failed", "failed")
    connected.server.start()
    assert connected.run().state == "success"
    assert connected.arrived() == ["a.pdf", "b.pdf"]
    assert (connected.subjects("INBOX"), connected.subjects("Traité")) == ([], ["deux", "un"])
    assert connected.run().tasks["settle"] == "skipped"


def test_a_mailbox_that_is_down_is_tried_again_a_refused_login_is_not(office: Office, monkeypatch: Any) -> None:
    variable = f"AIRFLOW_CONN_BOITE_{office.dag_id.upper()}"
    monkeypatch.setenv(variable, json.dumps(office.connection(password="wrong")))
    refused = office.run(retries=2, retry_delay=timedelta(0))
    assert (refused.tasks["fetch"], refused.tries["fetch"]) == ("failed", 1)
    monkeypatch.setenv(variable, json.dumps(office.connection()))
    office.server.kill()
    down = office.run(retries=2, retry_delay=timedelta(0))
    assert (down.tasks["fetch"], down.tries["fetch"]) == ("failed", 3)


def test_one_mail_that_cannot_be_decoded_stays_and_its_neighbours_arrive(connected: Office) -> None:
    connected.box.deliver(mail("un", a__pdf=PDF))
    connected.box.deliver(mail("mauvais", casse__zip=b"PK\x03\x04" + b"\xff" * 200))
    connected.box.deliver(mail("trois", c__pdf=PDF + b"c"))
    ran = connected.run()
    for _more in range(5):
        assert ran.state == "failed"
        if ran.summaries["settle"]["quarantined"]:
            break
        ran = connected.run()
    assert ran.summaries["settle"]["quarantined"] == 1
    assert connected.arrived() == ["a.pdf", "c.pdf"]
    assert (connected.subjects("INBOX"), connected.subjects("Traité")) == (["mauvais"], ["trois", "un"])
    assert connected.run().state == "success"
    assert connected.subjects("INBOX") == ["mauvais"]


def test_a_connection_kept_in_airflow_is_found(office: Office) -> None:
    from airflow.models import Connection
    from airflow.utils.session import create_session

    database()
    with create_session() as session:
        session.add(Connection(conn_id=f"boite_{office.dag_id}", **office.connection()))
    office.box.deliver(mail("un", a__pdf=PDF))
    assert office.run().state == "success"
    assert office.arrived() == ["a.pdf"]


def test_a_connection_that_does_not_exist_fails_at_once(office: Office) -> None:
    ran = office.run(retries=2, retry_delay=timedelta(0))
    assert (ran.tasks["fetch"], ran.tries["fetch"], ran.state) == ("failed", 1, "failed")
