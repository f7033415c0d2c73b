"""The pages come with the package; a plugins folder that has them goes before, and nothing is registered twice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.plugins.conftest import PLUGINS

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(120)]
ASK = """
import json, sys
from {manager} import _get_plugins
plugins, errors = _get_plugins()
mine = [str(one.source) for one in plugins if one.name == "ezcold"]
import ezcold_ui
pages = "ezcold_ui.app" in sys.modules
print(json.dumps({{"mine": mine, "errors": errors, "from": ezcold_ui.__file__, "pages": pages}}))
"""


def asked(folder: Path, home: Path, manager: str) -> Any:
    """What a plugin manager of Airflow loads with this plugins folder."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHONPATH"))}
    env |= {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__PLUGINS_FOLDER": str(folder),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}  # fmt: skip
    command = [sys.executable, "-c", ASK.format(manager=manager)]
    done = subprocess.run(command, env=env, cwd=home, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("manager", ["airflow.plugins_manager", "airflow.sdk.plugins_manager"])
@pytest.mark.parametrize("place", ["checkout", "copy", "empty"])
def test_the_pages_are_registered_once(tmp_path: Path, place: str, manager: str) -> None:
    folder = {"checkout": PLUGINS, "copy": tmp_path / "copy", "empty": tmp_path / "empty"}[place]
    if place == "copy":
        shutil.copytree(PLUGINS, folder)
    folder.mkdir(exist_ok=True)
    found = asked(folder, tmp_path, manager)
    assert found["errors"] == {}
    (source,) = found["mine"]
    assert ("ezcold_plugin.py" in source) is (place != "empty")
    # The folder's own pages are used, not those of the package.
    assert Path(found["from"]).is_relative_to(folder if place == "copy" else PLUGINS)
    assert not found["pages"], "no process but an API server loads the pages"
