"""`ezcold`: the launchers without a scheduler. Each command is one small module of this package."""

from __future__ import annotations


def main() -> None:
    """The console script: runs a command; an expected trouble is one sentence on stderr and an exit code."""
    from ezcold_operators.cli.interrupt import told

    with told():
        from ezcold_operators.cli.app import run

        run()
