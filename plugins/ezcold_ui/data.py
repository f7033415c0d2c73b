"""What the pages read: the settings, the ledger, the launcher files. Kept between requests, and looked at again."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow.configuration import conf

from ezcold_operators.config import credentials as connections
from ezcold_operators.config import loader
from ezcold_operators.config.launcher import Launcher
from ezcold_operators.config.loader import Loaded
from ezcold_operators.config.scenario import Scenario
from ezcold_operators.config.settings import Settings, set_fernet_fallback
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.operators.connections import from_metadata
from ezcold_operators.rooms.base import ledger_url
from ezcold_operators.stage import Stage
from ezcold_ui.language import current

_lock = threading.Lock()
_ledgers: dict[str, Ledger] = {}
_files: dict[Any, Loaded] = {}
_shelves: dict[tuple[Any, ...], Shelf] = {}


@dataclass(frozen=True, slots=True)
class Entry:
    """One launcher file under the id of its DAG."""

    id: str
    loaded: Loaded

    @property
    def launcher(self) -> Launcher | None:
        return self.loaded.launcher

    @property
    def title(self) -> str:
        data = self.loaded.parsed.data if self.loaded.parsed else None
        said = data.get("title") if isinstance(data, dict) else None
        return self.launcher.title if self.launcher else said if isinstance(said, str) else self.id

    @property
    def protocol(self) -> str:
        return self.launcher.source.protocol if self.launcher else ""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Every launcher file as it stands now."""

    folder: Path
    entries: Mapping[str, Entry] = field(default_factory=dict)
    scenarios: Mapping[str, Scenario] = field(default_factory=dict)
    trouble: str = ""
    """Why the launchers or the scenarios cannot be read at all."""


def settings() -> Settings:
    """This process's settings, with Airflow's Connections and key behind them."""
    connections.set_fallback(from_metadata)
    set_fernet_fallback(lambda: conf.get("core", "fernet_key", fallback=None))
    return Settings.from_env()


def ledger(where: Settings | None = None) -> Ledger:
    """The ledger, opened once a process.

    :raises ConfigurationError: :raises LedgerUnavailable:
    """
    url = ledger_url(where or settings(), connections.resolve)
    with _lock:
        if url not in _ledgers:
            _ledgers[url] = Ledger.open(url)
        return _ledgers[url]


def stage(where: Settings) -> Stage:
    """Where documents' bytes are."""
    return Stage(where.home / "stage")


def shelf(where: Settings | None = None) -> Shelf:
    """The launcher files; read again when one of them changed."""
    folder = (where or settings()).launchers_dir
    try:
        scenarios_file = loader.find_scenarios(folder)
        key = (current(), folder, _signature([scenarios_file]), _signature(loader.launcher_files(folder)))
    except ConfigurationError as error:
        return Shelf(folder, trouble=str(error))
    with _lock:
        found = _shelves.get(key)
    if found is None:
        found = _read(folder, scenarios_file, key[2])
        with _lock:
            for old in [k for k in _shelves if k[:2] == key[:2]]:
                del _shelves[old]
            _shelves[key] = found
    return found


def _signature(files: list[Path]) -> tuple[tuple[str, int, int, int], ...]:
    found = []
    for file in files:
        try:
            stat = file.stat()
        except OSError:
            continue
        found.append((str(file), stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return tuple(found)


def _read(folder: Path, scenarios_file: Path, against: Any) -> Shelf:
    trouble = ""
    scenarios: dict[str, Scenario] = {}
    try:
        scenarios = loader.load_scenarios(scenarios_file)
    except ConfigurationError as error:
        trouble = str(error)
    entries: dict[str, Entry] = {}
    files: dict[Any, Loaded] = {}

    def read(path: Path, known: Mapping[str, Scenario] | None) -> Loaded:
        """The file as it was read before, if neither it nor the scenarios changed."""
        key = (current(), against, _signature([path]))
        files[key] = _files.get(key) or loader.read_launcher(path, known)
        return files[key]

    loaded = loader.load_directory(folder, None if trouble else scenarios, read)
    with _lock:
        for old in [key for key in _files if key[0] == current()]:
            del _files[old]
        _files.update(files)
    for one in sorted(loaded, key=lambda one: (one.path.stem != one.id, one.path.name)):
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", one.id)[:200] if one.launcher is None else one.id
        if name in entries:
            name = re.sub(r"[^A-Za-z0-9_.-]", "_", one.path.stem)[:200]
        while name in entries:
            name += "__duplicate"
        entries[name] = Entry(name, one)
    return Shelf(folder, entries, scenarios, trouble)
