"""Sweeping the stage while another run does the same."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

from ezcold_operators.rooms import backup
from ezcold_operators.rooms.base import River
from ezcold_operators.stage import Stage
from ezcold_operators.steps import Moment, observe
from tests.rooms.house import PDF, House


def test_a_blob_that_another_run_swept_first(tmp_path: Path) -> None:
    house = House(tmp_path, {})
    house.zip("1.zip", {"a.pdf": PDF})
    assert house.run()[0] == 0
    stage = tmp_path / "home" / "stage"
    (stage / "swept").unlink()
    then = time.time() - 3 * 86_400
    blobs = []
    for n in range(3):
        sha = hashlib.sha256(bytes([n])).hexdigest()
        blobs.append(Stage(stage).path(sha))
        blobs[-1].parent.mkdir(exist_ok=True)
        blobs[-1].write_bytes(bytes([n]))
        os.utime(blobs[-1], (then, then))

    def other(name: str, moment: Moment) -> None:
        """Between our look at the folder and the deed, every blob goes, but for the one in hand."""
        if (name, moment) == ("stage.sweep_blob", "before"):
            for blob in blobs:
                blob.unlink(missing_ok=True)

    observe(other)
    try:
        with house.river() as river:
            assert 1 <= backup.sweep(river) <= 3
    finally:
        observe(None)
    assert [blob for blob in blobs if blob.exists()] == []


def test_two_sweeps_at_once_on_one_blob(tmp_path: Path) -> None:
    """The second waits for the first one's transaction, and then finds nothing."""
    house = House(tmp_path, {})
    with house.river() as river, house.river() as second:
        sha = hashlib.sha256(b"x").hexdigest()
        blob = river.stage.path(sha)
        blob.parent.mkdir(parents=True)
        blob.write_bytes(b"x")
        then = time.time() - 3 * 86_400
        os.utime(blob, (then, then))
        waiting = threading.Barrier(2)
        removed = []

        def one(mine: River) -> None:
            waiting.wait()
            removed.append(backup.sweep(mine))

        threads = [threading.Thread(target=one, args=(mine,)) for mine in (river, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(removed) == 1
    assert not blob.exists()
