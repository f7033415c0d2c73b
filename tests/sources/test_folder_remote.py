"""The folder source on a share and on an SFTP server, both real."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import After
from ezcold_operators.errors import AuthenticationFailed, ConfigurationError, ItemChanged, ItemFailed, SourceUnavailable
from ezcold_operators.sources import create
from ezcold_operators.sources.base import Source
from tests.conftest import require
from tests.contracts.source import SourceContract, World, acknowledge, bodies, listing
from tests.filesystems.remotes import Remote
from tests.servers.samba import Samba
from tests.servers.sshd import Sshd, signal_all
from tests.sources.test_folder import FolderWorld, launcher, tree


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Sshd | Samba]]:
    """Those that a test asked for, as long as the module runs."""
    with ExitStack() as stack:
        yield _Servers(stack)


class _Servers(dict[str, "Sshd | Samba"]):
    def __init__(self, stack: ExitStack) -> None:
        super().__init__()
        self._stack = stack

    def __missing__(self, name: str) -> Sshd | Samba:
        self[name] = self._stack.enter_context(Samba() if name == "samba" else Sshd())
        return self[name]


@pytest.fixture(params=["sshd", "samba"])
def remote(request: pytest.FixtureRequest, servers: dict[str, Sshd | Samba]) -> Iterator[Remote]:
    """A new folder on each kind of server."""
    require(request.param)
    found = Remote(servers[request.param])
    yield found
    found.close()


class RemoteWorld(FolderWorld):
    """A folder behind a server."""

    def __init__(self, remote: Remote) -> None:
        super().__init__(remote.folder)
        self.remote = remote

    def source(self) -> Source:
        after = {"action": "move", "to": self.remote.url(self.to)}
        return create(launcher(self.remote.url(self.root), connection="files", after=after))

    def after(self, action: str) -> After:
        to = {"to": self.remote.url(self.to)} if action == "move" else {}
        return After.model_validate({"action": action, **to})

    def credentials(self) -> Credentials:
        return self.remote.credentials()

    def wrong_password(self) -> Credentials:
        return self.remote.wrong()

    def dead(self) -> Credentials:
        return self.remote.dead()

    def silent(self) -> Credentials:
        return self.remote.silent()


class TestRemoteFolder(SourceContract):
    """The contract, on each server."""

    @pytest.fixture
    def world(self, remote: Remote) -> World:
        return RemoteWorld(remote)


@pytest.fixture
def world(remote: Remote) -> RemoteWorld:
    return RemoteWorld(remote)


def test_subfolders_accents_and_a_move_that_never_replaces(world: RemoteWorld) -> None:
    after = {"action": "move", "to": world.remote.url(world.root / "fini")}
    source = create(launcher(world.remote.url(world.root), subfolders=True, after=after))
    for number in range(2):
        world.put("clients/été/reçu 100%.pdf", b"%d" % number)
        with source.open(world.credentials()) as session:
            (item,) = listing(session)
            assert item.name == "clients/été/reçu 100%.pdf"
            assert bodies(session, [item]) == [b"%d" % number]
            assert set(acknowledge(session, [item], After.model_validate(after)).values()) == {"done"}
    assert tree(world.root) == {
        "fini/clients/été/reçu 100%.pdf": b"0",
        "fini/clients/été/reçu 100% (2).pdf": b"1",
    }


def test_what_is_moved_to_our_own_disk_is_copied_whole(world: RemoteWorld, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    world.put("a.pdf", data)
    to = After.model_validate({"action": "move", "to": str(tmp_path / "done")})
    with world.source().open(world.credentials()) as session:
        items = listing(session)
        assert set(acknowledge(session, items, to).values()) == {"done"}
    assert tree(tmp_path / "done") == {"a.pdf": data}
    assert tree(world.root) == {}


def test_links_and_fifos_are_not_taken(world: RemoteWorld) -> None:
    world.put("a.pdf", b"x")
    (world.root / "link.pdf").symlink_to("/etc/hostname")
    (world.root / "linked").symlink_to("/etc")
    os.mkfifo(world.root / "fifo.pdf")
    source = create(launcher(world.remote.url(world.root), subfolders=True))
    with source.open(world.credentials()) as session:
        items = listing(session)
        assert bodies(session, items)[0] == b"x"
    names = {item.name for item in items}
    assert "a.pdf" in names
    assert not {name for name in names if name.startswith("linked")}


def test_a_server_that_dies_between_two_files_is_unavailable(world: RemoteWorld) -> None:
    for number in range(3):
        world.put(f"{number}.pdf", os.urandom(100_000))
    with world.source().open(world.credentials()) as session:
        reading = session.read(listing(session))
        assert b"".join(next(reading).chunks or ())
        world.remote.server.kill()
        try:
            with pytest.raises(SourceUnavailable):
                [b"".join(taken.chunks or ()) for taken in reading]
        finally:
            world.remote.server.start()


def test_a_server_that_falls_silent_is_unavailable_within_the_timeout(world: RemoteWorld) -> None:
    world.put("a.pdf", b"x")
    extra = {**world.credentials().extra, "timeout": 1}
    credentials = dataclasses.replace(world.credentials(), extra=extra)
    pid = world.remote.server.process.pid
    with world.source().open(credentials) as session:
        items = listing(session)
        signal_all(pid, signal.SIGSTOP)
        try:
            with pytest.raises((SourceUnavailable, ItemFailed)) as caught:
                [b"".join(taken.chunks or ()) for taken in session.read(items)]
        finally:
            signal_all(pid, signal.SIGCONT)
    assert isinstance(caught.value, SourceUnavailable)


def test_a_missing_folder_says_so(world: RemoteWorld) -> None:
    source = create(launcher(world.remote.url(world.root / "missing")))
    with pytest.raises(SourceUnavailable, match="is not there"), source.open(world.credentials()):
        pass


def test_a_connection_for_another_host_is_not_shown_its_password(world: RemoteWorld) -> None:
    other = dataclasses.replace(world.credentials(), host="other.example")
    with pytest.raises(ConfigurationError, match="same host"), world.source().open(other):
        pass


@pytest.mark.sshd
def test_a_host_key_that_is_not_the_known_one_is_refused(servers: dict[str, Sshd | Samba]) -> None:
    remote = Remote(servers["sshd"])
    server = servers["sshd"]
    assert isinstance(server, Sshd)
    world = RemoteWorld(remote)
    strange = (server.run / "user_ed25519.pub").read_text()
    for extra, match in (
        ({"host_key": strange}, "another host key"),
        ({"host_key": "", "known_hosts": str(server.run / "none")}, "not known"),
        ({"host_key": "rubbish"}, "cannot be read"),
        ({"no_host_key_check": True}, "not supported"),
    ):
        credentials = server.credentials(**extra)
        with (
            pytest.raises(ConfigurationError, match=match),
            world.source().open(
                Credentials(credentials.conn_id, "", server.port, credentials.login, "", "", credentials.extra)
            ),
        ):
            pass
    known = server.run / "known_hosts"
    known.write_text(f"[127.0.0.1]:{server.port} {(server.run / 'host_ed25519.pub').read_text()}")
    credentials = server.credentials(host_key="", known_hosts=str(known))
    with world.source().open(
        Credentials(credentials.conn_id, "", server.port, credentials.login, "", "", credentials.extra)
    ):
        pass


@pytest.mark.sshd
def test_names_that_are_not_utf_8_survive_sftp(servers: dict[str, Sshd | Samba]) -> None:
    world = RemoteWorld(Remote(servers["sshd"]))
    (world.root / os.fsdecode(b"re\xe7u.pdf")).write_bytes(b"x")
    source = create(launcher(world.remote.url(world.root), settle_seconds=0))
    with source.open(world.credentials()) as session:
        (item,) = listing(session)
        assert item.name == "reçu.pdf"
        assert bodies(session, [item]) == [b"x"]
        assert set(acknowledge(session, [item], After.model_validate({"action": "delete"})).values()) == {"done"}
    assert tree(world.root) == {}


def test_no_password_is_ever_shown(world: RemoteWorld) -> None:
    with pytest.raises(AuthenticationFailed) as caught, world.source().open(world.remote.wrong()):
        pass
    assert caught.value.__cause__ is None


@pytest.mark.samba
def test_a_file_that_a_program_holds_open_is_left_for_the_next_run(servers: dict[str, Sshd | Samba]) -> None:
    import smbclient

    require("samba")
    world = RemoteWorld(Remote(servers["samba"]))
    server = servers["samba"]
    assert isinstance(server, Samba)
    world.put("a.pdf", b"half")
    world.put("b.pdf", b"whole")
    path = rf"\\127.0.0.1\share\{world.remote.folder.name}\in\a.pdf"
    login = {"username": world.credentials().login, "password": world.credentials().password}
    cache: dict[str, object] = {}
    delete = After.model_validate({"action": "delete"})
    with smbclient.open_file(path, "r+b", share_access="", port=server.port, connection_cache=cache, **login):
        with world.source().open(world.credentials()) as session:
            items = sorted(listing(session), key=lambda item: item.name)
            reading = session.read(items)
            with pytest.raises(ItemChanged, match="open in another program"):
                list(next(reading).chunks or ())
            assert b"".join(next(reading).chunks or ()) == b"whole"
            assert set(acknowledge(session, items[:1], After.model_validate({"action": "delete"})).values()) == {
                "failed"
            }
    smbclient.reset_connection_cache(connection_cache=cache)
    with world.source().open(world.credentials()) as session:
        assert set(acknowledge(session, items[:1], delete).values()) == {"done"}
