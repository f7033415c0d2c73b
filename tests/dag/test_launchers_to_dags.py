"""Launcher files to DAGs: shape, schedule, and what a wrong file becomes. Nothing here runs a task."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.airflow_runs import write

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("ignore")]

ROOMS_AFTER_FETCH = ("decode", "filter", "dispatch__factures", "dispatch__clients", "settle")


def launcher(name: str = "courrier", **over: Any) -> dict[str, Any]:
    return {
        "launcher": name,
        "source": {"protocol": "folder", "path": "/data/in/*.*"},
        "routes": [{"extensions": ["pdf"], "send_to": ["factures"]}, {"extensions": ["*"], "send_to": ["clients"]}],
        **over,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    scenario = {"driver": "folder", "path": "/ged/ocr/wait/x"}
    write(tmp_path / "scenarios.yaml", {"scenarios": {"factures": scenario, "clients": scenario}})
    (tmp_path / "launchers").mkdir()
    return tmp_path / "launchers"


def build(folder: Path, **options: Any) -> dict[str, Any]:
    from ezcold_operators.dag import build_dags

    return build_dags(folder, **options)


def fingerprint(dag: Any) -> str:
    """What Airflow compares to decide on a new version of a DAG."""
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.serialization.serialized_objects import DagSerialization

    return SerializedDagModel.hash(DagSerialization.to_dict(dag))


def test_the_rooms_stand_in_a_row_and_the_scenarios_side_by_side(folder: Path) -> None:
    write(folder / "courrier.yaml", launcher())
    dag = build(folder)["courrier"]
    edges = {task.task_id: set(task.downstream_task_ids) for task in dag.tasks}
    dispatches = {"dispatch__factures", "dispatch__clients"}
    assert edges == {"fetch": {"decode"}, "decode": {"filter"}, "filter": dispatches, "settle": set()} | {
        name: {"settle"} for name in dispatches
    }
    assert {name: dag.get_task(name).trigger_rule.value for name in ROOMS_AFTER_FETCH} == dict.fromkeys(
        ROOMS_AFTER_FETCH, "all_done"
    )
    assert (dag.max_active_runs, dag.catchup) == (1, False)


def test_what_the_launcher_says_is_what_airflow_shows(folder: Path) -> None:
    write(folder / "courrier.yaml", launcher(title="10 - Courrier", description="Le courrier", owner="accueil"))
    dag = build(folder)["courrier"]
    assert (dag.dag_display_name, dag.description, dag.tags) == ("10 - Courrier", "Le courrier", {"ezcold", "folder"})
    assert {task.owner for task in dag.tasks} == {"accueil"}
    assert "/data/in/*.*" in dag.doc_md


@pytest.mark.parametrize(
    ("protocol", "operator"),
    [
        ("imap", "ImapFetchOperator"),
        ("o365", "O365FetchOperator"),
        ("pop", "PopFetchOperator"),
        ("folder", "FolderFetchOperator"),
        ("adullact", "AdullactFetchOperator"),
    ],
)
def test_each_protocol_has_its_operator(folder: Path, protocol: str, operator: str) -> None:
    sources = {
        "imap": {"connection": "boite", "path": "INBOX"},
        "o365": {"connection": "boite", "path": "INBOX"},
        "pop": {"connection": "boite"},
        "folder": {"path": "/data/in/*.*"},
        "adullact": {"path": "/data/in/*.*"},
    }
    routes = [{"extensions": ["acte" if protocol == "adullact" else "pdf"], "send_to": ["factures"]}]
    write(folder / "courrier.yaml", launcher(source={"protocol": protocol, **sources[protocol]}, routes=routes))
    assert type(build(folder)["courrier"].get_task("fetch")).__name__ == operator


def test_the_schedule_is_read_in_the_launchers_timezone(folder: Path) -> None:
    write(folder / "courrier.yaml", launcher(schedule="0 6 * * *", timezone="America/Guadeloupe"))
    timetable = build(folder)["courrier"].timetable
    assert (timetable.expression, str(timetable.timezone)) == ("0 6 * * *", str(timetable.timezone))
    assert "America/Guadeloupe" in str(timetable.timezone)


@pytest.mark.parametrize(("every", "cron"), [("day", "0 0 * * *"), ("week", "0 0 * * 1"), ("month", "0 0 1 * *")])
def test_a_reprise_has_data_intervals(folder: Path, every: str, cron: str) -> None:
    from airflow.sdk import CronDataIntervalTimetable

    write(folder / "courrier.yaml", launcher(reprise={"by": "modified", "every": every}))
    timetable = build(folder)["courrier"].timetable
    assert isinstance(timetable, CronDataIntervalTimetable)
    assert timetable.expression == cron


@pytest.mark.parametrize(
    "text",
    [
        "launcher: casse\nsource: {protocol: folder, path: /data/in/*.*}\nroutess: []\n",
        "launcher: casse\nsource: [unclosed\n",
        "launcher: casse\n",
        "launcher: casse\nsource: {protocol: folder, path: /d/*.*}\n"
        "routes:\n  - extensions: [pdf]\n    send_to: [inconnu]\n",
        "launcher: casse\nschedule: 'every now and then'\nsource: {protocol: folder, path: /d/*.*}\n"
        "routes: [{extensions: [pdf], send_to: [factures]}]\n",
        "launcher: casse\nfilters: ['/(/']\nsource: {protocol: folder, path: /d/*.*}\n"
        "routes: [{extensions: [pdf], send_to: [factures]}]\n",
    ],
    ids=["unknown field", "not YAML", "half a launcher", "unknown scenario", "no such cron", "no such regex"],
)
def test_a_wrong_file_is_a_visible_dag_of_its_id_and_takes_no_other_along(folder: Path, text: str) -> None:
    write(folder / "bon.yaml", launcher("bon"))
    (folder / "casse.yaml").write_text(text)
    dags = build(folder)
    assert set(dags) == {"bon", "casse"}
    assert dags["casse"].tags == {"ezcold", "ezcold:invalid"}
    (task,) = dags["casse"].tasks
    assert "casse.yaml" in task.text
    assert all(line in dags["casse"].doc_md for line in task.text.splitlines())
    assert "ezcold:invalid" not in dags["bon"].tags


def test_a_file_without_a_readable_id_is_shown_under_its_name_made_safe(folder: Path) -> None:
    (folder / "Courrier arrivé (2).yaml").write_bytes(b"\xff\xfe\x00launcher")
    (dag,) = build(folder).values()
    assert dag.dag_id == "Courrier_arriv___2_"
    assert "ezcold:invalid" in dag.tags


def test_of_two_files_with_one_id_the_one_named_like_it_wins_and_the_other_is_shown(folder: Path) -> None:
    write(folder / "a_copie.yaml", launcher("courrier", title="copie"))
    write(folder / "courrier.yaml", launcher("courrier", title="original"))
    dags = build(folder)
    assert set(dags) == {"courrier", "a_copie"}
    assert dags["courrier"].dag_display_name == "original"
    assert "ezcold:invalid" in dags["a_copie"].tags
    assert build(folder, only="courrier")["courrier"].dag_display_name == "original"


def test_a_duplicate_never_takes_another_launchers_place(folder: Path) -> None:
    write(folder / "a.yaml", launcher("x"))
    write(folder / "b.yaml", launcher("x"))
    write(folder / "c.yaml", launcher("b"))
    dags = build(folder)
    assert set(dags) == {"x", "b", "b__duplicate"}
    assert "ezcold:invalid" not in dags["b"].tags


@pytest.mark.parametrize("content", ["scenarios: [", "scenarios: {factures: {driver: pigeon}}", None])
def test_a_wrong_scenarios_file_is_said_on_every_launcher(folder: Path, content: str | None) -> None:
    write(folder / "un.yaml", launcher("un"))
    write(folder / "deux.yaml", launcher("deux"))
    scenarios = folder.parent / "scenarios.yaml"
    scenarios.unlink() if content is None else scenarios.write_text(content)
    dags = build(folder)
    assert set(dags) == {"un", "deux"}
    assert all("ezcold:invalid" in dag.tags and "scenarios.yaml" in dag.doc_md for dag in dags.values())


def test_a_missing_directory_is_one_visible_dag(tmp_path: Path) -> None:
    (dag,) = build(tmp_path / "nowhere").values()
    assert "ezcold:invalid" in dag.tags
    assert str(tmp_path / "nowhere") in dag.doc_md


def test_what_a_wrong_file_quotes_is_shown_as_text_and_nothing_else(folder: Path) -> None:
    (folder / "x.yaml").write_text('launcher: x\n"```\\n<script>": 1\n')
    (dag,) = build(folder).values()
    body = dag.doc_md.splitlines()[2:]
    assert any("<script>" in line for line in body)
    assert all(line.startswith("    ") for line in body)


def test_one_dag_alone_is_built_from_its_own_file(folder: Path) -> None:
    write(folder / "courrier.yaml", launcher("courrier"))
    write(folder / "other_name.yaml", launcher("autre"))
    os.mkfifo(folder / "would_block.yaml") if hasattr(os, "mkfifo") else None
    assert set(build(folder, only="courrier")) == {"courrier"}
    (folder / "would_block.yaml").unlink(missing_ok=True)
    assert set(build(folder, only="autre")) == {"autre"}
    assert "courrier" in build(folder, only="gone")


@pytest.mark.parametrize(
    "over",
    [
        {"filters": [r"/.*\.(?!db).*/"]},
        {"routes": [{"extensions": ["*"], "send_to": ["clients"]}]},
        {"inline": "all"},
        {"limits": {"max_item_mb": 3}},
        {"source": {"protocol": "folder", "path": "/data/in/*.*", "after": {"action": "delete"}}},
        {"backup": {"keep_days": 9}},
    ],
    ids=str,
)
def test_a_changed_launcher_is_a_new_version(folder: Path, over: dict[str, Any]) -> None:
    write(folder / "courrier.yaml", launcher())
    before, again = fingerprint(build(folder)["courrier"]), fingerprint(build(folder)["courrier"])
    assert before == again
    write(folder / "courrier.yaml", launcher(**over))
    assert fingerprint(build(folder)["courrier"]) != before


def test_a_changed_scenario_is_a_new_version(folder: Path) -> None:
    write(folder / "courrier.yaml", launcher())
    before = fingerprint(build(folder)["courrier"])
    scenario = {"driver": "folder", "path": "/ged/ocr/wait/elsewhere"}
    write(folder.parent / "scenarios.yaml", {"scenarios": {"factures": scenario, "clients": scenario}})
    assert fingerprint(build(folder)["courrier"]) != before


def test_a_filter_is_never_taken_for_a_template(folder: Path) -> None:
    pattern = r"/{{ params }}|{% raise %}.*/"
    write(folder / "courrier.yaml", launcher(filters=[pattern]))
    task = build(folder)["courrier"].get_task("filter")
    task.render_template_fields({})
    assert task.configuration["filters"] == [pattern]


PARSE = """
import sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(collect_dags=False)
bag.process_file(sys.argv[1], only_if_updated=False)
assert not bag.import_errors, bag.import_errors
print(*sorted(bag.dags))
"""


@pytest.mark.parametrize(("only", "found"), [("", "autre courrier ezcold_maintenance"), ("courrier", "courrier")])
def test_airflow_reads_them_from_the_one_dag_file(folder: Path, only: str, found: str) -> None:
    write(folder / "courrier.yaml", launcher("courrier"))
    (folder / "autre.yaml").write_text("launcher: autre\n")
    file = Path(__file__).parents[2] / "dags" / "ezcold.py"
    env = os.environ | {"EZCOLD_LAUNCHERS_DIR": str(folder)}
    if only:
        env["_AIRFLOW_PARSING_CONTEXT_DAG_ID"] = only
    done = subprocess.run([sys.executable, "-c", PARSE, file], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == found


def test_the_examples_that_come_with_the_project_are_right() -> None:
    dags = build(Path(__file__).parents[2] / "dags" / "launchers")
    assert set(dags) == {"documentsclients_reprise", "documentsclients_scan", "facturesfournisseurs_mail"}
    assert not [dag_id for dag_id, dag in dags.items() if "ezcold:invalid" in dag.tags]
