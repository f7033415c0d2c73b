"""Whole runs in a real Airflow, from a folder: what breaks, what arrives all the same, the colour of the run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.airflow_runs import AT_ONCE, Ran, run, write

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("ignore")]

PDF = b"%PDF-1.4\n%%EOF\n"


class Place:
    """A folder of incoming files, two waiting directories, one launcher, and the runs of its DAG."""

    def __init__(self, root: Path, dag_id: str) -> None:
        self.root, self.dag_id = root, dag_id
        self.incoming = root / "incoming"
        self.incoming.mkdir()
        self.waiting = {name: root / "wait" / name for name in ("factures", "clients")}
        for path in self.waiting.values():
            path.mkdir(parents=True)
        self.write_scenarios("factures", "clients")
        self.write()

    def write_scenarios(self, *names: str) -> None:
        parts = str(self.root / "parts")
        content = {n: {"driver": "folder", "path": str(self.waiting[n]), "parts": parts} for n in names}
        write(self.root / "scenarios.yaml", {"scenarios": content})

    def write(self, **over: Any) -> None:
        content = {
            "launcher": self.dag_id,
            "source": {"protocol": "folder", "path": f"{self.incoming}/*.*", "settle_seconds": 0},
            "routes": [
                {"extensions": ["pdf"], "send_to": ["factures"]},
                {"extensions": ["xml"], "send_to": ["factures", "clients"]},
                {"extensions": ["txt"], "send_to": ["clients"]},
            ],
            **over,
        }
        for old in (self.root / "launchers").glob("*.yaml"):
            old.unlink()
        write(self.root / "launchers" / f"{content['launcher']}.yaml", content)

    def put(self, name: str, content: bytes = PDF) -> None:
        file = self.incoming / name
        file.write_bytes(content)
        os.utime(file, (1_700_000_000, 1_700_000_000))

    def run(self, **default_args: Any) -> Ran:
        from ezcold_operators.dag import build_dags

        (dag,) = build_dags(self.root / "launchers", default_args={**AT_ONCE, **default_args}).values()
        return run(dag)

    def arrived(self, scenario: str) -> list[str]:
        """What lies in a waiting directory, without the tokens."""
        return sorted(f"{p.stem.rsplit('__', 1)[0]}{p.suffix}" for p in self.waiting[scenario].iterdir())


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Place:
    monkeypatch.setenv("EZCOLD_HOME", str(tmp_path / "home"))
    return Place(tmp_path, "lanceur_" + "".join(c if c.isalnum() else "_" for c in request.node.name.lower()))


def test_documents_arrive_once_and_the_next_run_is_one_task(place: Place) -> None:
    for name in ("a.pdf", "b.xml", "c.doc"):
        place.put(name, PDF + name.encode())
    first = place.run()
    assert first.state == "success"
    assert set(first.tasks.values()) == {"success"}
    assert (place.arrived("factures"), place.arrived("clients")) == (["a.pdf", "b.xml"], ["b.xml"])
    assert (first.summaries["settle"]["sent"], first.summaries["settle"]["rejected"]) == (
        {"factures": 2, "clients": 1},
        1,
    )
    second = place.run()
    assert second.state == "success"
    assert second.tasks == {name: "skipped" for name in second.tasks} | {"fetch": "success"}
    assert second.summaries["fetch"]["idle"] is True
    assert (place.arrived("factures"), place.arrived("clients")) == (["a.pdf", "b.xml"], ["b.xml"])


def test_only_the_scenarios_that_owe_have_a_task_that_runs(place: Place) -> None:
    place.put("a.pdf")
    ran = place.run()
    assert ran.tasks["dispatch__factures"] == "success"
    assert ran.tasks["dispatch__clients"] == "skipped"
    assert (ran.tasks["settle"], ran.state) == ("success", "success")


def test_a_source_that_is_down_stops_no_debt_from_being_paid(place: Place) -> None:
    place.put("a.pdf")
    place.waiting["factures"].rename(place.root / "away")
    assert place.run().state == "failed"
    (place.root / "away").rename(place.waiting["factures"])
    place.incoming.rename(place.root / "unplugged")
    down = place.run()
    assert (down.tasks["fetch"], down.tasks["dispatch__factures"], down.tasks["settle"]) == (
        "failed",
        "success",
        "failed",
    )
    assert down.state == "failed"
    assert place.arrived("factures") == ["a.pdf"]
    (place.root / "unplugged").rename(place.incoming)
    place.put("b.pdf", PDF + b"b")
    assert place.run().state == "success"
    assert place.arrived("factures") == ["a.pdf", "b.pdf"]


def test_a_scenario_that_is_down_reddens_the_run_and_is_paid_in_the_next(place: Place) -> None:
    place.put("a.pdf")
    place.put("b.xml")
    place.put("c.txt", b"text")
    place.waiting["factures"].rename(place.root / "away")
    down = place.run()
    assert down.state == "failed"
    assert (down.tasks["dispatch__factures"], down.tasks["dispatch__clients"]) == ("failed", "success")
    assert place.arrived("clients") == ["b.xml", "c.txt"]
    (place.root / "away").rename(place.waiting["factures"])
    up = place.run()
    assert up.state == "success"
    assert (up.tasks["dispatch__factures"], up.tasks["dispatch__clients"]) == ("success", "skipped")
    assert (place.arrived("factures"), place.arrived("clients")) == (["a.pdf", "b.xml"], ["b.xml", "c.txt"])


def test_one_item_that_cannot_be_read_is_quarantined_and_its_neighbours_arrive(place: Place) -> None:
    target = str(place.root / "done")
    place.write(
        unpack=["archive"],
        source={
            "protocol": "folder",
            "path": f"{place.incoming}/*.*",
            "settle_seconds": 0,
            "after": {"action": "move", "to": target},
        },
    )
    place.put("a.pdf")
    place.put("broken.zip", b"PK\x03\x04" + b"\xff" * 200)
    place.put("z.pdf", PDF + b"z")
    ran = place.run()
    for _more in range(5):
        if ran.summaries["settle"]["quarantined"]:
            break
        assert ran.state == "failed"
        ran = place.run()
    assert ran.summaries["settle"]["quarantined"] == 1
    assert ran.state == "failed"
    assert place.arrived("factures") == ["a.pdf", "z.pdf"]
    assert [path.name for path in place.incoming.iterdir()] == ["broken.zip"]
    after = place.run()
    assert after.state == "success"
    assert place.arrived("factures") == ["a.pdf", "z.pdf"]


def test_what_is_owed_to_a_scenario_that_was_removed_is_quarantined_with_the_reason(place: Place) -> None:
    from sqlalchemy import select

    from ezcold_operators.ledger.ledger import Ledger
    from ezcold_operators.ledger.tables import delivery

    place.put("a.pdf")
    place.put("c.txt", b"text")
    place.waiting["factures"].rename(place.root / "away")
    assert place.run().state == "failed"
    place.write_scenarios("clients")
    place.write(routes=[{"extensions": ["txt"], "send_to": ["clients"]}])
    removed = place.run()
    assert "dispatch__factures" not in removed.tasks
    assert removed.tasks["settle"] in {"success", "failed"}
    with Ledger.open(f"sqlite:///{place.root / 'home' / 'ledger.db'}") as ledger, ledger.read() as conn:
        rows = {row.scenario: row for row in conn.execute(select(delivery))}
    assert (rows["factures"].state, rows["clients"].state) == ("quarantined", "sent")
    assert "factures" in rows["factures"].last_error
    (place.root / "away").rename(place.waiting["factures"])
    assert place.run().state == "success"
    assert (place.arrived("factures"), place.arrived("clients")) == ([], ["c.txt"])


def test_a_renamed_launcher_imports_nothing_again_and_pays_what_its_old_name_owed(place: Place) -> None:
    place.put("a.pdf")
    place.put("c.txt", b"text")
    place.waiting["factures"].rename(place.root / "away")
    assert place.run().state == "failed"
    assert place.arrived("clients") == ["c.txt"]
    (place.root / "away").rename(place.waiting["factures"])
    place.write(launcher=f"{place.dag_id}_2", formerly=[place.dag_id])
    ran = place.run()
    assert ran.state == "success"
    assert ran.summaries["fetch"]["fetched"] == 0
    assert (place.arrived("factures"), place.arrived("clients")) == (["a.pdf"], ["c.txt"])
    again = place.run()
    assert again.tasks["settle"] == "skipped"


def test_a_wrong_file_fails_its_run_with_what_is_wrong(place: Place) -> None:
    place.write(routes=[{"extensions": ["pdf"], "send_to": ["nowhere"]}])
    ran = place.run()
    assert (ran.state, ran.tasks) == ("failed", {"invalid": "failed"})


def test_a_scenario_added_since_the_dag_was_read_does_not_wait_for_the_next_run(place: Place) -> None:
    from ezcold_operators.dag import build_dags

    place.write(routes=[{"extensions": ["pdf"], "send_to": ["clients"]}])
    (dag,) = build_dags(place.root / "launchers", default_args=AT_ONCE).values()
    place.write(routes=[{"extensions": ["pdf"], "send_to": ["factures"]}])
    place.put("a.pdf")
    ran = run(dag)
    assert ran.state == "success"
    assert place.arrived("factures") == ["a.pdf"]
