"""Which folders of a Microsoft 365 mailbox are watched, in which language, and what their deltas tell."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import After, Launcher
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.sources.base import Window
from ezcold_operators.sources.o365 import create
from tests.servers.graph import GraphServer, graph_server
from tests.servers.graph_mail import BEGIN, Mailbox

UPN = "factures@exemple.fr"


def launcher(**source: Any) -> Launcher:
    return Launcher.model_validate(
        {
            "launcher": "factures",
            "source": {"protocol": "o365", "connection": "m365", "mailbox": UPN} | source,
            "routes": [{"extensions": ["*"], "send_to": ["factures"]}],
        }
    )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GraphServer]:
    with graph_server(tmp_path_factory.mktemp("graph")) as server:
        server.entra.secrets["s"] = ""
        yield server


@pytest.fixture
def server(running: GraphServer) -> Iterator[GraphServer]:
    running.boxes.clear()
    running.requests.clear()
    running.api.partial = False
    yield running
    assert running.violations == []


@pytest.fixture
def box(server: GraphServer) -> Mailbox:
    return server.mailbox(UPN)


def session(server: GraphServer, **source: Any) -> Any:
    return create(launcher(**source)).open(Credentials(conn_id="m365", extra=server.extras(client_secret="s")))


def listed(server: GraphServer, **source: Any) -> list[str]:
    """Labels of the mails that are listed, sorted."""
    with session(server, **source) as opened:
        return sorted(server.mailbox(UPN).mails[item.handle["id"]].label for item in opened.list({}))


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("inbox", "in"),
        ("INBOX", "in"),
        ("Boîte de réception", "in"),
        ("boîte de réception", "in"),
        ("Clients/Été & l'hiver", "deep"),
        ("Boîte de réception/Clients/Été", "under"),
        ("inbox/Clients/Été", "under"),
        ("2024/01", "slash"),
        ("sentitems", "sent"),
        ("archive", "archived"),
    ],
)
def test_a_folder_is_found_by_well_known_name_and_by_path(
    server: GraphServer, box: Mailbox, path: str, label: str
) -> None:
    for number in range(12):
        box.folder(f"Autre {number}")
    inside = box.folder("Clients", box.known["inbox"]).id
    places = {
        "in": box.known["inbox"],
        "deep": box.path("Clients/Été & l'hiver"),
        "under": box.folder(unicodedata.normalize("NFD", "Été"), inside).id,  # decomposed, as a Mac would write it
        "slash": box.folder("2024/01").id,
        "sent": box.known["sentitems"],
        "archived": box.known["archive"],
    }
    for name, folder in places.items():
        box.move(box.put(b"Subject: x\r\n\r\n", name), folder)
    assert listed(server, path=path) == [label]


def test_subfolders_beyond_the_first_ten_without_search_folders_and_targets(server: GraphServer, box: Mailbox) -> None:
    wanted = []
    inbox = box.known["inbox"]
    for number in range(23):
        folder = box.folder(f"Dossier {number}", inbox)
        deep = box.folder("Dedans", folder.id)
        for place in (folder, deep):
            mail = box.put(b"Subject: x\r\n\r\n", f"{number} {place.name}")
            box.move(mail, place.id)
            wanted.append(mail.label)
    box.folder("Recherche", inbox, search=True)
    done = box.folder("Traité", inbox)
    for folder in (done, box.folder("Avant", done.id)):
        box.move(box.put(b"Subject: x\r\n\r\n", "never"), folder.id)
    after = {"action": "move", "to": "inbox/Traité"}
    assert listed(server, subfolders=True, after=after) == sorted(wanted)
    assert listed(server) == []


def test_deleted_items_are_not_watched_when_that_is_where_things_go(server: GraphServer, box: Mailbox) -> None:
    box.put(b"x", "kept")
    box.put(b"x", "deleted", folder="deleteditems")
    assert listed(server, path="msgfolderroot", subfolders=True, rejected={"action": "delete"}) == ["kept"]
    assert listed(server, path="msgfolderroot", subfolders=True) == ["deleted", "kept"]


def test_a_folder_that_is_its_own_target_is_refused(server: GraphServer, box: Mailbox) -> None:
    with pytest.raises(ConfigurationError, match="same mail folder"):
        listed(server, path="inbox", after={"action": "move", "to": "Boîte de réception"})


def test_a_missing_folder_names_what_is_there(server: GraphServer, box: Mailbox) -> None:
    box.folder("Factures", box.known["inbox"])
    with pytest.raises(ConfigurationError, match=r"no Facture/2024 .*Factures"):
        listed(server, path="inbox/Facture/2024")


def test_a_target_is_made_level_by_level_and_once(server: GraphServer, box: Mailbox) -> None:
    for number in range(3):
        box.put(b"x", str(number))
    move = After.model_validate({"action": "move", "to": "Archives/Été/2024"})
    for _run in range(2):
        with session(server, after=move) as opened:
            items = list(opened.list({}))
            assert {outcome.state for outcome in opened.acknowledge(items, move)} <= {"done"}
    assert len(box.inside(box.path("Archives/Été/2024"))) == 3
    assert len([folder for folder in box.folders.values() if folder.name in {"Archives", "Été", "2024"}]) == 3


def test_a_mail_that_left_and_came_back_is_found_within_a_day(server: GraphServer, box: Mailbox) -> None:
    with session(server) as opened:
        assert list(opened.list({})) == []
        marks = dict(opened.marks())
    mail = box.put(b"x", "wanderer")
    box.move(mail, box.path("Ailleurs"))
    box.move(mail, box.known["inbox"])
    with session(server) as opened:
        assert list(opened.list(marks)) == []  # the service tells it as removed, for good
        marks = dict(opened.marks())
    (place,) = marks
    state = json.loads(marks[place])
    marks[place] = json.dumps(state | {"full": state["full"] - 86500})
    with session(server) as opened:
        assert [item.handle["id"] for item in opened.list(marks)] == [mail.id]
        assert json.loads(opened.marks()[place])["full"] > state["full"] - 1


@pytest.mark.parametrize("mark", ["nonsense", "[]", '{"link": "https://localhost:1/x"}', '{"full": "x"}'])
def test_a_spoilt_mark_is_as_good_as_none_or_refused(server: GraphServer, box: Mailbox, mark: str) -> None:
    box.put(b"x", "one")
    with session(server) as opened:
        list(opened.list({}))
        (place,) = opened.marks()
        if "link" in mark:
            with pytest.raises(Exception, match="another host"):
                list(opened.list({place: mark}))
        else:
            assert len(list(opened.list({place: mark}))) == 1


def test_marks_are_given_only_after_everything_was_listed(server: GraphServer, box: Mailbox) -> None:
    for number in range(3):
        box.put(b"x", str(number))
    with session(server) as opened:
        listing = opened.list({})
        next(listing)
        assert opened.marks() == {}
        listing.close()
        assert opened.marks() == {}


def test_a_delta_that_tells_only_what_changed_is_completed(server: GraphServer, box: Mailbox) -> None:
    mails = [box.put(b"x", str(number)) for number in range(25)]
    with session(server) as opened:
        first = {(item.key, item.fingerprint) for item in opened.list({})}
        marks = dict(opened.marks())
    server.api.partial = True
    for mail in mails:
        box.mark(mail, True)
    with session(server) as opened:
        assert {(item.key, item.fingerprint) for item in opened.list(marks)} == first


def test_reading_marking_and_moving_change_neither_key_nor_fingerprint(server: GraphServer, box: Mailbox) -> None:
    mail = box.put(b"x", "one")
    with session(server) as opened:
        (before,) = opened.list({})
    box.mark(mail, True)
    box.move(mail, box.path("Ailleurs"))
    mail.mime = b"rebuilt by Exchange"
    with session(server, path="Ailleurs") as opened:
        (now,) = opened.list({})
    assert (now.key, now.fingerprint, now.place) == (before.key, before.fingerprint, before.place)
    assert before.key == f"o365:{UPN}/{mail.id}"


def test_the_same_message_id_twice_is_two_mails(server: GraphServer, box: Mailbox) -> None:
    for _copy in range(2):
        box.put(b"x", "copy", message_id="<same@exemple.fr>")
    with session(server) as opened:
        items = list(opened.list({}))
    assert len({item.key for item in items}) == 2


def test_a_window_takes_its_own_and_makes_no_mark(server: GraphServer, box: Mailbox) -> None:
    for day in range(40):
        for hour in range(10):
            box.put(b"x", f"{day}", received=BEGIN + timedelta(days=day, hours=hour))
    start = datetime(2024, 2, 1, tzinfo=UTC)
    window = Window(start, start + timedelta(days=7))
    with session(server) as opened:
        items = list(opened.list({}, window))
        assert opened.marks() == {}
    assert len(items) == 70
    assert all(item.date is not None and window.start <= item.date < window.end for item in items)


def test_the_probe_says_what_it_found_and_what_it_will_make(server: GraphServer, box: Mailbox) -> None:
    box.put(b"x", "one")
    source = create(launcher(after={"action": "move", "to": "Traité"}))
    found = list(source.probe(Credentials(conn_id="m365", extra=server.extras(client_secret="s"))))
    assert any("inbox: 1 mails" in sentence for sentence in found)
    assert any("Traité does not exist yet" in sentence for sentence in found)
    assert "Traité" not in {folder.name for folder in box.folders.values()}
