"""Registers ezcold's pages from this folder. Registration only: Airflow loads every .py below plugins/ flat.

The `ezcold_ui` beside this file is meant, also where an installed ezcold has one; without one beside it, that is.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = str(Path(__file__).parent)
sys.path.insert(0, HERE)
try:
    from ezcold_ui.plugin import EzcoldPlugin
finally:
    sys.path.remove(HERE)

__all__ = ["EzcoldPlugin"]
