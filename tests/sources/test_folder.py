"""The folder source on a real folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import After, Launcher
from ezcold_operators.sources import create
from ezcold_operators.sources.base import Source
from tests.contracts.source import SourceContract, World

OLD = 1_700_000_000


def launcher(path: object, **source: Any) -> Launcher:
    """A folder launcher."""
    return Launcher.model_validate(
        {
            "launcher": "files",
            "source": {"protocol": "folder", "path": str(path), **source},
            "routes": [{"extensions": ["*"], "send_to": ["s"]}],
        }
    )


class FolderWorld(World):
    """A folder on this machine's disk."""

    actions = ("keep", "move", "delete")

    def __init__(self, root: Path) -> None:
        self.root, self.to = root / "in", root / "done"
        self.root.mkdir()
        self._puts = 0

    def item(self, number: int, payload: bytes = b"") -> bytes:
        return f"item {number}\n".encode() + payload

    def put(self, name: str, data: bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self._puts += 1
        os.utime(path, (OLD + self._puts, OLD + self._puts))

    def vanish(self, name: str) -> None:
        (self.root / name).unlink()

    def replace(self, name: str, data: bytes) -> None:
        self.put(name, data)

    def renumber(self) -> bool:
        return False

    def contents(self) -> list[bytes]:
        return [path.read_bytes() for path in self.root.rglob("*") if path.is_file()]

    def moved(self) -> list[bytes]:
        return [path.read_bytes() for path in self.to.rglob("*") if path.is_file()]

    def snapshot(self) -> Any:
        paths = sorted(p for p in self.root.parent.rglob("*"))
        return [(str(p), p.lstat().st_mtime_ns, p.read_bytes() if p.is_file() else b"") for p in paths]

    def source(self) -> Source:
        return create(launcher(self.root, after={"action": "move", "to": str(self.to)}))

    def after(self, action: str) -> After:
        return After.model_validate({"action": action, **({"to": str(self.to)} if action == "move" else {})})

    def credentials(self) -> Credentials:
        return Credentials()


class TestFolder(SourceContract):
    """The contract."""

    @pytest.fixture
    def world(self, tmp_path: Path) -> World:
        return FolderWorld(tmp_path)
