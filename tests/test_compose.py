"""docker-compose.yaml as far as it can be checked without an engine: its form, and everything that it names."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docker-compose.yaml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
AIRFLOW = [name for name, service in SERVICES.items() if service["image"] == "ezcold-airflow"]
# Of the Compose Specification's service, healthcheck, depends_on: what we may use.
SERVICE_KEYS = {
    "image", "build", "entrypoint", "command", "user", "environment", "secrets", "configs", "volumes", "depends_on",
    "restart", "stop_grace_period", "healthcheck", "ports", "profiles",
}  # fmt: skip
HEALTH_KEYS = {"test", "interval", "timeout", "retries", "start_period"}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}


def test_its_form_is_the_specifications() -> None:
    assert set(COMPOSE) == {"x-airflow", "services", "secrets", "configs", "volumes"}
    for name, service in SERVICES.items():
        assert set(service) <= SERVICE_KEYS, name
        assert service.get("restart", "no") in {"no", "always", "on-failure", "unless-stopped"}
        health = service.get("healthcheck", {})
        assert set(health) <= HEALTH_KEYS, name
        if health:
            assert health["test"][0] in {"CMD", "CMD-SHELL"}
            assert len(health["test"]) == 2 or health["test"][0] == "CMD"
        for key in ("interval", "timeout", "start_period"):
            assert re.fullmatch(r"\d+s", health.get(key, "1s"))
        for port in service.get("ports", ()):
            assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port), "nothing is open to the network"


def test_every_service_that_is_waited_for_is_there_and_can_be_healthy() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] in CONDITIONS
            assert other in SERVICES, f"{name} waits for {other}"
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other]
    assert {"api-server", "scheduler", "dag-processor", "triggerer", "worker", "migrate"} == set(AIRFLOW)
    assert all("healthcheck" in SERVICES[name] for name in AIRFLOW if name != "migrate")


def test_every_variable_is_in_the_example() -> None:
    wanted = set(re.findall(r"\$\{([A-Z_]+)", TEXT.replace("$${", "")))
    example = (ROOT / ".env.example").read_text("utf-8")
    given = dict(line.split("=", 1) for line in example.splitlines() if line and not line.startswith("#"))
    assert wanted == set(given)
    assert all(given.values())


def test_every_path_secret_and_volume_is_there() -> None:
    secrets = set()
    for service in SERVICES.values():
        secrets |= set(service.get("secrets", ()))
        for volume in service.get("volumes", ()):
            place = re.sub(r"\$\{[^}]*\}", "", volume).split(":")[0]
            assert not place or place in COMPOSE["volumes"] or (ROOT / place).exists(), volume
        for config in service.get("configs", ()):
            assert config["source"] in COMPOSE["configs"]
    assert secrets == set(COMPOSE["secrets"])
    recipe = COMPOSE["x-airflow"]["build"]["dockerfile_inline"]
    for words in re.findall(r"^COPY --chown=\S+ (.+) \S+$", recipe, re.MULTILINE):
        assert all((ROOT / word).exists() for word in words.split()), words
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    assert sent == {"pyproject.toml", "README.md", "LICENSE", "ezcold_operators", "plugins/ezcold_ui"}
    copied = {
        word for words in re.findall(r"^COPY --chown=\S+ (.+) \S+$", recipe, re.MULTILINE) for word in words.split()
    }
    assert copied == sent
    extras = re.search(r"\[([a-z,]+)\]", recipe)
    assert extras
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    assert all(re.search(rf"^{extra} = \[", project, re.MULTILINE) for extra in extras.group(1).split(","))


def test_all_tasks_share_one_home_and_one_environment() -> None:
    common = COMPOSE["x-airflow"]["environment"]
    for name in AIRFLOW:
        environment = SERVICES[name]["environment"]
        same = {key: value for key, value in environment.items() if key != "DUMB_INIT_SETSID"}
        assert same.items() <= common.items(), name
        assert {key: value for key, value in common.items() if "HEALTH" not in key}.items() <= environment.items(), name
        assert "home:/opt/ezcold/home" in SERVICES[name]["volumes"]
    for key in common:
        if key.startswith("EZCOLD_"):
            sources = ("config/settings.py", "i18n.py")
            texts = [(ROOT / "ezcold_operators" / source).read_text("utf-8") for source in sources]
            assert any(f'"{key}"' in text for text in texts), key


@pytest.mark.airflow
@pytest.mark.filterwarnings("ignore")
def test_every_option_and_command_is_one_that_airflow_knows() -> None:
    from airflow.cli.cli_parser import get_parser
    from airflow.configuration import conf

    script = (ROOT / "scripts/in-compose").read_text("utf-8")
    for name in {*COMPOSE["x-airflow"]["environment"], *re.findall(r"\bAIRFLOW__[A-Z_]+(?==)", script)}:
        if name.startswith("AIRFLOW__"):
            section, option = name.removeprefix("AIRFLOW__").lower().split("__")
            assert option in conf.configuration_description[section]["options"], name
    parser = get_parser()
    for name in AIRFLOW:
        words = SERVICES[name]["command"]
        if words != ["celery", "worker"]:  # its parser comes with the provider, present in the image
            parser.parse_args(words)
        test = SERVICES[name].get("healthcheck", {}).get("test", [])
        if "jobs" in test:
            parser.parse_args(test[test.index("jobs") :])


def test_the_secrets_reach_the_command_and_stay_out_of_its_arguments(tmp_path: Path) -> None:
    values = {"postgres_password": "abc123", "fernet_key": "f=", "jwt_secret": "j"}
    for name, value in values.items():
        (tmp_path / name).write_text(value + "\n")
    command = ["bash", str(ROOT / "scripts/in-compose"), "env"]
    done = subprocess.run(command, env={"SECRETS_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"}, capture_output=True,
                          text=True, check=True)  # fmt: skip
    given = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert given["AIRFLOW__CORE__FERNET_KEY"] == "f="
    assert given["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == "postgresql+psycopg2://airflow:abc123@postgres/airflow"
    assert given["EZCOLD_LEDGER_URL"] == "postgresql+psycopg://airflow:abc123@postgres/ezcold"
    (tmp_path / "postgres_password").write_text("p@ss/word")
    bad = subprocess.run(command, env={"SECRETS_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"}, capture_output=True,
                         text=True, check=False)  # fmt: skip
    assert (bad.returncode, "p@ss/word" in bad.stderr) == (2, False)
