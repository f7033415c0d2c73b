"""`ezcold`: the launchers without a scheduler. Each command is one small module of this package."""

from __future__ import annotations

import gc
import os


def main() -> None:
    """The console script: runs a command; an expected trouble is one sentence on stderr and an exit code."""
    gc.set_threshold(10_000)  # modules and rows are many objects and few cycles
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # which it seeks in every installed package
    from ezcold_operators.cli.interrupt import told

    with told():
        from ezcold_operators.cli.app import run

        try:
            run()
        finally:
            gc.freeze()  # what is left ends with the process: no last look through all of it
