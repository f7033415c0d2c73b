"""The ezged driver against a strict EzGED: contract, faults, sessions, secrets."""

from __future__ import annotations

import io
import logging
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from ezcold_operators.cold import create
from ezcold_operators.cold.base import Delivered
from ezcold_operators.cold.ezged import EzgedDriver
from ezcold_operators.cold.ezged_settings import Settings
from ezcold_operators.cold.ezged_upload import is_there, judge
from ezcold_operators.cold.ezged_wire import Answer
from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.scenario import Scenario
from ezcold_operators.errors import (
    Ambiguous,
    AuthenticationFailed,
    ConfigurationError,
    Rejected,
    ScenarioUnavailable,
    StageUnavailable,
)
from tests.contracts.driver import SECRET, Documents, DriverContract, EntranceWorld, prepare, send
from tests.servers.ezged import EzgedServer, ezged_server


class Ezged(EntranceWorld):
    """A server of ours, seen from its side."""

    remembers = False

    def __init__(self, server: EzgedServer, **scenario: Any) -> None:
        self.server, self.scenario = server, scenario
        server.state.password = SECRET

    def driver(self) -> EzgedDriver:
        values: dict[str, Any] = {"id": "s", "connection": "ezged", "waitdir": "factures"} | self.scenario
        made = create(Scenario(driver="ezged", **values))
        assert isinstance(made, EzgedDriver)
        made.waits = (0.01, 0.01)
        return made

    def credentials(self, password: str = SECRET, **extra: Any) -> Credentials:
        return Credentials(
            "ezged", "localhost", self.server.port, "ezcold", password, extra=self.server.extras(**extra)
        )

    def seen(self) -> dict[str, bytes]:
        return self.server.files["factures"]

    def eat(self) -> None:
        """EzGED's own affair."""

    def snapshot(self) -> Any:
        return dict(self.server.sessions), {name: dict(files) for name, files in self.server.files.items()}

    def break_down(self) -> None:
        self.server.stop()

    def refused(self) -> Credentials:
        self.server.state.password = "another"
        return self.credentials()


@pytest.fixture
def server() -> Iterator[EzgedServer]:
    with ezged_server() as one:
        yield one
        assert one.violations == []
        assert one.sessions == {}


@pytest.fixture
def world(server: EzgedServer) -> Ezged:
    return Ezged(server)


@pytest.fixture
def documents(tmp_path_factory: pytest.TempPathFactory) -> Documents:
    return Documents(tmp_path_factory.mktemp("stage"))


class TestEzgedDriver(DriverContract):
    """The contract."""

    @pytest.fixture
    def world(self, server: EzgedServer) -> EntranceWorld:
        return Ezged(server)

    def test_discarded_parts_are_never_seen(self, world: EntranceWorld, documents: Documents) -> None:
        with world.driver().open(world.credentials()) as entrance:
            for one in prepare(entrance, [documents(b"one"), documents(b"two")]):
                entrance.discard(one)
        assert world.seen() == {}


def upload(world: Ezged, documents: Documents, data: bytes = b"payload") -> Delivered:
    with world.driver().open(world.credentials()) as entrance:
        (answer,) = send(entrance, [documents(data)])
    return answer


def test_a_batch_needs_one_session_that_is_closed(world: Ezged, documents: Documents) -> None:
    with world.driver().open(world.credentials()) as entrance:
        answers = send(entrance, [documents(f"{n}".encode()) for n in range(20)])
    assert [answer.error for answer in answers] == [None] * 20
    assert (world.server.logins, world.server.logouts, len(world.seen())) == (1, 1, 20)
    assert answers[0].receipt.startswith("C:\\nchp")
    assert answers[0].prepared.final.startswith("factures/")


def test_the_session_is_closed_when_work_breaks_off(world: Ezged) -> None:
    with pytest.raises(ZeroDivisionError), world.driver().open(world.credentials()):
        raise ZeroDivisionError
    assert (world.server.logins, world.server.logouts) == (1, 1)


def test_a_slow_upload_keeps_its_session(world: Ezged, documents: Documents) -> None:
    world.server.hold_until_keepalives = 3
    driver = world.driver()
    driver.beat = 0.02
    with driver.open(world.credentials()) as entrance:
        (answer,) = send(entrance, [documents(b"slow")])
    assert answer.error is None
    assert world.server.keepalives >= 3
    assert world.server.logins == 1


def test_a_forgotten_session_is_opened_again_once(world: Ezged, documents: Documents) -> None:
    world.server.fault("expire")
    assert upload(world, documents).error is None
    assert world.server.logins == 2
    assert len(world.server.uploads) == 1


def test_a_server_that_never_knows_its_sessions_is_not_asked_for_ever(world: Ezged, documents: Documents) -> None:
    world.server.fault("401", times=1000)
    with world.driver().open(world.credentials()) as entrance:
        answers = send(entrance, [documents(b"one"), documents(b"two")])
    assert all(isinstance(answer.error, AuthenticationFailed) for answer in answers)
    assert world.server.logins == 2
    assert world.server.uploads == []


def test_when_every_session_is_taken_it_waits_its_turn(world: Ezged, documents: Documents) -> None:
    server = world.server
    server.state.most_sessions = 1
    server.sessions["another"] = float("inf")
    with pytest.raises(ScenarioUnavailable, match="every session"), world.driver().open(world.credentials()):
        pass
    assert sum("authenticate" in one for one in server.requests) == 3
    server.sessions.clear()
    assert upload(world, documents).error is None


def test_a_busy_server_is_unavailable_and_the_rest_is_not_tried(world: Ezged, documents: Documents) -> None:
    world.server.fault("busy")
    with world.driver().open(world.credentials()) as entrance:
        answers = send(entrance, [documents(b"one"), documents(b"two")])
    assert all(isinstance(answer.error, ScenarioUnavailable) for answer in answers)
    assert world.server.attempts == 1
    assert world.server.uploads == []


@pytest.mark.parametrize("kind", ["lost", "drop", "500", "500-stored", "garbage"])
@pytest.mark.parametrize("policy", ["retry", "hold"])
def test_an_answer_that_was_lost_is_ambiguous(
    server: EzgedServer, documents: Documents, kind: str, policy: str
) -> None:
    world = Ezged(server, on_ambiguous=policy)
    server.fault(kind)
    outgoing = documents(b"payload")
    with world.driver().open(world.credentials()) as entrance:
        (answer,) = send(entrance, [outgoing])
        again = entrance.recover(answer.prepared, outgoing)
    assert isinstance(answer.error, Ambiguous)
    name = answer.prepared.final.rpartition("/")[2]
    if policy == "retry":
        assert again.error is None
        assert again.prepared == answer.prepared
        assert world.seen() == {name: b"payload"}
        assert {one[1] for one in server.uploads} == {name}
    else:
        assert isinstance(again.error, Ambiguous)
        assert server.attempts == 1
        assert name in str(again.error)
        assert outgoing.sha256[:16] in str(again.error)
        assert "7 bytes" in str(again.error)


def test_a_retry_that_finds_the_file_there_is_a_receipt(world: Ezged, documents: Documents) -> None:
    world.server.state.refuses_existing = True
    world.server.fault("lost")
    outgoing = documents(b"payload")
    with world.driver().open(world.credentials()) as entrance:
        (answer,) = send(entrance, [outgoing])
        again = entrance.recover(answer.prepared, outgoing)
    assert again.error is None
    assert again.receipt
    assert len(world.server.uploads) == 1


def test_a_name_does_not_speak_for_ezged(world: Ezged, documents: Documents) -> None:
    world.server.fault("drop")
    world.server.fault("refuse", after=1, text="format refusé")
    outgoing = documents(b"payload", "already present duplicate.pdf")
    with world.driver().open(world.credentials()) as entrance:
        (answer,) = send(entrance, [outgoing])
        again = entrance.recover(answer.prepared, outgoing)
    assert isinstance(again.error, Rejected)


@pytest.mark.parametrize(
    ("said", "there"),
    [
        ("a__k.pdf existe déjà", True),
        ("File already exists", True),
        ("duplicate name", True),
        ("le fichier n'existe pas", False),
        ("the type does not exist", False),
        ("session already closed", False),
        ("format non accepté", False),
        ("not a duplicate", False),
        ("", False),
    ],
)
def test_only_clear_words_say_that_a_file_is_there(said: str, there: bool) -> None:
    assert is_there(said) is there


def test_before_the_whole_file_went_out_nothing_is_in_doubt(world: Ezged, documents: Documents) -> None:
    world.server.fault("cut")
    answer = upload(world, documents, b"x" * 20_000_000)
    assert isinstance(answer.error, ScenarioUnavailable)
    assert world.seen() == {}


def test_a_file_that_is_too_large_for_it_is_rejected_and_the_next_goes_on(world: Ezged, documents: Documents) -> None:
    world.server.fault("413")
    with world.driver().open(world.credentials()) as entrance:
        one, two = send(entrance, [documents(b"one"), documents(b"two")])
    assert isinstance(one.error, Rejected)
    assert "too large" in str(one.error)
    assert two.error is None


def test_a_refused_file_says_what_ezged_said(world: Ezged, documents: Documents) -> None:
    world.server.fault("refuse", text="type\r\nnon accepté")
    answer = upload(world, documents)
    assert isinstance(answer.error, Rejected)
    assert "type non accepté" in str(answer.error)


@pytest.mark.parametrize(
    ("status", "data", "kind"),
    [
        (200, {"success": True}, None),
        (200, {"success": 1, "errorcode": "0"}, None),
        (200, {"errorcode": 0, "rows": []}, None),
        (500, {"success": True}, Ambiguous),
        (500, {"errorcode": 0}, Ambiguous),
        (200, {"success": True, "errorcode": 7}, Ambiguous),
        (200, {"hello": 1}, Ambiguous),
        (200, None, Ambiguous),
        (502, None, Ambiguous),
        (503, {"success": False}, ScenarioUnavailable),
        (200, {"success": False, "errorcode": "-18"}, ScenarioUnavailable),
        (429, None, ScenarioUnavailable),
        (200, {"success": False}, Rejected),
        (200, {"errorcode": 12, "errormsg": "quota"}, Rejected),
        (413, None, Rejected),
        (415, {"success": False, "errormsg": "format"}, Rejected),
        (400, None, Rejected),
        (200, {"success": False, "errormsg": "Le répertoire n'existe pas"}, ConfigurationError),
        (200, {"success": False, "errormsg": "jeton invalide"}, ConfigurationError),
        (200, {"success": False, "errormsg": "wait\\factures\\a__k.pdf: token refused"}, Rejected),
        (403, None, ConfigurationError),
        (403, {"success": False}, ConfigurationError),
        (302, None, ConfigurationError),
        (404, None, ConfigurationError),
    ],
)
def test_what_an_answer_means(status: int, data: dict[str, Any] | None, kind: type[Exception] | None) -> None:
    answer = Answer(status, data)
    found = judge(answer, answer.text, Settings("https://ged/ezged3/data/", "ezcold", SECRET), "factures", "a__k.pdf")
    assert type(found) is (kind or type(None))
    assert found is None or ("None" not in str(found) and "\n" not in str(found))


def test_a_blob_that_changed_never_arrives(world: Ezged, documents: Documents) -> None:
    outgoing = documents(b"payload")
    with world.driver().open(world.credentials()) as entrance:
        (one,) = prepare(entrance, [outgoing])
        outgoing.file.write_bytes(b"PAYLOAD")
        (answer,) = entrance.deliver([(one, outgoing)])
    assert isinstance(answer.error, StageUnavailable)
    assert world.seen() == {}


def test_a_waiting_directory_that_ezged_does_not_know_is_a_configuration_error(
    server: EzgedServer, documents: Documents
) -> None:
    answer = upload(Ezged(server, waitdir="inconnu"), documents)
    assert isinstance(answer.error, ConfigurationError)
    assert "waitdir" in str(answer.error)


@pytest.mark.parametrize("own", [False, True])
def test_a_refused_token_names_the_extra(world: Ezged, documents: Documents, own: bool) -> None:
    world.server.state.token = "0123456789abcdef"
    extra = {"token": "fedcba9876543210"} if own else {}
    with world.driver().open(world.credentials(**extra)) as entrance:
        (answer,) = send(entrance, [documents(b"x")])
    assert isinstance(answer.error, ConfigurationError)
    assert "extra `token`" in str(answer.error)
    assert "fedcba" not in str(answer.error)
    assert "c3e335" not in str(answer.error)
    with world.driver().open(world.credentials(token="0123456789abcdef")) as entrance:
        assert [answer.error for answer in send(entrance, [documents(b"x")])] == [None]


def test_a_directory_login_sends_the_password_itself(world: Ezged, documents: Documents) -> None:
    world.server.state.domain = "MAIRIE"
    with world.driver().open(world.credentials(domain="MAIRIE")) as entrance:
        assert [answer.error for answer in send(entrance, [documents(b"x")])] == [None]


@pytest.mark.parametrize("yes", [True, "true", 1])
def test_jobs_are_looked_at_when_asked_for(world: Ezged, documents: Documents, yes: object) -> None:
    world.server.state.gives_jobs = True
    assert "job" not in upload(world, documents).receipt
    with world.driver().open(world.credentials(check_jobs=yes)) as entrance:
        (answer,) = send(entrance, [documents(b"x")])
    assert answer.receipt.endswith("(job 77: done)")


@pytest.mark.parametrize("waitdir", ["", "..", "a/b", "a\\b", "c:", "con", "a\x00b", "wait.", " "])
def test_only_a_plain_name_is_a_waiting_directory(waitdir: str) -> None:
    scenario = Scenario.model_construct(
        id="s", driver="ezged", connection="c", waitdir=waitdir, name="{name}", on_ambiguous="retry"
    )
    with pytest.raises(ConfigurationError):
        create(scenario)


def test_a_row_that_leads_elsewhere_is_not_sent(world: Ezged, documents: Documents) -> None:
    outgoing = documents(b"x")
    with world.driver().open(world.credentials()) as entrance:
        (one,) = prepare(entrance, [outgoing])
        for final in ("../../x.pdf", "a/../x.pdf", "..", "factures/..", "factures\\..\\x.pdf"):
            changed = type(one)(one.delivery_id, one.token, "", final)
            assert isinstance(entrance.recover(changed, outgoing).error, Rejected)
    assert world.server.attempts == 0


def test_plain_http_only_where_the_connection_says_so(documents: Documents) -> None:
    with ezged_server(tls=False) as server:
        world = Ezged(server)
        for extra, host in (({}, "http://localhost"), ({"security": "starttls"}, "localhost")):
            refused = Credentials("ezged", host, server.port, "ezcold", SECRET, extra=extra)
            with pytest.raises(ConfigurationError), world.driver().open(refused):
                pass
        assert server.requests == []
        assert upload(world, documents).error is None


def test_a_certificate_that_nobody_vouches_for_is_refused(world: Ezged) -> None:
    stranger = Credentials("ezged", "localhost", world.server.port, "ezcold", SECRET)
    with pytest.raises(ScenarioUnavailable, match="ca_file"), world.driver().open(stranger):
        pass
    assert world.server.requests == []


def test_another_base_path_is_a_configuration_error(world: Ezged) -> None:
    with pytest.raises(ConfigurationError, match="base_path"), world.driver().open(world.credentials(base_path="/x")):
        pass
    for path in ("/ezged3/data", "ezged3/data/", ""):
        with world.driver().open(world.credentials(base_path=path)):
            pass


@pytest.mark.parametrize("kind", ["", "lost", "500", "expire", "refuse"])
def test_no_secret_is_ever_written(
    server: EzgedServer, documents: Documents, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """With every logger at DEBUG, errors with their tracebacks, and a server that repeats secrets in its answers."""
    import hashlib

    world, written = Ezged(server), io.StringIO()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(written))
    caplog.set_level(logging.DEBUG)
    for name in ("httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    sessions: set[str] = set()
    if kind:
        server.fault(kind, text=f"{SECRET} {server.state.token}")
    try:
        driver = world.driver()
        with driver.open(world.credentials()) as entrance:
            sessions |= set(server.sessions)
            answers = send(entrance, [documents(b"x")])
            sessions |= set(server.sessions)
            written.write(f"{driver!r} {entrance!r} {entrance._session!r} {entrance._session.wire!r} {answers!r}")
            written.write(f"{entrance._session.settings!r}")
        for answer in answers:
            if answer.error is not None:
                written.write("".join(traceback.format_exception(answer.error)))
        with pytest.raises(AuthenticationFailed) as caught, driver.open(world.refused()):
            pass
        written.write("".join(traceback.format_exception(caught.value)))
    finally:
        structlog.reset_defaults()
        for name in ("httpx2", "httpcore2"):
            logging.getLogger(name).setLevel(logging.NOTSET)
    text = written.getvalue() + caplog.text
    assert sessions
    assert "DEBUG" not in text
    for secret in (SECRET, hashlib.md5(SECRET.encode()).hexdigest(), server.state.token, *sessions, "PHPSESSID"):
        assert secret not in text
