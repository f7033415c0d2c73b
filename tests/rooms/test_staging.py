"""Batches that become durable behind their maker: the ledger hears of a batch after its bytes are there, in order."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from ezcold_operators.errors import StageUnavailable
from ezcold_operators.rooms.staging import Staging
from ezcold_operators.stage import Batch, Stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "stage")


def filled(stage: Stage, *contents: bytes) -> tuple[Batch, list[str]]:
    batch = stage.batch()
    return batch, [batch.put([content]).sha256 for content in contents]


class Ledger:
    """Believes what it is told, and looks whether it is true."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.believed: list[str] = []

    def write(self, hashes: list[str]) -> None:
        assert all(self.stage.has(one) for one in hashes)
        self.believed += hashes


def test_the_ledger_is_told_of_each_batch_in_order_when_its_bytes_are_there(stage: Stage) -> None:
    ledger = Ledger(stage)
    contents = [[f"{batch}-{n}".encode() for n in range(9)] for batch in range(12)]
    with Staging(ledger.write) as staging:
        for some in contents:
            staging.give(*filled(stage, *some))
    assert ledger.believed == [hashlib.sha256(one).hexdigest() for some in contents for one in some]
    assert not list(stage.tmp.iterdir())


def test_what_was_given_before_an_error_is_still_written(stage: Stage) -> None:
    ledger = Ledger(stage)

    def work() -> None:
        with Staging(ledger.write) as staging:
            staging.give(*filled(stage, b"before"))
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert ledger.believed == [hashlib.sha256(b"before").hexdigest()]


def test_a_batch_that_cannot_be_kept_is_never_believed(stage: Stage) -> None:
    ledger = Ledger(stage)

    def work() -> None:
        with Staging(ledger.write) as staging:
            staging.give(*filled(stage, b"kept"))
            staging.finish()
            batch, hashes = filled(stage, b"lost")
            shutil.rmtree(stage.tmp)
            staging.give(batch, hashes)
            stage.tmp.mkdir()
            staging.give(*filled(stage, b"dropped with it"))

    with pytest.raises(StageUnavailable):
        work()
    assert ledger.believed == [hashlib.sha256(b"kept").hexdigest()]
    assert not list(stage.tmp.iterdir())
