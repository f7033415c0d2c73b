"""The guide's site: French first, English beside it. `make docs` builds it and takes no warning."""

from __future__ import annotations

project = "ezcold"
author = "ezcold contributors"
copyright = "ezcold contributors, Apache-2.0"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
language = "fr"
html_theme = "furo"
html_title = "ezcold"
html_show_sourcelink = False
html_theme_options = {"top_of_page_buttons": []}
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nitpicky = True
