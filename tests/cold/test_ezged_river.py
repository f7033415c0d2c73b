"""EzGED at the end of the whole river: what `retry` and `hold` promise, run after run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.ledger.tables import delivery
from tests.rooms.house import PDF, House
from tests.servers.ezged import EzgedServer, ezged_server

DOCUMENTS = {f"{n}.pdf": PDF + b"%d" % n for n in range(6)}


@pytest.fixture
def server() -> Iterator[EzgedServer]:
    with ezged_server() as one:
        yield one
        assert one.violations == []
        assert one.sessions == {}


def house(tmp_path: Path, server: EzgedServer, documents: dict[str, bytes] = DOCUMENTS, **scenario: Any) -> House:
    made = House(tmp_path, {"driver": "ezged", "connection": "ezged", "waitdir": "factures", **scenario})
    made.credentials = credentials(server)
    made.zip("lot.zip", documents)
    return made


def credentials(server: EzgedServer, password: str = "") -> Credentials:
    state = server.state
    return Credentials(
        "ezged", "localhost", server.port, state.login, password or state.password, extra=server.extras()
    )


def hashes(documents: dict[str, bytes]) -> list[str]:
    return sorted(hashlib.sha256(data).hexdigest() for data in documents.values())


@pytest.mark.parametrize("kind", ["lost", "drop", "500", "500-stored", "garbage"])
def test_retry_loses_nothing_and_repeats_only_under_the_same_name(
    tmp_path: Path, server: EzgedServer, kind: str
) -> None:
    one = house(tmp_path, server, on_ambiguous="retry")
    server.fault(kind, times=2, after=1)
    code, counts = one.run()
    assert (code, counts["owed"], one.item_states()) == (1, 2, ["decoded"])
    assert "nobody knows" in counts["errors"][0]
    code, counts = one.run()
    assert (code, counts["owed"], one.item_states()) == (0, 0, ["settled"])
    assert hashes(server.files["factures"]) == hashes(DOCUMENTS)
    assert len(server.files["factures"]) == 6
    assert server.logins == 2


@pytest.mark.parametrize("kind", ["lost", "drop", "500", "500-stored", "garbage"])
def test_hold_never_sends_twice(tmp_path: Path, server: EzgedServer, kind: str) -> None:
    one = house(tmp_path, server, on_ambiguous="hold")
    server.fault(kind, times=2, after=1)
    code, counts = one.run()
    assert (code, counts["quarantined"], counts["owed"]) == (1, 1, 0)
    for _again in range(3):
        one.run()
    assert (server.attempts, one.item_states()) == (6, ["quarantined"])
    assert [path.name for path in one.incoming.iterdir()] == ["lot.zip"]
    held = [row for row in one.rows(delivery.c.id, delivery.c.state, delivery.c.final, delivery.c.last_error)
            if row[1] == "quarantined"]  # fmt: skip
    assert len(held) == 2
    assert all(final.rpartition("/")[2] in error for _id, _state, final, error in held)
    one.dismiss()
    one.run()
    assert (server.attempts, one.item_states()) == (6, ["settled"])


def test_what_was_held_is_sent_again_when_a_person_says_so(tmp_path: Path, server: EzgedServer) -> None:
    one = house(tmp_path, server, on_ambiguous="hold")
    server.fault("drop", after=1)
    one.run()
    one.replay()
    assert one.run()[0] == 0
    assert hashes(server.files["factures"]) == hashes(DOCUMENTS)
    assert (server.attempts, one.item_states()) == (7, ["settled"])


def test_a_server_that_is_down_quarantines_nothing(tmp_path: Path, server: EzgedServer) -> None:
    one = house(tmp_path, server)
    server.state.most_sessions = 0
    dead = Credentials("ezged", "localhost", 1, "ezcold", "x", extra=server.extras())
    one.credentials, living = dead, one.credentials
    for _again in range(4):
        code, counts = one.run()
        assert (code, counts["owed"], counts["quarantined"]) == (3, 6, 0)
    one.credentials = living
    server.state.most_sessions = 1
    assert one.run()[0] == 0
    assert hashes(server.files["factures"]) == hashes(DOCUMENTS)


def test_a_refused_login_is_told_and_counts_for_nothing(tmp_path: Path, server: EzgedServer) -> None:
    one = house(tmp_path, server)
    one.credentials, living = credentials(server, "wrong-Pa$$word"), one.credentials
    for _again in range(4):
        code, counts = one.run()
        assert (code, counts["owed"], counts["quarantined"]) == (3, 6, 0)
    text = " ".join(counts["errors"])
    assert "refuses the login" in text
    assert "wrong-Pa" not in text
    assert hashlib.md5(b"wrong-Pa$$word").hexdigest() not in text
    one.credentials = living
    assert one.run()[0] == 0


def test_a_wrong_waiting_directory_is_a_configuration_error(tmp_path: Path, server: EzgedServer) -> None:
    one = house(tmp_path, server, waitdir="inconnu")
    for _again in range(4):
        code, counts = one.run()
        assert (code, counts["owed"], counts["quarantined"]) == (2, 6, 0)
    assert server.attempts == 4
    one.scenario["waitdir"] = "factures"
    assert one.run()[0] == 0


def test_a_refused_file_is_quarantined_after_three_times_and_the_others_go_on(
    tmp_path: Path, server: EzgedServer
) -> None:
    one = house(tmp_path, server)
    server.fault("refuse", times=99, text="type non accepté", name="3__")
    for _again in range(5):
        one.run()
    assert (len(server.files["factures"]), one.item_states()) == (5, ["quarantined"])
    assert server.attempts == 5 + 3


def test_a_retry_that_is_refused_waits_for_a_person(tmp_path: Path, server: EzgedServer) -> None:
    """It may be in already: under another name it would be there twice."""
    one = house(tmp_path, server, {"a.pdf": PDF})
    server.fault("lost")
    one.run()
    server.fault("refuse", times=99, text="refusé")
    one.run()
    assert one.item_states() == ["quarantined"]
    one.run()
    assert (server.attempts, len(server.uploads)) == (2, 1)


def test_a_new_session_in_the_middle_repeats_nothing(tmp_path: Path, server: EzgedServer) -> None:
    one = house(tmp_path, server)
    server.fault("expire", after=2)
    server.fault("expire", after=5)
    assert one.run()[0] == 0
    assert [sha for _dir, _name, sha in server.uploads] == [
        hashlib.sha256(data).hexdigest() for data in DOCUMENTS.values()
    ]
    assert server.logins == 3
