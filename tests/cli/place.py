"""A place for commands: incoming files, two waiting directories, launchers, a home; commands run in this process."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ezcold_operators import log
from ezcold_operators.cli.app import app, exit_code
from ezcold_operators.errors import EzcoldError
from tests.airflow_runs import write

PDF = b"%PDF-1.4\n%%EOF\n"


class Answer:
    """What a command came to."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def json(self) -> Any:
        return json.loads(self.out)


class Place:
    """Everything that a command needs, below one folder."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self._capsys = root, capsys
        log.quiet()
        self.home, self.launchers = root / "home", root / "launchers"
        self.incoming = root / "incoming"
        self.incoming.mkdir()
        self.waiting = {name: root / "wait" / name for name in ("factures", "clients")}
        for folder in self.waiting.values():
            folder.mkdir(parents=True)
        self.scenarios("factures", "clients")
        self.launcher()

    def scenarios(self, *names: str) -> None:
        parts = str(self.root / "parts")
        content = {n: {"driver": "folder", "path": str(self.waiting[n]), "parts": parts} for n in names}
        write(self.root / "scenarios.yaml", {"scenarios": content})

    def launcher(self, name: str = "l1", **over: Any) -> Path:
        source = {"protocol": "folder", "path": f"{self.incoming}/*.*", "settle_seconds": 0, **over.pop("source", {})}
        content = {
            "launcher": name,
            "source": source,
            "routes": [{"extensions": ["*"], "send_to": ["factures"]}],
            **over,
        }
        self.file = write(self.launchers / f"{name}.yaml", content)
        return self.file

    def put(self, name: str, content: bytes = PDF, when: float = 1_700_000_000) -> Path:
        file = self.incoming / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        os.utime(file, (when, when))
        return file

    def call(self, *args: str | Path | int) -> Answer:
        """A command line, in this process."""
        self._capsys.readouterr()
        try:
            code = app([str(arg) for arg in args], standalone_mode=False)
        except EzcoldError as exc:
            out = self._capsys.readouterr()
            return Answer(exit_code(exc), out.out, str(exc))
        out = self._capsys.readouterr()
        return Answer(code, out.out, out.err)

    def run(self) -> Any:
        """`ezcold run --json`: its summary."""
        return self.call("run", "--json", self.file).json()

    def arrived(self, scenario: str = "factures") -> list[str]:
        """Names in a waiting directory, without the tokens."""
        return sorted(f"{p.stem.rsplit('__', 1)[0]}{p.suffix}" for p in self.waiting[scenario].iterdir())
