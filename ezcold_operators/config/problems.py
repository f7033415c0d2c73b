"""What is wrong in a file that a person wrote, with the line to look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ezcold_operators.i18n import _


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong; `str()` is `file.yaml:LINE: what is wrong` (a warning says that it is one)."""

    file: Path
    line: int
    text: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        warning = _("warning: ") if self.severity == "warning" else ""
        return f"{self.file}:{self.line}: {warning}{self.text}"
