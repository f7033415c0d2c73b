from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.place import Place


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Place:
    monkeypatch.setenv("EZCOLD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EZCOLD_LAUNCHERS_DIR", str(tmp_path / "launchers"))
    return Place(tmp_path, capsys)
