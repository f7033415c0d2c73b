"""A COLD scenario as a person writes it: one entry of scenarios.yaml, one frozen model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ezcold_operators.config.launcher import Model


class Scenario(Model):
    """One COLD destination, defined once, affiliated to many launchers."""

    number: int | None = None
    description: str = ""
    driver: Literal["folder", "ezged"]
    path: str | None = None
    parts: str | None = None
    connection: str | None = None
    waitdir: str | None = None
    on_ambiguous: Literal["retry", "hold"] = "retry"
    name: str = "{name}"
    index: str = "none"
    """none, json, csv, xml, or the path of a Jinja template file."""
    index_encoding: str = "utf-8"
    index_separator: str = Field(default=";", min_length=1, max_length=1)
    group: bool = False
    id: str = ""
    """Filled by the loader with the key it stands under."""
