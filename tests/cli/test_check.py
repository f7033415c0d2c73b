"""`ezcold check`: every error with file and line, 0 or 2, and nothing touched."""

from __future__ import annotations

import re

import pytest

from tests.airflow_runs import write
from tests.cli.place import Place


@pytest.fixture(autouse=True)
def ledger(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EZCOLD_LEDGER_URL", f"sqlite:///{place.home}/ledger.db")


def test_all_well_is_0_and_says_which_ledger(place: Place) -> None:
    for arguments in ([], [place.launchers], [place.file]):
        answer = place.call("check", *arguments)
        assert (answer.code, answer.out) == (0, "")
        assert f"{place.home}/ledger.db" in answer.err
    assert not place.home.exists()


def test_every_error_on_its_line_with_file_and_line(place: Place) -> None:
    text = place.file.read_text()
    place.file.write_text(text + "shedule: '0 * * * *'\nfilters: ['/(/']\n")
    last = text.count("\n")
    answer = place.call("check", place.launchers)
    assert answer.code == 2
    lines = answer.out.splitlines()
    assert len(lines) == 2
    assert all(re.match(re.escape(str(place.file)) + r":\d+", line) for line in lines)
    assert {int(line.split(":")[1]) for line in lines} == {last + 1, last + 2}
    assert "schedule" in answer.out
    assert "2 errors" in answer.err


def test_what_is_not_yaml_is_2(place: Place) -> None:
    place.file.write_text("launcher: [l1\n")
    answer = place.call("check")
    assert answer.code == 2
    assert re.match(re.escape(str(place.file)) + r":\d+", answer.out)


def test_an_unknown_scenario_is_2(place: Place) -> None:
    place.launcher(routes=[{"extensions": ["pdf"], "send_to": ["factuers"]}])
    answer = place.call("check")
    assert answer.code == 2
    assert "factures" in answer.out


def test_a_folder_also_checks_its_scenarios(place: Place) -> None:
    write(place.root / "scenarios.yaml", {"scenarios": {"factures": {"driver": "fodler", "path": "/x"}}})
    answer = place.call("check", place.launchers)
    assert answer.code == 2
    assert f"{place.root}/scenarios.yaml:" in answer.out


def test_two_launchers_on_one_place(place: Place) -> None:
    place.launcher("l2")
    answer = place.call("check")
    assert (answer.code, "l2" in answer.out) == (0, True)
    place.launcher("l2", source={"after": {"action": "delete"}})
    assert place.call("check").code == 2


def test_a_path_that_is_not_there_is_2(place: Place) -> None:
    answer = place.call("check", place.root / "nowhere.yaml")
    assert answer.code == 2
    assert "nowhere.yaml" in answer.out


def test_in_french(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EZCOLD_LANG", "fr")
    place.launcher(routes=[{"extensions": ["pdf"], "send_to": ["factuers"]}])
    answer = place.call("check")
    assert answer.code == 2
    assert "erreur" in answer.err


def test_a_ledger_that_is_down_does_not_matter(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EZCOLD_LEDGER_URL", "postgresql://127.0.0.1:1/ez")
    place.file.write_text(
        "launcher: l1\nsource: {protocol: o365, connection: c, path: INBOX}\n"
        "routes: [{extensions: ['*'], send_to: [factures]}]\n"
    )
    assert place.call("check").code == 0
