"""What Airflow learns of the package: the provider's entry point and its Connection forms, without a warning."""

from __future__ import annotations

import json
import logging
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def info() -> dict[str, Any]:
    points = entry_points(group="apache_airflow_provider")
    (found,) = [point for point in points if point.value.startswith("ezcold_operators.")]
    result: dict[str, Any] = found.load()()
    return result


def test_it_is_what_airflows_schema_asks_for(info: dict[str, Any]) -> None:
    import jsonschema

    spec = find_spec("airflow")
    assert spec is not None
    assert spec.submodule_search_locations
    schema = json.loads((Path(spec.submodule_search_locations[0]) / "provider_info.schema.json").read_text())
    jsonschema.validate(info, schema)


def test_airflow_knows_the_forms_and_says_nothing_against_them(
    info: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    from airflow.providers_manager import ProvidersManager

    with caplog.at_level(logging.WARNING):
        manager = ProvidersManager()
        hooks = {name: manager.hooks[name] for name in ("o365", "pop", "ezged")}
        manager.initialize_providers_hooks()
    assert not [record for record in caplog.records if "ezcold" in record.getMessage()]
    assert {hook.package_name for hook in hooks.values() if hook is not None} == {"ezcold"}
    fields = {name.removeprefix("extra__o365__") for name in manager.connection_form_widgets if "extra__o365__" in name}
    assert {"tenant", "client_id", "client_secret", "certificate", "authority", "graph_host"} <= fields


def test_secrets_are_not_shown_in_a_form(info: dict[str, Any]) -> None:
    forms = {form["connection-type"]: form["conn-fields"] for form in info["connection-types"]}
    assert forms["o365"]["client_secret"]["schema"]["format"] == "password"
    assert forms["ezged"]["token"]["schema"]["format"] == "password"
