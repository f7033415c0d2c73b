"""The folder driver on real folders."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ezcold_operators import steps
from ezcold_operators.cold import create
from ezcold_operators.cold.base import Driver, Prepared
from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.scenario import Scenario
from ezcold_operators.errors import ConfigurationError, ScenarioUnavailable, StageUnavailable
from tests.contracts.driver import Documents, DriverContract, EntranceWorld, prepare, send

SHM = Path("/dev/shm")


class WaitingDirectory(EntranceWorld):
    """A waiting directory on this machine, and an EzGED that remembers what it ate."""

    def __init__(self, root: Path) -> None:
        self.path = root / "wait" / "factures"
        self.path.mkdir(parents=True)
        self.parts = root / "wait" / ".factures.ezcold-parts"
        self._eaten: dict[str, bytes] = {}

    def driver(self) -> Driver:
        return create(Scenario(id="factures", driver="folder", path=str(self.path)))

    def credentials(self) -> Credentials | None:
        return None

    def seen(self) -> dict[str, bytes]:
        return self._eaten | {path.name: path.read_bytes() for path in self.path.iterdir()}

    def eat(self) -> None:
        for path in self.path.iterdir():
            self._eaten[path.name] = path.read_bytes()
            path.unlink()

    def snapshot(self) -> Any:
        return sorted(str(path) for path in self.path.parent.rglob("*"))

    def break_down(self) -> None:
        self.path.rename(self.path.with_name("elsewhere"))


class TestFolderDriver(DriverContract):
    """The contract."""

    @pytest.fixture
    def world(self, tmp_path: Path) -> EntranceWorld:
        return WaitingDirectory(tmp_path)


@pytest.fixture
def world(tmp_path: Path) -> WaitingDirectory:
    return WaitingDirectory(tmp_path)


@pytest.fixture
def documents(tmp_path_factory: pytest.TempPathFactory) -> Documents:
    return Documents(tmp_path_factory.mktemp("stage"))


def parts_in(world: WaitingDirectory) -> list[str]:
    """What lies in the parts folder, the identity aside."""
    return sorted(path.name for path in world.parts.iterdir() if path.name != ".ezcold-identity")


def begun(world: WaitingDirectory, documents: Documents, *, sent: bool) -> tuple[Prepared, Any]:
    """A delivery left in `sending`, its rename done or not."""
    outgoing = documents(b"payload")
    with world.driver().open(None) as entrance:
        (one,) = prepare(entrance, [outgoing])
        if sent:
            list(entrance.deliver([(one, outgoing)]))
    return one, outgoing


def test_parts_are_whole_before_they_show_and_readable_by_ezged(world: WaitingDirectory, documents: Documents) -> None:
    old = os.umask(0o022)
    try:
        with world.driver().open(None) as entrance:
            batch = [documents(b"a" * 1000), documents(b"b" * 2000)]
            ready = prepare(entrance, batch)
            assert [Path(one.part).read_bytes() for one in ready] == [b"a" * 1000, b"b" * 2000]
            list(entrance.deliver(list(zip(ready, batch, strict=True))))
    finally:
        os.umask(old)
    assert [path.stat().st_mode & 0o777 for path in world.path.iterdir()] == [0o644, 0o644]
    assert parts_in(world) == []


def test_a_recreated_parts_folder_proves_nothing(world: WaitingDirectory, documents: Documents) -> None:
    one, outgoing = begun(world, documents, sent=True)
    world.eat()
    shutil.rmtree(world.parts)
    with world.driver().open(None) as entrance:
        answer = entrance.recover(one, outgoing)
    assert isinstance(answer.error, ScenarioUnavailable)
    assert "nobody knows" in str(answer.error)


def test_a_parts_folder_restored_without_its_part_proves_nothing(world: WaitingDirectory, documents: Documents) -> None:
    backup = world.path.parent / "backup"
    begun(world, documents, sent=True)
    shutil.copytree(world.parts, backup)
    one, outgoing = begun(world, documents, sent=False)
    shutil.rmtree(world.parts)
    shutil.copytree(backup, world.parts)
    with world.driver().open(None) as entrance:
        answer = entrance.recover(one, outgoing)
    assert isinstance(answer.error, ScenarioUnavailable)


def test_an_unmounted_parts_folder_is_unavailable_and_then_recovers(
    world: WaitingDirectory, documents: Documents
) -> None:
    one, outgoing = begun(world, documents, sent=False)
    away = world.parts.with_name("away")
    with world.driver().open(None) as entrance:
        world.parts.rename(away)
        assert isinstance(entrance.recover(one, outgoing).error, ScenarioUnavailable) or world.seen()
    away.rename(world.parts) if not world.parts.exists() else None
    with world.driver().open(None) as entrance:
        assert entrance.recover(one, outgoing).error is None
    assert list(world.seen().values()) == [b"payload"]


def test_a_waiting_directory_replaced_under_an_open_session_still_gets_its_file(
    world: WaitingDirectory, documents: Documents
) -> None:
    outgoing = documents(b"payload")
    with world.driver().open(None) as entrance:
        (one,) = prepare(entrance, [outgoing])
        world.path.rmdir()
        world.path.mkdir()
        assert [answer.error for answer in entrance.deliver([(one, outgoing)])] == [None]
    assert list(world.seen().values()) == [b"payload"]


def test_recovery_goes_by_the_row_and_not_by_the_scenario(
    world: WaitingDirectory, documents: Documents, tmp_path: Path
) -> None:
    one, outgoing = begun(world, documents, sent=False)
    other = WaitingDirectory(tmp_path / "moved")
    with other.driver().open(None) as entrance:
        assert entrance.recover(one, outgoing).error is None
    assert list(world.seen().values()) == [b"payload"]
    assert other.seen() == {}


def test_a_part_that_was_cut_short_is_written_again(world: WaitingDirectory, documents: Documents) -> None:
    one, outgoing = begun(world, documents, sent=False)
    os.truncate(one.part, 3)
    with world.driver().open(None) as entrance:
        assert entrance.recover(one, outgoing).error is None
    assert list(world.seen().values()) == [b"payload"]
    assert parts_in(world) == []


def test_a_waiting_directory_that_is_missing_says_what_to_do(tmp_path: Path) -> None:
    driver = create(Scenario(id="s", driver="folder", path=str(tmp_path / "typo")))
    with pytest.raises(ScenarioUnavailable, match="create it, or mount its share"), driver.open(None):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not SHM.is_dir() or SHM.stat().st_dev == Path("/tmp").stat().st_dev, reason="one file system only")
def test_parts_on_another_file_system_are_a_configuration_error(world: WaitingDirectory) -> None:
    parts = SHM / f"ezcold-test-{os.getpid()}"
    try:
        driver = create(Scenario(id="s", driver="folder", path=str(world.path), parts=str(parts)))
        with pytest.raises(ConfigurationError, match="file system"), driver.open(None):
            pass
    finally:
        shutil.rmtree(parts, ignore_errors=True)


def test_a_full_disk_leaves_no_part_behind(world: WaitingDirectory, documents: Documents) -> None:
    import resource

    batch = [documents(b"x" * 1000) for _ in range(20)] + [documents(b"y" * 300_000)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with world.driver().open(None) as entrance:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # EFBIG: a disk that takes no more
        try:
            with pytest.raises(ScenarioUnavailable):
                list(entrance.prepare(batch))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert parts_in(world) == []
        assert [answer.error for answer in send(entrance, batch)] == [None] * 21


@pytest.mark.parametrize("left", [None, b"tw", b"two!"])
def test_a_blob_that_the_stage_lost_does_not_stop_its_neighbours(
    world: WaitingDirectory, documents: Documents, left: bytes | None
) -> None:
    batch = [documents(b"one"), documents(b"two"), documents(b"three")]
    batch[1].file.unlink() if left is None else batch[1].file.write_bytes(left)
    with world.driver().open(None) as entrance:
        answers = list(entrance.prepare(batch))
        good = [(answer, batch[answer.delivery_id - 1]) for answer in answers if isinstance(answer, Prepared)]
        (bad,) = [answer for answer in answers if not isinstance(answer, Prepared)]
        list(entrance.deliver(good))
    assert bad[0] is batch[1]
    assert isinstance(bad[1], StageUnavailable)
    assert sorted(world.seen().values()) == [b"one", b"three"]
    assert parts_in(world) == []


def test_two_drivers_that_begin_at_once_agree_on_the_identity(world: WaitingDirectory) -> None:
    with world.driver().open(None) as one, world.driver().open(None) as two:
        assert one._identity == two._identity  # type: ignore[attr-defined]


def test_stray_parts_are_swept_only_when_old_and_not_owed(world: WaitingDirectory, documents: Documents) -> None:
    with world.driver().open(None) as entrance:
        old, owed, young = prepare(entrance, [documents(b"old"), documents(b"owed"), documents(b"young")])
        for one in (old, owed):
            os.utime(one.part, (1, 1))
        assert entrance.sweep(lambda part: part == owed.part) == 1  # type: ignore[attr-defined]
    assert parts_in(world) == sorted([owed.token, young.token])


def test_errors_name_the_folder_and_the_remedy() -> None:
    from ezcold_operators.cold.folder_places import sentence

    for code in (errno.ENOSPC, errno.EROFS, errno.ENOENT, errno.EIO):
        text = sentence(OSError(code, os.strerror(code)), "/ged/wait")
        assert "/ged/wait" in text
        assert "\n" not in text


def in_a_child(work: Callable[[], None], kill: tuple[str, str]) -> bool:
    """Run in a child that dies at a step; whether it did."""
    child = os.fork()
    if child == 0:
        try:
            steps.observe(lambda name, moment: os._exit(9) if (name, moment) == kill else None)
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("name", ["waitdir.mkdir_parts", "waitdir.identity", "waitdir.write", "waitdir.sync_parts"])
def test_killed_while_preparing_nothing_shows_and_it_can_begin_again(
    world: WaitingDirectory, documents: Documents, name: str, moment: str
) -> None:
    batch = [documents(b"one"), documents(b"two")]

    def work() -> None:
        with world.driver().open(None) as entrance:
            prepare(entrance, batch)

    assert in_a_child(work, (name, moment))
    assert world.seen() == {}
    with world.driver().open(None) as entrance:
        send(entrance, batch)
    assert sorted(world.seen().values()) == [b"one", b"two"]


@pytest.mark.parametrize("eaten", [False, True])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("name", ["waitdir.rename", "waitdir.sync"])
def test_killed_while_delivering_each_arrives_once(
    world: WaitingDirectory, documents: Documents, name: str, moment: str, eaten: bool
) -> None:
    batch = [documents(b"one"), documents(b"two"), documents(b"three")]
    with world.driver().open(None) as entrance:
        ready = list(zip(prepare(entrance, batch), batch, strict=True))

    def work() -> None:
        with world.driver().open(None) as entrance:
            list(entrance.deliver(ready))

    assert in_a_child(work, (name, moment))
    if eaten:
        world.eat()
    for _again in range(2):
        with world.driver().open(None) as entrance:
            assert [entrance.recover(*one).error for one in ready] == [None] * 3
    assert sorted(world.seen().values()) == [b"one", b"three", b"two"]
    assert parts_in(world) == []


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("name", ["waitdir.mend", "waitdir.discard", "waitdir.sweep"])
def test_killed_while_mending_discarding_or_sweeping(
    world: WaitingDirectory, documents: Documents, name: str, moment: str
) -> None:
    one, outgoing = begun(world, documents, sent=False)
    stray, _ = begun(world, documents, sent=False)
    os.truncate(one.part, 3)
    os.utime(stray.part, (1, 1))

    def work() -> None:
        with world.driver().open(None) as entrance:
            if name == "waitdir.sweep":
                entrance.sweep(lambda _part: False)  # type: ignore[attr-defined]
            elif name == "waitdir.discard":
                entrance.discard(stray)
            else:
                entrance.recover(one, outgoing)

    assert in_a_child(work, (name, moment))
    with world.driver().open(None) as entrance:
        assert entrance.recover(one, outgoing).error is None
        entrance.discard(stray)
    assert list(world.seen().values()) == [b"payload"]
    assert parts_in(world) == []


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_while_renaming_again_after_the_directory_was_replaced(
    world: WaitingDirectory, documents: Documents, moment: str
) -> None:
    one, outgoing = begun(world, documents, sent=False)

    def work() -> None:
        with world.driver().open(None) as entrance:
            world.path.rmdir()
            world.path.mkdir()
            list(entrance.deliver([(one, outgoing)]))

    assert in_a_child(work, ("waitdir.rename_again", moment))
    world.eat()
    with world.driver().open(None) as entrance:
        assert entrance.recover(one, outgoing).error is None
    assert list(world.seen().values()) == [b"payload"]
    assert parts_in(world) == []


def test_two_workers_recover_at_once(world: WaitingDirectory, documents: Documents) -> None:
    batch = [documents(b"%d" % number) for number in range(40)]
    with world.driver().open(None) as entrance:
        ready = list(zip(prepare(entrance, batch), batch, strict=True))
    children = []
    for _worker in range(3):
        child = os.fork()
        if child == 0:
            with world.driver().open(None) as entrance:
                os._exit(0 if all(entrance.recover(*one).error is None for one in ready) else 1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert sorted(world.seen().values()) == sorted(b"%d" % number for number in range(40))
