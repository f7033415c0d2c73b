"""`python -m ezcold_operators.cli`: the same as `ezcold`."""

from ezcold_operators.cli import main

main()
