"""The package's entry point `airflow.plugins`: the pages come with `pip install ezcold`, without a plugins folder.

Airflow loads its plugins folder first. Where that has ezcold_plugin.py, the folder's pages are meant, and nothing is
registered here: Airflow calls the second plugin of a name an error. What is no class it passes over.
"""

from __future__ import annotations

import sys

from ezcold_ui.plugin import EzcoldPlugin

plugin: type[EzcoldPlugin] | None = None if "ezcold_plugin" in sys.modules else EzcoldPlugin
