"""What is wrong in a file that a person wrote, with the line to look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong; `str()` is `file.yaml:LINE: what is wrong`."""

    file: Path
    line: int
    text: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"
