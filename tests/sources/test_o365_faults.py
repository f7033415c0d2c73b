"""Microsoft 365 when things go wrong: throttled, cut, lost, revoked, forgotten. Nothing lost, nothing twice."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import After, Launcher
from ezcold_operators.errors import AuthenticationFailed, ItemFailed, SourceUnavailable, Throttled
from ezcold_operators.sources.base import Listed
from ezcold_operators.sources.o365 import O365Session, create
from tests.servers.graph import GraphServer, graph_server
from tests.servers.graph_mail import Mailbox

UPN = "factures@exemple.fr"
MOVE = After.model_validate({"action": "move", "to": "Traité"})
DELETE = After(action="delete")
MARK = After(action="mark")


def launcher(**source: Any) -> Launcher:
    return Launcher.model_validate(
        {
            "launcher": "factures",
            "source": {"protocol": "o365", "connection": "m365", "mailbox": UPN} | source,
            "routes": [{"extensions": ["*"], "send_to": ["factures"]}],
        }
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GraphServer]:
    with graph_server(tmp_path) as running:
        running.entra.secrets["s"] = ""
        yield running
    assert running.violations == []


@pytest.fixture
def box(server: GraphServer) -> Mailbox:
    return server.mailbox(UPN)


def mime(number: int, size: int = 200) -> bytes:
    return b"Subject: %d\r\n\r\n" % number + bytes(range(256)) * (size // 256 + 1)


def fill(box: Mailbox, count: int, **more: Any) -> list[bytes]:
    return [box.put(mime(number), f"m{number}", **more).mime for number in range(count)]


def session(server: GraphServer, **source: Any) -> Any:
    credentials = Credentials(conn_id="m365", extra=server.extras(client_secret="s"))
    return create(launcher(**source)).open(credentials)


def everything(opened: O365Session, items: list[Listed]) -> list[bytes]:
    found = []
    for taken in opened.read(items):
        assert taken.chunks is not None
        found.append(b"".join(taken.chunks))
    return found


def moved(box: Mailbox) -> list[bytes]:
    return sorted(mail.mime for mail in box.inside(box.path("Traité")))


def test_every_third_request_is_throttled(server: GraphServer, box: Mailbox) -> None:
    sent = fill(box, 45)
    server.fault("429", path="/v1.0/", every=3, retry_after=0.05)
    server.fault("429", every=3, retry_after=0.05, inside_batch=True)
    with session(server, after=MOVE) as opened:
        items = list(opened.list({}))
        assert sorted(everything(opened, items)) == sorted(sent)
        states = [outcome.state for outcome in opened.acknowledge(items, MOVE)]
    assert states == ["done"] * 45
    assert moved(box) == sorted(sent)


def test_a_wait_of_whole_seconds_is_kept_to(server: GraphServer, box: Mailbox) -> None:
    fill(box, 12)
    server.fault("429", path="$value", times=1, retry_after=2)
    with session(server) as opened:
        assert len(everything(opened, list(opened.list({})))) == 12
    # a request inside the two seconds would stand in server.violations


def test_a_wait_longer_than_a_run_is_handed_to_the_scheduler(server: GraphServer, box: Mailbox) -> None:
    server.fault("429", path="/v1.0/", retry_after=3600)
    with session(server) as opened, pytest.raises(Throttled) as caught:
        list(opened.list({}))
    assert caught.value.retry_after == 3600


def test_the_sign_in_is_throttled_too(server: GraphServer, box: Mailbox) -> None:
    fill(box, 1)
    server.fault("429", path="/token", times=1, retry_after=0.1)
    server.fault("503", path="/openid-configuration", times=1)
    with session(server) as opened:
        assert len(list(opened.list({}))) == 1


@pytest.mark.parametrize("every", [2, 7])
def test_every_token_revoked_in_mid_run(server: GraphServer, box: Mailbox, every: int) -> None:
    sent = fill(box, 25)
    with session(server) as opened:
        items = list(opened.list({}))
        found = []
        for number, taken in enumerate(opened.read(items)):
            if number % every == 0:
                server.entra.revoke_access()
            assert taken.chunks is not None
            found.append(b"".join(taken.chunks))
        server.entra.revoke_access()
        assert {outcome.state for outcome in opened.acknowledge(items, MARK)} == {"done"}
    assert sorted(found) == sorted(sent)
    assert all(mail.read for mail in box.mails.values())


def test_a_token_that_ends_within_seconds_is_renewed_unnoticed(server: GraphServer, box: Mailbox) -> None:
    server.entra.life = 1
    server.latency = 0.1
    sent = fill(box, 60)
    with session(server) as opened:
        assert sorted(everything(opened, list(opened.list({})))) == sorted(sent)
    assert server.entra.asked > 1


def test_a_token_refused_at_once_is_a_refused_login(server: GraphServer, box: Mailbox) -> None:
    server.fault("401", path="/v1.0/")
    with session(server) as opened, pytest.raises(AuthenticationFailed):
        list(opened.list({}))
    assert len([one for one in server.requests if "/v1.0/" in one]) <= 4


def test_delta_state_thrown_away_starts_over_without_doubles(server: GraphServer, box: Mailbox) -> None:
    fill(box, 230)
    with session(server) as opened:
        first = list(opened.list({}))
        marks = dict(opened.marks())
    box.forget_states()
    box.put(mime(999), "new")
    with session(server) as opened:
        second = list(opened.list(marks))
        fresh = dict(opened.marks())
    assert len({item.key for item in first}) == len(first) == 230
    known = {(item.key, item.fingerprint) for item in first}
    assert [item.handle["id"] for item in second if (item.key, item.fingerprint) not in known] == [
        box.labelled("new").id
    ]
    assert len(second) == 231
    with session(server) as opened:
        assert list(opened.list(fresh)) == []


def test_delta_state_thrown_away_between_two_pages(server: GraphServer, box: Mailbox) -> None:
    fill(box, 450)
    with session(server) as opened:
        found = []
        for item in opened.list({}):
            found.append(item.key)
            if len(found) == 250:
                box.forget_states()
    assert len(found) == len(set(found)) == 450


def test_cut_bodies_are_read_again_and_only_whole_ones_count(server: GraphServer, box: Mailbox) -> None:
    sent = [box.put(mime(number, 300_000)).mime for number in range(10)]
    server.fault("cut", path="$value", every=3)
    server.fault("cut", path="delta", every=2)
    with session(server) as opened:
        items = list(opened.list({}))
        assert everything(opened, items) == [box.mails[item.handle["id"]].mime for item in items]
        assert len(items) == len(sent)


def test_a_line_cut_for_good_is_unavailable(server: GraphServer, box: Mailbox) -> None:
    fill(box, 3)
    with session(server) as opened:
        items = list(opened.list({}))
        server.fault("cut", path="$value")
        server.fault("503", path="select=id")
        with pytest.raises((SourceUnavailable, ItemFailed)):
            everything(opened, items)


@pytest.mark.parametrize("after", [MOVE, DELETE, MARK], ids=lambda after: after.action)
@pytest.mark.parametrize("kind", ["lost", "drop", "502"])
def test_a_lost_answer_is_settled_by_looking(server: GraphServer, box: Mailbox, kind: str, after: After) -> None:
    sent = fill(box, 30)
    with session(server, after=after) as opened:
        items = list(opened.list({}))
        server.fault(kind, path="$batch", every=3)
        server.fault(kind, path="$batch", times=1, every=2)
        states = [outcome.state for outcome in opened.acknowledge(items, after)]
    assert states == ["done"] * 30
    if after is MARK:
        assert all(mail.read for mail in box.mails.values())
    else:
        target = box.path("Traité") if after is MOVE else box.known["deleteditems"]
        assert sorted(mail.mime for mail in box.inside(target)) == sorted(sent)
    assert len([change for change in box.log if change.there]) <= 60


def test_an_answer_of_a_batch_says_nothing_of_the_others(server: GraphServer, box: Mailbox) -> None:
    sent = fill(box, 20)
    with session(server, after=MOVE) as opened:
        items = list(opened.list({}))
        server.fault("504-done", path="/move", every=3, times=5, inside_batch=True)
        server.fault("503", path="/move", every=4, times=3, inside_batch=True)
        states = [outcome.state for outcome in opened.acknowledge(items, MOVE)]
    assert states == ["done"] * 20
    assert moved(box) == sorted(sent)
    assert len([change for change in box.log if change.there]) == 40


def test_what_cannot_be_moved_fails_alone(server: GraphServer, box: Mailbox) -> None:
    fill(box, 3)
    with session(server, after=MOVE) as opened:
        items = list(opened.list({}))
        stuck = items[1].handle["id"]
        server.fault("503", path=f"{stuck}/move", inside_batch=True)
        outcomes = {outcome.listed.key: outcome for outcome in opened.acknowledge(items, MOVE)}
    assert [outcomes[item.key].state for item in items] == ["done", "failed", "done"]
    assert "503" in outcomes[items[1].key].detail


def test_somebody_else_moved_it_meanwhile(server: GraphServer, box: Mailbox) -> None:
    fill(box, 3)
    with session(server, after=MOVE) as opened:
        items = list(opened.list({}))
        away, home, gone = (box.mails[item.handle["id"]] for item in items)
        box.move(away, box.path("Personnel"))
        box.move(home, box.path("Traité"))
        box.remove(gone)
        states = [outcome.state for outcome in sorted_by(items, opened.acknowledge(items, MOVE))]
    assert states == ["gone", "done", "gone"]
    assert away.folder == box.path("Personnel")


def sorted_by(items: list[Listed], outcomes: Any) -> list[Any]:
    by_key = {outcome.listed.key: outcome for outcome in outcomes}
    return [by_key[item.key] for item in items]


def test_a_mail_that_exchange_cannot_render_does_not_block_the_next(server: GraphServer, box: Mailbox) -> None:
    fill(box, 6)
    with session(server) as opened:
        items = list(opened.list({}))
        server.fault("500", path=f"{items[2].handle['id']}/$value")
        read, failed = 0, 0
        for taken in opened.read(items):
            assert taken.chunks is not None
            try:
                read += bool(b"".join(taken.chunks))
            except ItemFailed:
                failed += 1
    assert (read, failed) == (5, 1)


def test_at_most_four_at_once_and_four_when_there_is_enough(server: GraphServer, box: Mailbox) -> None:
    sent = fill(box, 40, files=1)
    server.latency = 0.02
    with session(server) as opened:
        assert sorted(everything(opened, list(opened.list({})))) == sorted(sent)
    assert server.most_in_flight == 4


def test_the_token_goes_to_no_other_host(server: GraphServer, box: Mailbox) -> None:
    fill(box, 30)
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0.5)
        server.link_host = f"localhost:{other.getsockname()[1]}"
        with session(server) as opened, pytest.raises(SourceUnavailable, match="another host"):
            list(opened.list({}))
        with pytest.raises(TimeoutError):
            other.accept()


def test_the_links_of_cloud_attachments_come_with_the_reading(server: GraphServer, box: Mailbox) -> None:
    link = {"name": "plan.docx", "url": "https://exemple.sharepoint.com/plan.docx"}
    box.put(mime(1), "with", links=[link], files=2)
    box.put(mime(2), "without", files=1)
    box.put(mime(3), "untold", links=[{"name": "x.pdf", "url": ""}])
    server.fault("429", path="attachments", times=1, retry_after=0.05, inside_batch=True)
    with session(server) as opened:
        found = {taken.listed.handle["id"]: taken.listed.handle.get("references") for taken in drained(opened)}
    untold = box.labelled("untold")
    assert found[box.labelled("with").id] == [link]
    assert found[box.labelled("without").id] is None
    assert found[untold.id] == [
        {"name": "x.pdf", "url": f"https://outlook.office365.com/owa/?ItemID={untold.plain_id}"}
    ]
    assert json.loads(json.dumps(found)) == found


def drained(opened: O365Session) -> Iterator[Any]:
    for taken in opened.read(list(opened.list({}))):
        assert b"".join(taken.chunks or ())
        yield taken


def test_giving_up_in_the_middle_of_a_batch_leaves_no_thread(server: GraphServer, box: Mailbox) -> None:
    fill(box, 40)
    before = threading.active_count()
    with session(server) as opened:
        for taken in opened.read(list(opened.list({}))):
            next(iter(taken.chunks or ()))
            break
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("graph_")]
    assert names == []
    assert threading.active_count() <= before
