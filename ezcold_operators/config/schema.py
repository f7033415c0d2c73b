"""JSON Schema (draft 2020-12) of a launcher, for editors: `# yaml-language-server: $schema=launcher.schema.json`."""

from __future__ import annotations

from typing import Any

from ezcold_operators.config.launcher import Launcher
from ezcold_operators.config.rules import ACTIONS, MAIL

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def launcher_schema() -> dict[str, Any]:
    """The schema of one launcher file; what depends on the protocol is in `allOf`."""
    schema = Launcher.model_json_schema()
    schema["$defs"]["SourceConfig"]["allOf"] = [_protocol(name) for name in ACTIONS]
    title = {"title": "Lanceur COLD / COLD launcher", "description": "EzGED COLD launcher.\n\nLanceur COLD d'EzGED."}
    return {"$schema": DIALECT, **schema, **title}


def _protocol(name: str) -> dict[str, Any]:
    actions = {"properties": {"action": {"enum": list(ACTIONS[name])}}}
    then: dict[str, Any] = {"properties": {"after": actions, "rejected": actions}}
    if name in MAIL:
        then["required"] = ["connection"]
    else:
        then["required"] = ["path"]
    if name == "pop":
        then["properties"]["path"] = False
    condition = {"properties": {"protocol": {"const": name}}, "required": ["protocol"]}
    return {"if": condition, "then": then}
