"""How fast the pages are: searches over a million documents on PostgreSQL, and the list of 1,000 launchers.

A real PostgreSQL (fresh, default settings but fsync), a real API server. Each figure is the worst of several in turn,
after one that warms up. Exit 1 if a bound is missed: 300 ms for a search, 500 ms for a page.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx2
from sqlalchemy import text

sys.path.insert(0, str(Path(__file__).parent.parent))

from ezcold_operators.ledger import pages
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.ledger.pages import Search
from tests.airflow_runs import write
from tests.plugins.conftest import serving
from tests.servers.postgres import postgres

ROWS, LAUNCHERS = 1_000_000, 1000
SEARCH_MS, PAGE_MS = 300.0, 500.0
ROUNDS = 5
FILL = (
    """INSERT INTO item (id, launcher, source_key, fingerprint, place, name, handle, size, sha256, received_at, sender,
         recipients, subject, message_id, state, reason, attempts, run_id, staged_at, settled_at)
       SELECT n, 'lanceur_' || n % :launchers, 'imap:' || n, 'f' || n, 'p', '', '{}', 50000,
         md5(n::text) || md5(n::text), :now - (:rows - n) * 3.0,
         'compta' || n % 5000 || '@fournisseur' || n % 977 || '.fr', '', 'Facture ' || n || ' du client ' || n % 7919,
         '<' || n || '@x>',
         CASE WHEN n % 5000 = 0 THEN 'quarantined' WHEN n > :rows - 300 THEN 'decoded' ELSE 'settled' END,
         '', 0, 'r', :now - (:rows - n) * 3.0, NULL
       FROM generate_series(1, :rows) n""",
    """INSERT INTO document (id, item_id, launcher, path, name, media_type, role, inline, size, sha256, metadata,
         verdict, reason)
       SELECT n, n, 'lanceur_' || n % :launchers, '1',
         'facture_' || n || CASE WHEN n % 3 = 0 THEN '.xml' ELSE '.pdf' END, 'application/pdf', 'attachment', false,
         40000, md5((n * 7)::text) || md5(n::text), '{}', 'accepted', ''
       FROM generate_series(1, :rows) n""",
    """INSERT INTO delivery (id, document_id, item_id, launcher, scenario, state, driver, token, part, final, identity,
         receipt, attempts, last_error, owed_at, sent_at)
       SELECT n, n, n, 'lanceur_' || n % :launchers, CASE WHEN n % 100000 = 7 THEN 'rare' ELSE 'factures' END,
         CASE WHEN n > :rows - 300 THEN 'owed' ELSE 'sent' END, 'folder', '', '', '', '', '', 0, '', 0, 0
       FROM generate_series(1, :rows) n""",
    """INSERT INTO event (at, run_id, launcher, item_id, document_id, what, detail)
       SELECT :now - (:rows - n) * 3.0, 'r', 'lanceur_' || n % :launchers, n, n, 'sent', 'factures: x'
       FROM generate_series(1, :rows) n""",
)


def fill(book: Ledger, now: float) -> None:
    """A million mails of one document each, in the last 35 days."""
    with book.transaction("benchmark") as conn:
        for statement in FILL:
            values = {"rows": ROWS, "launchers": LAUNCHERS, "now": now}
            conn.execute(text(statement), {k: v for k, v in values.items() if f":{k}" in statement})
    with book.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text("VACUUM ANALYZE"))


def worst(deed: Callable[[], Any]) -> float:
    """Milliseconds of the slowest of several, after one that warms up."""
    deed()
    times = []
    for _round in range(ROUNDS):
        begun = perf_counter()
        deed()
        times.append((perf_counter() - begun) * 1000)
    return max(times)


def searches(now: float) -> dict[str, tuple[Search, int | None, list[str] | None]]:
    """What people look for: common and rare, new and old."""
    some = [f"lanceur_{n}" for n in range(0, LAUNCHERS, 2)]
    return {
        "newest": (Search(), None, None),
        "newest, half of the launchers readable": (Search(), None, some),
        "page 10,000": (Search(), ROWS // 2, None),
        "name, rare": (Search("facture_123456.pdf"), None, None),
        "name, common": (Search("facture"), None, None),
        "name, none": (Search("introuvable"), None, None),
        "name, three letters, none": (Search("zqx"), None, None),
        "name, two letters, common": (Search("fa"), None, None),
        "sender": (Search("compta4711@"), None, None),
        "subject": (Search("client 7001"), None, None),
        "subject of one launcher": (Search("client 7001", launcher="lanceur_7"), None, None),
        "name, half readable": (Search("facture_99"), None, some),
        "sha256": (Search("a87ff679a2f3e71d9181a67b7542122c"), None, None),
        "scenario, rare": (Search(scenario="rare"), None, None),
        "scenario, rare, and text": (Search("facture", scenario="rare"), None, None),
        "scenario, common": (Search(scenario="factures"), None, None),
        "a day": (Search(since=now - 86400 * 20, until=now - 86400 * 19), None, None),
        "a day of one launcher": (Search("", "lanceur_7", since=now - 86400 * 20, until=now - 86400 * 19), None, None),
        "a day before all": (Search(since=0, until=86400), None, None),
        "run of one launcher": (Search("", "lanceur_7", run_id="r"), None, None),
    }


def ledger_times(book: Ledger, now: float) -> dict[str, float]:
    """Milliseconds of each search and count."""
    found = {}
    for name, (search, before, readable) in searches(now).items():

        def look(s: Search = search, b: int | None = before, r: list[str] | None = readable) -> None:
            with book.read() as conn:
                pages.documents(conn, r, s, b)

        found[name] = worst(look)
    for name, deed in {
        "what is open": pages.counts,
        "launchers known": pages.known,
        "quarantine": lambda conn: pages.quarantine(conn, None),
    }.items():

        def count(d: Callable[[Any], Any] = deed) -> None:
            with book.read() as conn:
                d(conn)

        found[name] = worst(count)
    return found


def lay_out(root: Path) -> None:
    """1,000 launchers."""
    (root / "wait").mkdir()
    scenario = {"driver": "folder", "path": str(root / "wait")}
    write(root / "scenarios.yaml", {"scenarios": {"factures": scenario, "rare": {**scenario, "path": str(root / "r")}}})
    for n in range(LAUNCHERS):
        source = {"protocol": "imap", "connection": f"boite_{n}", "path": "INBOX"}
        routes = [{"extensions": ["pdf"], "send_to": ["factures"]}, {"extensions": ["*"], "send_to": ["rare"]}]
        name = f"lanceur_{n}"
        write(root / "launchers" / f"{name}.yaml", {"launcher": name, "source": source, "routes": routes})


def page_times(root: Path, url: str) -> tuple[float, dict[str, float]]:
    """(milliseconds of the very first page, of each page after that)."""
    lay_out(root)
    with serving(root, {"EZCOLD_LEDGER_URL": url}) as site:
        with httpx2.Client(
            base_url=f"{site.url}/ezcold", cookies={"_token": site.token("admin")}, timeout=60
        ) as client:
            begun = perf_counter()
            client.get("/launchers").raise_for_status()
            first = (perf_counter() - begun) * 1000
            paths = ["/launchers", "/launchers?p=7", "/launchers?q=lanceur_99", "/launchers/lanceur_7", "/documents",
                     "/documents?text=facture_123456.pdf", "/documents?text=client+7001", "/items/500000",
                     "/quarantine", "/dags/lanceur_7/documents", "/launchers/lanceur_7/edit", "/accounts"]  # fmt: skip
            return first, {path: worst(lambda p=path: client.get(p).raise_for_status()) for path in paths}


def main() -> int:
    """Print the figures; 1 if a bound is missed."""
    from time import time

    now = time()
    missed = 0
    with postgres() as url, tempfile.TemporaryDirectory(prefix="ezcold-bench-pages-") as folder:
        with Ledger.open(url) as book:
            begun = perf_counter()
            fill(book, now)
            print(f"{ROWS:,} documents of {LAUNCHERS:,} launchers in {perf_counter() - begun:.0f} s")
            for name, ms in ledger_times(book, now).items():
                missed += ms > SEARCH_MS
                print(f"  ledger  {name:42} {ms:7.1f} ms", flush=True)
        first, times = page_times(Path(folder), url)
        print(f"  page    {'the first, all files read':42} {first:7.1f} ms")
        for name, ms in times.items():
            missed += ms > PAGE_MS
            print(f"  page    {name:42} {ms:7.1f} ms", flush=True)
    print(f"bounds: {SEARCH_MS:.0f} ms a search, {PAGE_MS:.0f} ms a page: {missed} missed")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
