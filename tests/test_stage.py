"""The stage: bytes as they came, durable in order, a full or broken disk as one sentence, nothing needed swept."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ezcold_operators import steps
from ezcold_operators.errors import ItemChanged, StageUnavailable
from ezcold_operators.stage import ORPHAN_SECONDS, Blob, Stage

OLD = ORPHAN_SECONDS + 60


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "stage")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB; only root can have one."""
    if os.getuid() != 0:
        pytest.skip("only root can mount a small file system")
    point = tmp_path / "small"
    point.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(point)], capture_output=True)
    if done.returncode:
        pytest.skip("no mounts in this container")
    yield point
    subprocess.run(["mount", "-o", "remount,rw", str(point)], check=True)
    subprocess.run(["umount", str(point)], check=True)


def put(stage: Stage, data: bytes) -> Blob:
    with stage.batch() as batch:
        blob = batch.put([data])
        batch.commit()
    return blob


def one_line(error: pytest.ExceptionInfo[StageUnavailable], stage: Stage) -> str:
    sentence = str(error.value)
    assert "\n" not in sentence
    assert str(stage.root) in sentence
    return sentence


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=3000), max_size=6))
def test_bytes_are_kept_as_they_came_under_their_hash(stage: Stage, chunks: list[bytes]) -> None:
    with stage.batch() as batch:
        blob = batch.put(chunks)
        batch.commit()
    data = b"".join(chunks)
    assert blob == Blob(hashlib.sha256(data).hexdigest(), len(data))
    assert stage.path(blob.sha256).read_bytes() == data
    assert list(stage.tmp.iterdir()) == []


def test_nobody_else_reads_the_stage(stage: Stage) -> None:
    blob = put(stage, b"secret")
    for path in (stage.blobs, stage.tmp, stage.path(blob.sha256).parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE(stage.path(blob.sha256).stat().st_mode) == 0o600


def test_contents_are_durable_before_names_and_names_before_belief(stage: Stage) -> None:
    seen: list[tuple[str, str, int]] = []

    def watch(name: str, moment: steps.Moment) -> None:
        seen.append((name, moment, len(list(stage.tmp.iterdir()))))

    with stage.batch() as batch:
        batch.put([b"one"])
        batch.put([b"two"])
        steps.observe(watch)
        try:
            batch.commit()
        finally:
            steps.observe(None)
    assert seen == [
        ("stage.fsync", "before", 2), ("stage.fsync", "after", 2), ("stage.rename", "before", 2),
        ("stage.rename", "after", 0), ("stage.fsync_folders", "before", 0), ("stage.fsync_folders", "after", 0),
    ]  # fmt: skip


def test_nothing_is_there_before_the_commit_nor_without_it(stage: Stage) -> None:
    with stage.batch() as batch:
        blob = batch.put([b"x"])
        assert not stage.has(blob.sha256)
    assert not stage.has(blob.sha256)
    assert list(stage.tmp.iterdir()) == []


def test_an_item_that_breaks_off_leaves_its_neighbours(stage: Stage) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ItemChanged("it changed")

    with stage.batch() as batch:
        first = batch.put([b"first"])
        with pytest.raises(ItemChanged):
            batch.put(broken())
        last = batch.put([b"last"])
        batch.commit()
    assert stage.has(first.sha256)
    assert stage.has(last.sha256)
    assert list(stage.tmp.iterdir()) == []
    assert sum(1 for folder in stage.blobs.iterdir() for _ in folder.iterdir()) == 2


def test_putting_the_same_bytes_again_makes_the_blob_young_again(stage: Stage) -> None:
    blob = put(stage, b"x")
    os.utime(stage.path(blob.sha256), (1, 1))
    with stage.batch() as batch:
        assert batch.put([b"x"]) == batch.put([b"", b"x"]) == blob
        batch.commit()
    assert stage.path(blob.sha256).stat().st_mtime > time.time() - 60
    assert stage.path(blob.sha256).read_bytes() == b"x"


def test_a_finished_file_is_adopted(stage: Stage) -> None:
    with stage.workdir() as folder:
        file = folder / "a"
        file.write_bytes(b"found")
        blob = Blob(hashlib.sha256(b"found").hexdigest(), 5)
        with stage.batch() as batch:
            batch.adopt(file, blob)
            batch.commit()
        assert not file.exists()
    assert stage.path(blob.sha256).read_bytes() == b"found"
    assert list(stage.tmp.iterdir()) == []


def test_a_file_to_adopt_that_is_gone_is_a_sentence(stage: Stage) -> None:
    with stage.batch() as batch:
        batch.adopt(stage.tmp / "never", Blob("0" * 64, 1))
        with pytest.raises(StageUnavailable) as error:
            batch.commit()
    one_line(error, stage)


def test_a_work_folder_is_gone_after_its_block(stage: Stage) -> None:
    def work() -> None:
        with stage.workdir() as folder:
            (folder / "a").mkdir()
            (folder / "a" / "b").write_bytes(b"x")
            raise ItemChanged("it changed")

    with pytest.raises(ItemChanged):
        work()
    assert list(stage.tmp.iterdir()) == []


def test_a_full_disk_is_a_sentence_and_leaves_nothing(small_disk: Path) -> None:
    stage = Stage(small_disk / "stage")
    kept = put(stage, b"k" * 100_000)
    with stage.batch() as batch:
        fits = batch.put([b"f" * 100_000])
        with pytest.raises(StageUnavailable, match="full") as error:
            batch.put([b"x" * 300_000] * 5)
        one_line(error, stage)
        batch.commit()
    assert stage.path(kept.sha256).read_bytes() == b"k" * 100_000
    assert stage.path(fits.sha256).read_bytes() == b"f" * 100_000
    assert list(stage.tmp.iterdir()) == []
    put(stage, b"y" * 500_000)


def test_a_disk_that_turns_read_only_is_a_sentence(small_disk: Path) -> None:
    stage = Stage(small_disk / "stage")

    def work() -> None:
        with stage.batch() as batch:
            batch.put([b"x"])
            subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
            batch.commit()

    with pytest.raises(StageUnavailable, match="cannot be written") as error:
        work()
    one_line(error, stage)
    with pytest.raises(StageUnavailable) as error, stage.batch() as batch:
        batch.put([b"y"])
    with pytest.raises(StageUnavailable) as error, stage.workdir():
        pass
    with pytest.raises(StageUnavailable) as error:
        Stage(small_disk / "another")


def test_a_stage_that_is_no_folder_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(StageUnavailable) as error:
        Stage(tmp_path / "home" / "stage")
    assert "\n" not in str(error.value)


def test_a_stage_whose_folders_vanish_is_a_sentence(stage: Stage) -> None:
    stage.tmp.rmdir()
    with pytest.raises(StageUnavailable) as error, stage.batch() as batch:
        batch.put([b"x"])
    one_line(error, stage)


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def test_the_sweep_asks_for_old_blobs_only_and_takes_what_nobody_needs(stage: Stage) -> None:
    young, needed, useless = (put(stage, data) for data in (b"young", b"needed", b"useless"))
    for blob in (needed, useless):
        age(stage.path(blob.sha256), OLD)
    asked: dict[str, Path] = {}

    def judge(path: Path, sha256: str) -> bool:
        asked[sha256] = path
        if sha256 == useless.sha256:
            path.unlink()
            return False
        return True

    assert stage.sweep(judge) == 1
    assert asked == {b.sha256: stage.path(b.sha256) for b in (needed, useless)}
    assert [stage.has(b.sha256) for b in (young, needed, useless)] == [True, True, False]


def test_the_sweep_takes_old_temporary_files_and_folders(stage: Stage) -> None:
    for name in ("old", "young"):
        (stage.tmp / name).write_bytes(b"x")
        (stage.tmp / f"work-{name}" / "deep").mkdir(parents=True)
        (stage.tmp / f"work-{name}" / "deep" / "file").write_bytes(b"x")
    for name in ("old", "work-old"):
        age(stage.tmp / name, OLD)
    assert stage.sweep(lambda path, sha256: True) == 0
    assert sorted(p.name for p in stage.tmp.iterdir()) == ["work-young", "young"]


def test_two_sweeps_at_once_do_not_trip_over_each_other(stage: Stage) -> None:
    blobs = [put(stage, bytes([n])) for n in range(20)]
    for blob in blobs:
        age(stage.path(blob.sha256), OLD)

    def judge(path: Path, sha256: str) -> bool:
        for blob in blobs:  # the other sweep took them all
            stage.path(blob.sha256).unlink(missing_ok=True)
        return False

    stage.sweep(judge)
    assert not any(stage.has(blob.sha256) for blob in blobs)
