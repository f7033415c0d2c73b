"""What the ledger forgets, what it never does; and what a person is told without asking."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from ezcold_operators.config.credentials import Credentials, resolve
from ezcold_operators.config.launcher import Launcher
from ezcold_operators.config.settings import Settings
from ezcold_operators.ledger import watching
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.ledger.tables import delivery, document, event, item
from ezcold_operators.rooms import prune, watch

DAY = watching.DAY
NOW = 1_780_000_000.0


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/home/ledger.db"
    else:
        url = request.getfixturevalue("postgres_url")
    with Ledger.open(url) as one:
        yield one


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("EZCOLD_HOME", str(tmp_path / "home"))
    return Settings.from_env()


class Rows:
    """Rows written straight into the ledger, at times of our choice."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.serial = ledger, 0

    def item(self, at: float, launcher: str = "l1", state: str = "settled", events: tuple[str, ...] = ()) -> int:
        self.serial += 1
        row = {"launcher": launcher, "source_key": f"k{self.serial}", "fingerprint": "f", "place": "p", "state": state,
               "sha256": f"{self.serial:064x}", "staged_at": at}  # fmt: skip
        with self.ledger.transaction("test.item") as conn:
            if state == "settled":
                row["settled_at"] = at
            item_id = conn.execute(insert(item).values(row)).inserted_primary_key[0]  # type: ignore[index]
            for what in events:
                conn.execute(
                    insert(event).values(at=at, run_id="r", launcher=launcher, item_id=item_id, what=what, detail="")
                )
        return int(item_id)

    def owe(self, item_id: int, at: float, state: str = "owed", launcher: str = "l1") -> None:
        with self.ledger.transaction("test.owe") as conn:
            row: dict[str, Any] = {"item_id": item_id, "launcher": launcher, "path": "1", "size": 1, "sha256": "s"}
            doc = conn.execute(insert(document).values(row)).inserted_primary_key[0]  # type: ignore[index]
            row = {"document_id": doc, "item_id": item_id, "launcher": launcher, "scenario": "s", "state": state}
            conn.execute(insert(delivery).values(**row, owed_at=at))

    def events(self) -> list[tuple[int | None, str]]:
        with self.ledger.read() as conn:
            found = conn.execute(select(event.c.item_id, event.c.what).order_by(event.c.id))
            return [(row.item_id, row.what) for row in found]

    def count(self) -> int:
        with self.ledger.read() as conn:
            return int(conn.execute(select(func.count()).select_from(item)).scalar_one())


def test_only_events_of_items_long_settled_that_owe_nothing_are_forgotten(ledger: Ledger) -> None:
    rows = Rows(ledger)
    old, young = NOW - 500 * DAY, NOW - 300 * DAY
    rows.item(old, events=("fetched", "sent", "settled"))
    kept = [
        rows.item(young, events=("fetched",)),
        rows.item(old, state="quarantined", events=("quarantined",)),
        rows.item(old, state="decoded", events=("decoded",)),
        rows.item(old, events=("dismissed",)),
    ]
    resent = rows.item(old, events=("resent",))
    rows.owe(resent, old)
    assert prune.prune(ledger, 400 * DAY, NOW) == 3
    assert [item_id for item_id, _what in rows.events()] == [*kept, resent]
    assert rows.count() == 6
    assert prune.prune(ledger, 400 * DAY, NOW) == 0


def test_forgetting_in_batches_reaches_the_end(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune, "BATCH", 2)
    rows = Rows(ledger)
    for _n in range(5):
        rows.item(NOW - 500 * DAY, events=("fetched",))
    assert prune.prune(ledger, 400 * DAY, NOW) == 5
    assert rows.events() == []


def test_the_disk_in_bytes(tmp_path: Path) -> None:
    assert (prune.disk(tmp_path / "none").stage, prune.disk(tmp_path / "none").backups) == (0, {})
    for path, size in (("stage/blobs/aa/x", 10), ("backup/l1/2026-01-01/1 a/a.pdf", 7), ("backup/l2/b", 5)):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * size)
    found = prune.disk(tmp_path)
    assert (found.stage, found.backups) == (10, {"l1": 7, "l2": 5})
    assert 0 < found.free <= found.total


def launcher(name: str = "l1", **over: Any) -> Launcher:
    content = {
        "launcher": name,
        "schedule": "*/5 * * * *",
        "source": {"protocol": "folder", "path": "/data/in/*.*"},
        "routes": [{"extensions": ["*"], "send_to": ["s"]}],
        **over,
    }
    return Launcher.model_validate(content)


def alarms(ledger: Ledger, settings: Settings, *launchers: Launcher, now: float = NOW) -> list[str]:
    return watch.alarms(ledger, settings, launchers, resolve, now)


def test_all_is_well_is_silence(ledger: Ledger, settings: Settings) -> None:
    rows = Rows(ledger)
    for day in range(30):
        rows.item(NOW - day * DAY - 3600)
    assert alarms(ledger, settings, launcher()) == []


def test_a_launcher_that_falls_silent_is_told_with_its_usual_number(ledger: Ledger, settings: Settings) -> None:
    rows = Rows(ledger)
    for day in range(3, 33):
        for hour in range(8):
            rows.item(NOW - day * DAY - hour * 3600)
    (told,) = alarms(ledger, settings, launcher())
    assert told.startswith("l1: normally gets 8 a day, nothing for 3 days")
    assert alarms(ledger, settings, launcher(schedule=None)) == []
    archive = launcher(reprise={"by": "modified", "every": "month"}, schedule=None)
    assert alarms(ledger, settings, archive) == []


def test_a_weekend_is_no_silence_where_weekends_are_silent(ledger: Ledger, settings: Settings) -> None:
    rows = Rows(ledger)
    friday = NOW
    for week in range(8):
        for day in range(5):
            rows.item(friday - (7 * week + day) * DAY)
    assert alarms(ledger, settings, launcher(), now=friday + 3 * DAY) == []
    (told,) = alarms(ledger, settings, launcher(), now=friday + 6 * DAY)
    assert "nothing for 6 days" in told


def test_a_launcher_with_little_past_has_no_rhythm(ledger: Ledger, settings: Settings) -> None:
    rows = Rows(ledger)
    for day in range(5):
        rows.item(NOW - 30 * DAY - day * DAY)
    assert alarms(ledger, settings, launcher()) == []


def test_old_debts_and_fresh_quarantine_are_told(ledger: Ledger, settings: Settings) -> None:
    rows = Rows(ledger)
    rows.owe(rows.item(NOW - 3600, state="decoded"), NOW - 30 * 3600)
    rows.item(NOW - 3600, state="quarantined", events=("quarantined",))
    rows.item(NOW - 5 * DAY, state="quarantined", events=("quarantined",))
    debts, held = sorted(alarms(ledger, settings, launcher()))
    assert "1 items came into quarantine since yesterday, 2 are there" in debts + held
    assert "1 deliveries are owed, the oldest for 30 hours" in debts + held
    with ledger.transaction("test.paid") as conn:
        conn.execute(update(delivery).values(state="sent"))
        conn.execute(update(event).values(at=NOW - 3 * DAY))
    assert alarms(ledger, settings, launcher()) == []


def test_a_launcher_without_a_file_that_owes_is_told_but_not_one_whose_file_is_wrong(
    ledger: Ledger, settings: Settings
) -> None:
    rows = Rows(ledger)
    rows.owe(rows.item(NOW - 3600, launcher="gone", state="decoded"), NOW - 3600, launcher="gone")
    (told,) = alarms(ledger, settings, launcher())
    assert told.startswith("gone: has no file any more and still owes")
    assert watch.alarms(ledger, settings, [launcher()], resolve, NOW, known=["gone"]) == []


def test_a_secret_that_ends_is_told(ledger: Ledger, settings: Settings) -> None:
    def credentials(conn_id: str) -> Credentials:
        extra = {"tenant": "t", "client_id": "c", "client_secret": "s", "client_secret_expires": "2026-01-01"}
        return Credentials(conn_id=conn_id, extra=extra)

    source = {"protocol": "o365", "connection": "box", "mailbox": "factures@example.fr"}
    (told,) = watch.alarms(ledger, settings, [launcher(source=source)], credentials, time.time())
    assert told.startswith("l1: Connection box: `client_secret` ended on 2026-01-01")


def test_the_gauges_of_a_launcher(ledger: Ledger) -> None:
    rows = Rows(ledger)
    rows.owe(rows.item(NOW - 3600, state="decoded"), NOW - 100)
    with ledger.read() as conn:
        found = list(watch.metrics(watching.standings(conn, NOW), NOW))
    assert found == [("l1", "owed", 1), ("l1", "in_quarantine", 0), ("l1", "oldest_owed_seconds", 100.0)]
