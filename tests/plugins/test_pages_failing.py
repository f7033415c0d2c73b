"""Why a launcher fails is said in words: real runs of Airflow on what is not there, and the pages after them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from ezcold_operators.ledger.events import Event, record
from ezcold_operators.ledger.ledger import Ledger
from tests.airflow_runs import write
from tests.plugins.conftest import Site, airflow_runs, folder_launcher, free_port, mail_launcher, text

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]


@pytest.fixture
def broken(site: Site) -> Iterator[list[str]]:
    """A mailbox on a server that is down, a folder that is not there, and one with a file that is at fault."""
    names = ["panne_boite", "panne_repertoire", "panne_fichier"]
    write(site.launchers / "panne_boite.yaml", mail_launcher("panne_boite", "En panne", "imap", "INBOX", "factures"))
    for name in names[1:]:
        write(site.launchers / f"{name}.yaml", folder_launcher(site.root, name, mismatch="quarantine"))
    (site.root / "in" / "panne_fichier").mkdir()
    (site.root / "in" / "panne_fichier" / "scan.pdf").write_bytes(b"\x89PNG\r\n\x1a\nnot a PDF")
    yield names
    for name in names:
        (site.launchers / f"{name}.yaml").unlink()


def test_a_server_that_is_down_is_said_to_be(site: Site, broken: list[str]) -> None:
    nobody = f"imap://compte:hunter2@127.0.0.1:{free_port()}?security=none"
    states = airflow_runs(site, *broken, AIRFLOW_CONN_BOITE_PANNE_BOITE=nobody)
    assert states == "panne_boite failed panne_repertoire failed panne_fichier failed"
    with site.client("admin", "fr") as admin, site.client("admin") as english:
        listed = text(admin.get("/launchers?q=panne_"))
        assert "serveur injoignable depuis 0 min" in listed
        assert "source inaccessible depuis 0 min" in listed
        assert "1 en quarantaine" in listed
        assert "server unreachable for 0 min" in text(english.get("/launchers?q=panne_boite"))
        page = english.get("/launchers/panne_boite").text
        assert "Its runs have failed since" in page
        assert "127.0.0.1" in page
        assert "hunter2" not in page
        assert "panne_repertoire" in text(english.get("/launchers/panne_repertoire")).split("have failed since")[1]
        assert "scan.pdf" in text(english.get("/launchers/panne_fichier")).split("have failed since")[1][:300]
        # The next run is at work, or waits: that ends no outage.
        assert admin.send("/launchers/panne_boite/run").status_code == 303
        assert "serveur injoignable depuis 0 min" in text(admin.get("/launchers/panne_boite"))
    (site.root / "in" / "panne_repertoire").mkdir()
    assert airflow_runs(site, "panne_repertoire") == "panne_repertoire success"
    with site.client("admin") as admin:
        page = text(admin.get("/launchers/panne_repertoire"))
        assert "unreachable" not in page
        assert "have failed since" not in page


def test_since_when_is_the_cause_s_own_time_within_the_row_of_failures(site: Site) -> None:
    """An hour of refused logins, then the server goes: it is unreachable since then, not since the first failure."""
    from ezcold_ui import troubles
    from ezcold_ui.scheduler import Timing

    now = datetime.now(UTC)
    seen = [(9, "login"), (3, "login"), (2, "source"), (1, "source")]
    with Ledger.open(f"sqlite:///{site.ledger}") as book:
        with book.transaction("test") as conn:
            for hours, kind in seen:
                at = (now - timedelta(hours=hours)).timestamp()
                record(conn, at, f"r{hours}", "panne_longue", [Event(f"unable:{kind}", detail=f"{kind} {hours}")])
        timings = {
            "panne_longue": Timing(failing_since=now - timedelta(hours=4), failed_run_id="r1"),
            "panne_sans_mot": Timing(failing_since=now - timedelta(hours=5), failed_run_id="r1"),
            "tout_va_bien": Timing(),
        }
        found = troubles.failing(timings, book)
    assert set(found) == {"panne_longue", "panne_sans_mot"}
    assert (found["panne_longue"].kind, list(found["panne_longue"].sentences)) == ("source", ["source 1"])
    assert found["panne_longue"].since == pytest.approx(now - timedelta(hours=2), abs=timedelta(seconds=1))
    assert found["panne_sans_mot"].kind == ""
    assert found["panne_sans_mot"].since == pytest.approx(now - timedelta(hours=5), abs=timedelta(seconds=1))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("login", "connexion refusée depuis 3 h"),
        ("configuration", "configuration à corriger depuis 3 h"),
        ("scenario", "scénario indisponible depuis 3 h"),
        ("stage", "disque inutilisable depuis 3 h"),
        ("unforeseen", "erreur imprévue depuis 3 h"),
        ("other", "en échec depuis 3 h"),
        ("", "en échec depuis 3 h"),
    ],
)
def test_each_kind_has_its_words(kind: str, words: str) -> None:
    from ezcold_ui import troubles
    from ezcold_ui.troubles import Failing

    from ezcold_operators import i18n

    with i18n.speaking("fr"):
        assert troubles.in_words(Failing(datetime.now(UTC), kind), None, "3 h") == words
