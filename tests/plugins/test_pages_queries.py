"""The pages' questions to the ledger, on SQLite and PostgreSQL, against the same answers worked out in Python."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, insert, text

from ezcold_operators.ledger import pages
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.ledger.pages import Counts, Search
from ezcold_operators.ledger.tables import delivery, document, event, item

COUNT = 120


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def book(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """One ledger for all of this module: nothing here writes."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('book')}/ledger.db"
    else:
        server = request.getfixturevalue("postgres_server")
        admin = create_engine(server, isolation_level="AUTOCOMMIT")
        with admin.connect() as conn:
            conn.execute(text("CREATE DATABASE pages TEMPLATE template0"))
        admin.dispose()
        url = server.rsplit("/", 1)[0] + "/pages"
    with Ledger.open(url) as opened:
        with opened.transaction("test") as conn:
            conn.execute(insert(item), items())
            conn.execute(insert(document), documents())
            conn.execute(insert(delivery), deliveries())
            conn.execute(insert(event), events())
        yield opened


def launcher(n: int) -> str:
    return ("alpha", "beta", "été")[n % 3]


def items() -> list[dict[str, Any]]:
    states = {0: "quarantined", 1: "decoded"}
    return [
        {
            "id": n, "launcher": launcher(n), "source_key": f"k{n}", "fingerprint": "f", "place": "p", "name": "",
            "subject": f"Objet {n} 100%", "sender": f"a{n}@x.fr", "state": states.get(n % 10, "settled"),
            "sha256": f"{n:064x}", "staged_at": float(n * 97 % COUNT),
        }
        for n in range(1, COUNT + 1)
    ]  # fmt: skip


def documents() -> list[dict[str, Any]]:
    return [
        {
            "id": n, "item_id": n, "launcher": launcher(n), "path": "1", "name": f"pièce_{n}.pdf", "size": n,
            "sha256": f"{n + 0xABCDEF00:064x}", "verdict": "quarantined" if n % 7 == 0 else "accepted",
        }
        for n in range(1, COUNT + 1)
    ]  # fmt: skip


def deliveries() -> list[dict[str, Any]]:
    states = ("sent", "owed", "quarantined", "dismissed")
    return [
        {
            "document_id": n, "item_id": n, "launcher": launcher(n), "scenario": "rare" if n % 40 == 0 else "cold",
            "state": states[n % 4], "owed_at": 0.0,
        }
        for n in range(1, COUNT + 1)
    ]  # fmt: skip


def events() -> list[dict[str, Any]]:
    return [
        {"at": float(n), "run_id": f"run{n % 5}", "launcher": launcher(n), "item_id": n, "what": what, "detail": ""}
        for n in range(1, COUNT + 1)
        for what in ("fetched", "sent")
    ]


def through(book: Ledger, readable: list[str] | None, search: Search, limit: int = 7) -> list[int]:
    """Every page, one after the other."""
    found: list[int] = []
    before = None
    while True:
        with book.read() as conn:
            rows = pages.documents(conn, readable, search, before, limit)
        found += [row["id"] for row in rows]
        if len(rows) < limit:
            return found
        before = rows[-1]["id"]


def stamp(n: int) -> float:
    return float(n * 97 % COUNT)


@pytest.mark.parametrize("dated", [False, True])
@pytest.mark.parametrize(
    ("search", "wanted"),
    [
        (Search(), lambda n: True),
        (Search("PIÈCE_1"), lambda n: str(n).startswith("1")),
        (Search("objet 11"), lambda n: str(n).startswith("11")),
        (Search("100%"), lambda n: True),
        (Search("1_0"), lambda n: False),
        (Search("a7@"), lambda n: n == 7),
        (Search(f"{0xABCDEF07:064x}"), lambda n: n == 7),
        (Search(f"{7:064X}"), lambda n: n == 7),
        (Search(launcher="été"), lambda n: n % 3 == 2),
        (Search(scenario="rare"), lambda n: n % 40 == 0),
        (Search("pièce", "beta", "cold"), lambda n: n % 3 == 1 and n % 40),
        (Search("", "beta", "", "run1"), lambda n: n % 3 == 1 and n % 5 == 1),
        (Search("\x00\ud800'\""), lambda n: False),
    ],
)
@pytest.mark.parametrize("readable", [None, ["alpha", "beta"], []])
def test_all_pages_together_are_the_answer(
    book: Ledger, search: Search, wanted: Any, dated: bool, readable: list[str] | None
) -> None:
    chosen = [n for n in range(1, COUNT + 1) if wanted(n) and (readable is None or launcher(n) in readable)]
    if dated:
        search = Search(search.text, search.launcher, search.scenario, search.run_id, 20.0, 90.0)
        chosen = [n for n in chosen if 20 <= stamp(n) < 90]
        expected = sorted(chosen, key=lambda n: (stamp(n), n), reverse=True)
    else:
        expected = sorted(chosen, reverse=True)
    assert through(book, readable, search) == expected


def test_what_is_open(book: Ledger) -> None:
    with book.read() as conn:
        counts = pages.counts(conn)
        held = pages.quarantine(conn, None, limit=1000)
        some = pages.quarantine(conn, ["alpha"], before=60, limit=1000)
        known = pages.known(conn)
    numbers = range(1, COUNT + 1)
    bad = [n for n in numbers if n % 10 == 0 or n % 4 == 2 or (n % 7 == 0 and n % 10 < 2)]
    assert held == sorted(bad, reverse=True)
    assert some == [n for n in held if n < 60 and n % 3 == 0]
    assert sorted(known) == ["alpha", "beta", "été"]
    for k, name in enumerate(("alpha", "beta", "été")):
        mine = [n for n in numbers if n % 3 == k]
        assert counts[name] == Counts(
            sum(n % 10 < 2 for n in mine), sum(n % 4 == 1 for n in mine), sum(n in bad for n in mine)
        )


def test_days_and_runs(book: Ledger) -> None:
    with book.read() as conn:
        assert pages.sent_between(conn, 1.0, 4.0) == {"beta": 1, "été": 1, "alpha": 1}
        assert pages.sent_between(conn, 1000.0, 1001.0) == {}
        runs = pages.by_run(conn, "alpha", ["run0", "run1"])
    mine = [n for n in range(1, COUNT + 1) if n % 3 == 0 and n % 5 == 0]
    assert sum(runs["run0"].values()) == len(mine)
    assert runs["run0"]["quarantined"] == sum(n % 10 == 0 for n in mine)


@pytest.mark.postgres
def test_search_by_part_of_a_name_has_an_index(postgres_url: str) -> None:
    with Ledger.open(postgres_url) as book, book.engine.connect() as conn:
        names = set(
            conn.execute(text("SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%gin_trgm_ops%'")).scalars()
        )
    assert names == {
        "ix_document_name_trigrams", "ix_item_name_trigrams", "ix_item_subject_trigrams", "ix_item_sender_trigrams",
    }  # fmt: skip


@pytest.mark.postgres
def test_without_the_right_to_the_extension_the_ledger_still_opens(postgres_url: str) -> None:
    from sqlalchemy.engine import make_url

    url = make_url(postgres_url)
    admin = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as conn:
        conn.execute(text("DROP ROLE IF EXISTS plain"))
        conn.execute(text("CREATE ROLE plain LOGIN PASSWORD 'plain'"))
        conn.execute(text("GRANT ALL ON SCHEMA public TO plain"))
        conn.execute(text(f'REVOKE CREATE ON DATABASE "{url.database}" FROM PUBLIC'))
    plain = url.set(username="plain", password="plain").render_as_string(hide_password=False)
    try:
        with Ledger.open(plain) as book, book.read() as conn:
            assert pages.documents(conn, None, Search("x")) == []
    finally:
        with admin.connect() as conn:
            conn.execute(text("DROP OWNED BY plain"))
            conn.execute(text("DROP ROLE plain"))
        admin.dispose()
