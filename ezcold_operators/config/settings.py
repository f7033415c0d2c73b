"""Where things are on this machine: the environment of the contract, read once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

Lookup = Callable[[], str | None]
_fernet_lookup: Lookup | None = None


def set_fernet_fallback(lookup: Lookup | None) -> None:
    """Where to ask for Airflow's own Fernet key (its airflow.cfg), after the environment was silent."""
    global _fernet_lookup
    _fernet_lookup = lookup


@dataclass(frozen=True, slots=True)
class Settings:
    """Environment of one process (`EZCOLD_*`; Airflow's where ours is silent). The key and the URL are secrets."""

    home: Path
    """Ledger (SQLite) and stage."""
    launchers_dir: Path
    """EZCOLD_LAUNCHERS_DIR; else `launchers` in Airflow's DAGs folder; else dags/launchers of the working directory."""
    scenarios: Path | None = None
    """EZCOLD_SCENARIOS; None: beside the launchers, then one folder up (`loader.find_scenarios`)."""
    ledger_url: str | None = field(default=None, repr=False)
    """EZCOLD_LEDGER_URL; None: the Connection `ezcold_ledger`, else SQLite in `home`."""
    fernet_key: str | None = field(default=None, repr=False)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """The settings of an environment, of this process by default. An empty variable is an absent one."""
        env = {k: v for k, v in (os.environ if environ is None else environ).items() if v}
        airflow_home = Path(env.get("AIRFLOW_HOME", "~/airflow")).expanduser()
        scenarios = env.get("EZCOLD_SCENARIOS")
        key = env.get("EZCOLD_FERNET_KEY") or env.get("AIRFLOW__CORE__FERNET_KEY")
        return cls(
            home=Path(env["EZCOLD_HOME"]).expanduser() if "EZCOLD_HOME" in env else airflow_home / "ezcold",
            launchers_dir=_launchers_dir(env, airflow_home),
            scenarios=Path(scenarios).expanduser() if scenarios else None,
            ledger_url=env.get("EZCOLD_LEDGER_URL"),
            fernet_key=key or (_fernet_lookup() if _fernet_lookup else None) or None,
        )


def _launchers_dir(env: Mapping[str, str], airflow_home: Path) -> Path:
    if "EZCOLD_LAUNCHERS_DIR" in env:
        return Path(env["EZCOLD_LAUNCHERS_DIR"]).expanduser()
    dags = Path(env.get("AIRFLOW__CORE__DAGS_FOLDER", airflow_home / "dags")).expanduser()
    usual, here = dags / "launchers", Path("dags", "launchers")
    return here.absolute() if here.is_dir() and not usual.is_dir() else usual
