"""Folders: the process is killed before and after each effect, then started again, twice at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.killing import kill_everywhere
from tests.crash.world import BackupWorld, FolderDeleteWorld, FolderWorld, OtherDiskWorld, World, Zygote

pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]


@pytest.mark.parametrize("kind", [FolderWorld, FolderDeleteWorld, BackupWorld, OtherDiskWorld])
def test_killed_at_each_step(kind: type[World], zygote: Zygote, tmp_path: Path) -> None:
    kill_everywhere(zygote, kind, tmp_path)


@pytest.mark.postgres
def test_with_its_ledger_on_postgresql(zygote: Zygote, tmp_path: Path, postgres_url: str) -> None:
    class PostgresWorld(FolderWorld):
        """Each run of the test has a launcher of its own in one database."""

        whole = False
        own = ("lease.take", "fetch.staged", "decode.claim", "decode.decoded", "filter.judged", "dispatch.claim",
               "dispatch.sending", "dispatch.sent", "settle.settled")  # fmt: skip

        def prepare(self) -> None:
            super().prepare()
            self.env["EZCOLD_LEDGER_URL"] = postgres_url

        def configure(self, launcher: str = "", send_to: str = "s1", more: str = "", **scenarios: str) -> None:
            super().configure(launcher or f"l{self.random.randrange(1 << 60)}", send_to, more, **scenarios)

    kill_everywhere(zygote, PostgresWorld, tmp_path)
