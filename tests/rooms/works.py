"""A launcher with several scenarios over any source, run without a scheduler in this process."""

from __future__ import annotations

import json
import os
from collections import Counter
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from sqlalchemy import select

from ezcold_operators.config import loader
from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.settings import Settings
from ezcold_operators.ledger.tables import delivery, document, event, item
from ezcold_operators.rooms.base import River
from ezcold_operators.rooms.river import Run
from tests.servers.dovecot import Dovecot

PASSWORD = "planted-Pa55word"


class Works:
    """Everything below one folder; `launcher`, `scenarios` and `credentials` may be changed between runs."""

    def __init__(self, root: Path, *scenarios: str) -> None:
        self.root, self.home = root, root / "home"
        self.incoming = root / "incoming"
        self.incoming.mkdir()
        names = scenarios or ("s1",)
        self.waiting = {name: root / "wait" / name for name in names}
        for folder in self.waiting.values():
            folder.mkdir(parents=True)
        self.scenarios: dict[str, dict[str, Any]] = {
            name: {"driver": "folder", "path": str(folder), "parts": str(root / "parts")}
            for name, folder in self.waiting.items()
        }
        self.source: dict[str, Any] = {"protocol": "folder", "path": f"{self.incoming}/*", "settle_seconds": 0}
        self.launcher: dict[str, Any] = {"routes": [{"extensions": ["*"], "send_to": [names[0]]}]}
        self.credentials = Credentials()
        self.ledger_url: str | None = None
        self.runs = 0

    def imap(self, server: Dovecot, login: str, port: int = 0, **source: Any) -> None:
        """The source is this mailbox."""
        self.source = {"protocol": "imap", "connection": "mail", "path": "INBOX"} | source
        extra: dict[str, Any] = {"security": "none", "timeout": 10}
        self.credentials = Credentials("mail", "127.0.0.1", port or server.imap, login, PASSWORD, "", extra, "imap")

    def river(self) -> Any:
        """For `with`: this launcher as it is configured now."""
        folder = self.root / "launchers"
        folder.mkdir(exist_ok=True)
        (self.root / "scenarios.yaml").write_text(json.dumps({"scenarios": self.scenarios}))
        content = {"launcher": "works", "source": self.source} | self.launcher
        file = folder / f"{content['launcher']}.yaml"
        file.write_text(json.dumps(content))
        scenarios = loader.load_scenarios(self.root / "scenarios.yaml")
        launcher = loader.load_launcher(file, scenarios)
        file.unlink()
        self.runs += 1
        settings = Settings(home=self.home, launchers_dir=folder, ledger_url=self.ledger_url or self._own())
        return River.open(launcher, scenarios, settings, f"run{self.runs}", credentials=lambda conn: self.credentials)

    def _own(self) -> str:
        return f"sqlite:///{self.home}/ledger.db?timeout=0.2"

    def run(self) -> tuple[int, dict[str, Any]]:
        """The river once: exit code and summary."""
        with self.river() as river:
            work = Run(river)
            counts = work.rooms()
            for error in counts["errors"]:
                assert error.strip() == error != ""
                assert "\n" not in error
                assert PASSWORD not in error
            return work.exit_code(counts), counts

    def put(self, name: str, data: bytes, when: float = 1_700_000_000) -> Path:
        file = self.incoming / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        os.utime(file, (when, when))
        return file

    def arrived(self, scenario: str = "s1") -> Counter[bytes]:
        """What a waiting directory holds: contents with how often; every name has its token."""
        files = list(self.waiting[scenario].iterdir())
        assert all("__" in file.name for file in files)
        return Counter(file.read_bytes() for file in files)

    def names(self, scenario: str = "s1") -> list[str]:
        """Names in a waiting directory, without the tokens."""
        return sorted(f"{p.stem.rsplit('__', 1)[0]}{p.suffix}" for p in self.waiting[scenario].iterdir())

    def rows(self, *columns: Any) -> list[tuple[Any, ...]]:
        """Rows of the ledger, ordered by the first column."""
        with self.river() as river, river.ledger.read() as conn:
            return [tuple(row) for row in conn.execute(select(*columns).order_by(columns[0]))]

    def items(self) -> dict[str, int]:
        """How many items are in each state."""
        return dict(Counter(str(state) for _id, state in self.rows(item.c.id, item.c.state)))

    def deliveries(self) -> dict[str, int]:
        return dict(Counter(str(state) for _id, state in self.rows(delivery.c.id, delivery.c.state)))

    def verdicts(self) -> dict[str, int]:
        return dict(Counter(str(verdict) for _id, verdict in self.rows(document.c.id, document.c.verdict)))

    def events(self, what: str) -> list[str]:
        found = self.rows(event.c.id, event.c.what, event.c.detail)
        return [str(detail) for _id, kind, detail in found if kind == what]


def mail(subject: str, *attachments: tuple[str, bytes], body: str = "Bonjour") -> bytes:
    """A mail with these files."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Anne <anne@example.org>", "ged@example.org", subject
    message["Message-ID"] = f"<{abs(hash(subject))}@example.org>"
    message["Date"] = "Tue, 03 Mar 2026 10:00:00 +0100"
    message.set_content(body)
    for name, data in attachments:
        if name.endswith(".eml"):
            message.add_attachment(message_from_bytes(data, policy=default), filename=name)
            continue
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
