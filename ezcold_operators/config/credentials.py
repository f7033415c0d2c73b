"""What a Connection holds, apart from where it came from. Secrets never show in `repr`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Credentials:
    """One resolved Connection (launcher.md: extras `ca_file`, `security`, `timeout`, and those of each protocol)."""

    conn_id: str = ""
    host: str = ""
    port: int | None = None
    login: str = ""
    password: str = field(default="", repr=False)
    schema: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def security(self) -> str:
        """`tls` (default), `starttls` or `none`."""
        return str(self.extra.get("security", "tls"))

    @property
    def timeout(self) -> float:
        """Seconds that one command may take."""
        return float(self.extra.get("timeout", 30))

    @property
    def ca_file(self) -> str | None:
        """PEM file of the authorities to trust beside the system's, or None."""
        value = self.extra.get("ca_file")
        return str(value) if value else None
