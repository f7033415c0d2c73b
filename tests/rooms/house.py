"""A launcher on a folder of zip archives with one scenario, run without a scheduler, for tests of the rooms."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import select

from ezcold_operators.config import loader
from ezcold_operators.config.credentials import Credentials, resolve
from ezcold_operators.config.settings import Settings
from ezcold_operators.ledger import people
from ezcold_operators.ledger.people import Decision
from ezcold_operators.ledger.tables import delivery, document, event, item
from ezcold_operators.rooms.base import River
from ezcold_operators.rooms.river import Run

PDF = b"%PDF-1.4\n"


class House:
    """Everything below one folder."""

    def __init__(self, root: Path, scenario: Mapping[str, Any], launcher: Mapping[str, Any] | None = None) -> None:
        self.root = root
        self.incoming, self.wait, self.done = root / "incoming", root / "wait", root / "done"
        self.incoming.mkdir()
        self.wait.mkdir()
        self.credentials: Credentials | None = None
        self.ledger_url = f"sqlite:///{root}/home/ledger.db"
        self.scenario = {"driver": "folder", "path": str(self.wait)} | dict(scenario)
        if self.scenario["driver"] == "ezged":
            del self.scenario["path"]
        self.launcher: dict[str, Any] = {
            "launcher": "lots",
            "source": {"protocol": "folder", "path": f"{self.incoming}/*", "settle_seconds": 0,
                       "after": {"action": "move", "to": str(self.done)}},
            "unpack": ["archive"],
            "routes": [{"extensions": ["pdf", "xml", "json"], "send_to": ["s1"]}],
        } | dict(launcher or {})  # fmt: skip
        self.runs = 0

    def zip(self, name: str, members: Mapping[str, bytes]) -> None:
        """An item with these documents."""
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for member, data in members.items():
                archive.writestr(member, data)
        (self.incoming / name).write_bytes(out.getvalue())

    def river(self) -> Any:
        """For `with`: this launcher as it is configured now."""
        (self.root / "launchers").mkdir(exist_ok=True)
        (self.root / "scenarios.yaml").write_text(json.dumps({"scenarios": {"s1": self.scenario}}))
        file = self.root / "launchers" / "lots.yaml"
        file.write_text(json.dumps(self.launcher))
        scenarios = loader.load_scenarios(self.root / "scenarios.yaml")
        self.runs += 1
        settings = Settings(home=self.root / "home", launchers_dir=file.parent, ledger_url=self.ledger_url)
        return River.open(
            loader.load_launcher(file, scenarios), scenarios, settings, f"run{self.runs}", credentials=self._resolve
        )

    def _resolve(self, conn_id: str) -> Credentials:
        return self.credentials if conn_id == "ezged" and self.credentials else resolve(conn_id)

    def run(self) -> tuple[int, dict[str, Any]]:
        """The river once: exit code and summary."""
        with self.river() as river:
            work = Run(river)
            counts = work.rooms()
            return work.exit_code(counts), counts

    def arrived(self) -> dict[str, bytes]:
        """What the waiting directory holds: name to bytes."""
        return {path.name: path.read_bytes() for path in self.wait.iterdir()}

    def rows(self, *columns: Any, order: Any = None) -> list[tuple[Any, ...]]:
        """Rows of the ledger."""
        query = select(*columns).order_by(columns[0] if order is None else order)
        with self.river() as river, river.ledger.read() as conn:
            return [tuple(row) for row in conn.execute(query)]

    def states(self) -> list[tuple[str, str, str]]:
        """(role, name, state) of every delivery."""
        query = (
            select(document.c.role, document.c.name, delivery.c.state)
            .join(delivery, delivery.c.document_id == document.c.id)
            .order_by(document.c.name)
        )
        with self.river() as river, river.ledger.read() as conn:
            return [(str(row[0]), str(row[1]), str(row[2])) for row in conn.execute(query)]

    def item_states(self) -> list[str]:
        return [str(state) for _id, state in self.rows(item.c.id, item.c.state)]

    def events(self, what: str) -> list[str]:
        return [
            str(detail) for _id, detail, kind in self.rows(event.c.id, event.c.detail, event.c.what) if kind == what
        ]

    def dismiss(self) -> None:
        """A person gives up what is in quarantine."""
        with self.river() as river, river.ledger.transaction("people.dismissed") as conn:
            for item_id in people.quarantined(conn):
                people.dismiss(river.ledger, conn, Decision("person", "anne", "not wanted"), item_id)

    def replay(self) -> None:
        """A person takes everything out of quarantine."""
        with self.river() as river, river.ledger.transaction("people.replayed") as conn:
            for item_id in people.quarantined(conn):
                people.replay(river.ledger, conn, Decision("person", "anne"), item_id, river.stage.has)
