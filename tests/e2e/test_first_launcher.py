"""The guide's first launcher, as it is written there, against a Dovecot: what a newcomer does in ten minutes."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.conftest import require
from tests.servers.dovecot import Dovecot

pytestmark = [pytest.mark.dovecot, pytest.mark.timeout(120)]
ROOT = Path(__file__).parents[2]
PAGES = {"fr": "fr/premier-lanceur.md", "en": "en/first-launcher.md"}
NAMES = {"fr": ("factures_mail", "BOITE_FACTURES"), "en": ("invoices_mail", "INVOICES_BOX")}


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    require("dovecot")
    with Dovecot() as server:
        yield server


def mail(name: str) -> bytes:
    message = EmailMessage()
    message["From"], message["Subject"] = "fournisseur@example.fr", f"Votre facture {name}"
    message.set_content("Bonjour")
    message.add_attachment(b"%PDF-1.4\n" + name.encode(), maintype="application", subtype="pdf", filename=name)
    message.add_attachment(b"x", maintype="application", subtype="octet-stream", filename="Thumbs.db")
    return message.as_bytes()


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_page_followed_line_by_line(language: str, dovecot: Dovecot, tmp_path: Path) -> None:
    page = (ROOT / "docs" / PAGES[language]).read_text("utf-8")
    blocks = ["\n".join(line.removeprefix("   ") if language == "en" else line for line in block.splitlines())
              for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]  # fmt: skip
    waiting = tmp_path / "ged" / "wait" / "facturesfournisseurs"
    waiting.mkdir(parents=True)
    (scenarios,) = (block for block in blocks if block.startswith("scenarios:"))
    (launcher,) = (block for block in blocks if block.startswith("launcher:"))
    name, variable = NAMES[language]
    file = tmp_path / "dags" / "launchers" / f"{name}.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(launcher, "utf-8")
    text = scenarios.replace("/ged/ocr/wait/facturesfournisseurs", str(waiting))
    (tmp_path / "dags" / "scenarios.yaml").write_text(text.replace("/ged/ocr/.parts", str(tmp_path / "ged" / "parts")))

    box = dovecot.user(f"newcomer_{language}", "secret")
    box.deliver(mail("facture (invoice) 1.pdf"))
    connection = {"conn_type": "imap", "host": "localhost", "port": dovecot.imaps, "login": f"newcomer_{language}",
                  "password": "secret", "extra": {"ca_file": str(dovecot.ca_file)}}  # fmt: skip
    env = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "EZCOLD"))}
    env |= {"EZCOLD_LANG": "en", "HOME": str(tmp_path), f"AIRFLOW_CONN_{variable}": json.dumps(connection)}

    def ezcold(*words: str) -> str:
        command = [ROOT / ".venv/bin/ezcold", *words]
        done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    commands = re.findall(r"^ *ezcold (check|test|plan|run|why)\b *(\S*)", page, re.MULTILINE)
    assert [command for command, _argument in commands] == ["check", "test", "plan", "run", "why"]
    said = {command: ezcold(command, *([argument] if argument and argument != "#" else []))
            for command, argument in commands}  # fmt: skip
    assert "facture (invoice) 1.pdf -> facturesfournisseurs" in said["plan"]
    assert "Thumbs.db" in said["plan"]
    assert "1 document sent to facturesfournisseurs" in said["run"]
    (arrived,) = waiting.iterdir()
    assert arrived.read_bytes() == b"%PDF-1.4\nfacture (invoice) 1.pdf"
    assert box.mails() == []
    assert len(box.mails("Traité" if language == "fr" else "Done")) == 1
    assert "0 items fetched" in ezcold("run", f"dags/launchers/{name}.yaml")
