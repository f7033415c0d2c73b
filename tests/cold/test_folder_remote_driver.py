"""The folder driver into a waiting directory on a share and on an SFTP server, both real."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ezcold_operators import steps
from ezcold_operators.cold import create
from ezcold_operators.cold.base import Driver
from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.scenario import Scenario
from ezcold_operators.errors import ConfigurationError, ScenarioUnavailable, StageUnavailable
from tests.cold.test_folder_driver import WaitingDirectory, in_a_child
from tests.conftest import require
from tests.contracts.driver import Documents, DriverContract, EntranceWorld, prepare, send
from tests.filesystems.remotes import Remote
from tests.servers.samba import Samba
from tests.servers.sshd import Sshd


@pytest.fixture(scope="module", params=["sshd", "samba"])
def server(request: pytest.FixtureRequest) -> Iterator[Sshd | Samba]:
    """One of them, as long as the module runs."""
    require(request.param)
    with ExitStack() as stack:
        yield stack.enter_context(Samba() if request.param == "samba" else Sshd())


class RemoteWaitingDirectory(WaitingDirectory):
    """A waiting directory behind a server."""

    def __init__(self, remote: Remote) -> None:
        super().__init__(remote.folder)
        self.remote = remote

    def driver(self) -> Driver:
        path = self.remote.url(self.path)
        return create(Scenario(id="factures", driver="folder", path=path, connection="files"))

    def credentials(self) -> Credentials | None:
        return self.remote.credentials()

    def refused(self) -> Credentials | None:
        return self.remote.wrong()


class TestRemoteDriver(DriverContract):
    """The contract, on each server."""

    @pytest.fixture
    def world(self, server: Sshd | Samba) -> EntranceWorld:
        return RemoteWaitingDirectory(Remote(server))


@pytest.fixture
def world(server: Sshd | Samba) -> RemoteWaitingDirectory:
    return RemoteWaitingDirectory(Remote(server))


@pytest.fixture
def documents(tmp_path_factory: pytest.TempPathFactory) -> Documents:
    return Documents(tmp_path_factory.mktemp("stage"))


def test_a_blob_that_is_not_whole_does_not_stop_its_neighbours(
    world: RemoteWaitingDirectory, documents: Documents
) -> None:
    batch = [documents(b"one"), documents(b"two"), documents(b"three")]
    batch[1].file.write_bytes(b"tw")
    with world.driver().open(world.credentials()) as entrance:
        one, (bad, error), three = entrance.prepare(batch)
        assert bad is batch[1]
        assert isinstance(error, StageUnavailable)
        list(entrance.deliver([(one, batch[0]), (three, batch[2])]))
    assert sorted(world.seen().values()) == [b"one", b"three"]


def test_many_at_once_each_arrive_once(world: RemoteWaitingDirectory, documents: Documents) -> None:
    batch = [documents(os.urandom(20_000)) for _number in range(150)]
    with world.driver().open(world.credentials()) as entrance:
        assert {answer.error for answer in send(entrance, batch)} == {None}
    assert sorted(world.seen().values()) == sorted(outgoing.file.read_bytes() for outgoing in batch)
    assert [path.name for path in world.parts.iterdir()] == [".ezcold-identity"]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("name", ["waitdir.write", "waitdir.rename", "waitdir.sync"])
def test_killed_at_a_step_each_arrives_once(
    world: RemoteWaitingDirectory, documents: Documents, name: str, moment: str
) -> None:
    batch = [documents(b"one"), documents(b"two"), documents(b"three")]
    ready: list[tuple[object, object]] = []
    if name != "waitdir.write":
        with world.driver().open(world.credentials()) as entrance:
            ready = list(zip(prepare(entrance, batch), batch, strict=True))

    def work() -> None:
        with world.driver().open(world.credentials()) as entrance:
            list(entrance.deliver(ready)) if ready else prepare(entrance, batch)  # type: ignore[arg-type]

    assert in_a_child(work, (name, moment))
    world.eat()
    with world.driver().open(world.credentials()) as entrance:
        if ready:
            assert [entrance.recover(*one).error for one in ready] == [None] * 3  # type: ignore[arg-type]
        else:
            send(entrance, batch)
    assert sorted(world.seen().values()) == [b"one", b"three", b"two"]


def test_a_recreated_parts_folder_proves_nothing(world: RemoteWaitingDirectory, documents: Documents) -> None:
    outgoing = documents(b"payload")
    with world.driver().open(world.credentials()) as entrance:
        (one,) = prepare(entrance, [outgoing])
    shutil.rmtree(world.parts)
    with world.driver().open(world.credentials()) as entrance:
        answer = entrance.recover(one, outgoing)
    assert isinstance(answer.error, ScenarioUnavailable)
    assert world.seen() == {}


def test_a_server_that_dies_in_between_is_unavailable_and_nothing_is_lost(
    world: RemoteWaitingDirectory, documents: Documents
) -> None:
    batch = [documents(os.urandom(50_000)) for _number in range(5)]
    server = world.remote.server
    with world.driver().open(world.credentials()) as entrance:
        ready = list(zip(prepare(entrance, batch), batch, strict=True))
        server.kill()
        try:
            answers = list(entrance.deliver(ready))
        finally:
            server.start()
    assert all(isinstance(answer.error, ScenarioUnavailable) for answer in answers)
    with world.driver().open(world.credentials()) as entrance:
        assert [entrance.recover(*one).error for one in ready] == [None] * 5
    assert sorted(world.seen().values()) == sorted(outgoing.file.read_bytes() for outgoing in batch)


def test_a_host_that_is_dead_or_silent_is_unavailable(world: RemoteWaitingDirectory) -> None:
    for credentials in (world.remote.dead(), world.remote.silent()):
        with pytest.raises(ScenarioUnavailable) as caught, world.driver().open(credentials):
            pass
        assert "127.0.0.1" in str(caught.value)


def test_a_whole_share_has_no_sibling_for_its_parts() -> None:
    with pytest.raises(ConfigurationError, match="parts"):
        create(Scenario(id="s", driver="folder", path="smb://ged/share", connection="c"))


def test_parts_on_another_server_are_a_configuration_error(world: RemoteWaitingDirectory, tmp_path: Path) -> None:
    scenario = Scenario(
        id="s", driver="folder", path=world.remote.url(world.path), parts=str(tmp_path), connection="files"
    )
    with pytest.raises(ConfigurationError, match="file system"), create(scenario).open(world.credentials()):
        pass


def test_no_step_is_left_observed() -> None:
    assert steps._observer is None
