"""What the pages do, over HTTP with a real API server: look, test, run, search, download, quarantine, edit, sign in."""

from __future__ import annotations

import html
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from ezcold_operators.config.launcher import Launcher
from ezcold_operators.config.loader import load_launcher, load_scenarios
from ezcold_operators.config.settings import Settings
from ezcold_operators.config.yaml import parse
from ezcold_operators.rooms.base import River
from ezcold_operators.rooms.fetch import fetch
from ezcold_operators.rooms.river import Run
from ezcold_operators.sources.base import Window
from tests.airflow_runs import write
from tests.plugins.conftest import HOSTILE, Site, folder_launcher, take, text
from tests.servers.graph import GraphServer

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]


def rows(site: Site, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with sqlite3.connect(site.ledger) as book:
        return book.execute(query, values).fetchall()


def until(what: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def test_the_list_says_how_each_launcher_stands(site: Site) -> None:
    with site.client("admin", "fr") as admin:
        page = text(admin.get("/launchers"))
        assert "Cassé casse Actions Cassé Ouvrir le DAG – – YAML invalide, ligne 1" in page
        assert "3 en quarantaine" in page or "4 en quarantaine" in page
        assert "Boîte O365" in page
        assert "factures_scan" in text(admin.get("/launchers?q=SCAN"))
        assert "paie_secret" not in text(admin.get("/launchers?q=SCAN"))
        assert admin.get("/launchers?p=999").status_code == 200
    with site.client("admin") as admin:
        assert "invalid YAML, line 1" in text(admin.get("/launchers"))
        chart = admin.get("/launchers?q=factures_scan").text
        assert 'aria-label="3 documents sent in 30 days, 3 today"' in chart


def test_each_line_of_the_list_has_what_is_done_with_a_launcher(site: Site) -> None:
    deeds = ["test", "plan", "run", "pause"]
    with site.client("admin") as admin, site.client("viewer") as viewer:
        page = admin.get("/launchers?q=factures_scan").text
        assert re.findall(r'formaction="/ezcold/launchers/factures_scan/(\w+)"', page) == deeds
        assert 'href="/dags/factures_scan"' in page
        assert "formaction" not in admin.get("/launchers?q=casse").text
        seen = viewer.get("/launchers?q=factures_scan").text
        assert "formaction" not in seen
        assert 'href="/dags/factures_scan"' in seen


def test_one_launcher_in_words_and_a_name_to_try(site: Site) -> None:
    with site.client("admin", "fr") as admin:
        page = admin.get("/launchers/factures_scan").text
        assert "Factures &lt;b&gt;numérisées&lt;/b&gt;" in page
        assert "<b>numérisées" not in page
        for name, verdict in (("a.pdf", "accepted"), ("Thumbs.db", "rejected"), ("brouillon.pdf", "rejected")):
            found = admin.get("/launchers/factures_scan/try", params={"name": name}).json()
            assert found["verdict"] == verdict
        assert "refus" in text(admin.get("/launchers/factures_scan?name=Thumbs.db"))
        assert "imapp" in text(admin.get("/launchers/casse"))
        assert admin.get("/launchers/nulle_part").status_code == 404


def test_the_connection_is_tested_by_the_command_line_s_own_code(site: Site) -> None:
    with site.client("admin") as admin:
        page = text(admin.send("/launchers/factures_scan/test"))
        assert "All is well" in page
        assert "scenario factures:" in page
        (site.root / "wait" / "factures").rename(site.root / "wait" / "away")
        try:
            assert "Something is not well" in text(admin.send("/launchers/factures_scan/test"))
        finally:
            (site.root / "wait" / "away").rename(site.root / "wait" / "factures")


def test_a_dry_run_shows_where_and_why_not_and_changes_nothing(site: Site) -> None:
    new = [site.root / "in" / "factures_scan" / name for name in ("neuf.pdf", "neuf.doc", f"x{HOSTILE}")]
    for file in new:
        file.write_bytes(b"%PDF-1.4\nneuf" + file.name.encode())
    before = rows(site, "SELECT count(*) FROM event")
    try:
        with site.client("admin") as admin:
            answer = admin.send("/launchers/factures_scan/plan")
            page = text(answer)
            assert "3 items would be taken" in page
            assert "neuf.pdf 13 B factures" in page.replace("21 B", "13 B")
            assert "no route takes the extension .doc" in page
            assert "<img" not in answer.text
    finally:
        for file in new:
            assert file.exists()
            file.unlink()
    assert rows(site, "SELECT count(*) FROM event") == before


def test_run_now_and_pause_are_airflow_s(site: Site) -> None:
    with site.client("admin") as admin:
        answer = admin.send("/launchers/factures_scan/run")
        assert (answer.status_code, answer.headers["location"]) == (303, "/ezcold/launchers/factures_scan?said=run")
        for paused, said in (("0", "resumed"), ("1", "paused")):
            answer = admin.send("/launchers/factures_scan/pause", {"paused": paused})
            assert answer.headers["location"].endswith(f"said={said}")
            dag = admin.get(f"{site.url}/api/v2/dags/factures_scan").json()
            assert dag["is_paused"] is (paused == "1")
        runs = admin.get(f"{site.url}/api/v2/dags/factures_scan/dagRuns").json()["dag_runs"]
        assert [run["run_type"] for run in runs] == ["manual"]
        assert runs[0]["triggering_user_name"] == "admin"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"text": "FACTURE_1"}, {"facture_1.pdf"}),
        ({"text": "acture_", "launcher": "factures_scan"}, {"facture_1.pdf", "facture_2.pdf"}),
        ({"text": "100%_"}, set()),
        ({"launcher": "factures_scan", "scenario": "clients"}, set()),
        ({"launcher": "paie_secret", "scenario": "factures"}, {"bulletin_dupont.pdf"}),
        ({"launcher": "factures_scan", "until": "2001-01-01"}, set()),
        ({"launcher": "paie_secret", "since": "2001-01-01", "until": "2999-01-01"}, {"bulletin_dupont.pdf"}),
        ({"text": "onerror=alert", "launcher": "douteux"}, {f"faux {HOSTILE}"}),
        ({"since": "9999-12-31", "until": "9999-12-31"}, set()),
        ({"since": "nonsense"}, None),
    ],
)
def test_documents_are_found_by_what_is_known_of_them(
    site: Site, query: dict[str, str], names: set[str] | None
) -> None:
    with site.client("admin") as admin:
        page = admin.get("/documents", params=query).raise_for_status().text
    found = {html.unescape(name) for name in re.findall(r'data-label="Document"><b class="name">([^<]*)</b>', page)}
    assert names is None or found == names


def test_a_document_is_found_by_its_sha256_and_its_story_told(site: Site) -> None:
    ((number, item, sha256),) = rows(
        site, "SELECT id, item_id, sha256 FROM document WHERE name = 'facture_1.pdf' AND launcher = 'factures_scan'"
    )
    with site.client("admin") as admin:
        for part in (sha256, sha256[:12].upper()):
            assert "facture_1.pdf" in text(admin.get("/documents", params={"text": part}))
        story = text(admin.get(f"/items/{item}"))
        assert re.search(r"fetched .* decoded, documents: 1 .* accepted for factures .* sent to factures: ", story)
        got = admin.get(f"/documents/{number}/download")
        assert got.content == b"%PDF-1.4\n%%EOF\nfacture_1.pdf"
        assert "downloaded by admin" in text(admin.get(f"/items/{item}"))


def test_what_is_downloaded_is_never_shown(site: Site) -> None:
    ((number,),) = rows(site, "SELECT id FROM document WHERE name = ?", HOSTILE)
    with site.client("viewer") as viewer:
        got = viewer.get(f"/documents/{number}/download").raise_for_status()
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["x-content-type-options"] == "nosniff"
    disposition = got.headers["content-disposition"]
    assert disposition.startswith('attachment; filename="')
    assert "<" not in disposition
    assert len(re.findall('"', disposition)) == 2


@pytest.mark.parametrize("path", ["/documents", "/items/{item}", "/quarantine", "/dags/factures_scan/documents"])
def test_hostile_names_are_text(site: Site, path: str) -> None:
    ((item,),) = rows(site, "SELECT item_id FROM document WHERE name = ?", HOSTILE)
    with site.client("admin") as admin:
        page = admin.get(path.format(item=item)).text
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "{{7*7}}" in page
    assert not re.search(r"<[^>]*\son\w+\s*=", page)
    assert not re.search(r"<[^>]*\sstyle\s*=", page)


def test_the_tabs_show_one_launcher_s_and_one_run_s_documents(site: Site) -> None:
    with site.client("admin") as admin:
        assert "facture_2.pdf" in text(admin.get("/dags/factures_scan/documents"))
        of_run = admin.get("/dags/factures_scan/runs/manual__2026-11-24T10%3A00%3A00%2B00%3A00/documents")
        assert "facture_2.pdf" in text(of_run)
        assert "This run touched no document" in text(admin.get("/dags/factures_scan/runs/manual__other/documents"))
        views = admin.get(f"{site.url}/api/v2/plugins").json()["plugins"]
    ours = next(one for one in views if one["name"] == "ezcold")["external_views"]
    assert {view["destination"] for view in ours} == {"nav", "dag", "dag_run"}


def held(site: Site) -> dict[str, int]:
    found = rows(site, "SELECT name, item_id FROM document WHERE launcher = 'douteux' AND verdict = 'quarantined'")
    return {name: item for name, item in found}


def test_quarantine_is_dismissed_with_a_reason_sent_elsewhere_and_replayed(site: Site) -> None:
    with site.client("admin") as admin:
        page = text(admin.get("/quarantine"))
        assert "faux_1.pdf : faux_1.pdf is in truth image/png" in page
        waiting = held(site)
        first, second, third = (waiting[f"faux_{n}.pdf"] for n in (1, 2, 3))
        assert "Say why" in admin.send("/quarantine", {"action": "dismiss", "item": [str(first)]}).text
        assert first in held(site).values()
        answer = admin.send("/quarantine", {"action": "dismiss", "item": [str(first)], "reason": "spam <b>"})
        assert answer.headers["location"] == "/ezcold/quarantine?said=dismiss&done=1&left=0"
        assert "dismissed by admin: spam <b>" in text(admin.get(f"/items/{first}"))
        answer = admin.send("/quarantine", {"action": "send", "item": [str(second)], "scenario": "clients"})
        assert answer.headers["location"] == "/ezcold/quarantine?said=send&done=1&left=0"
        assert [file.name.split("__")[0] for file in (site.root / "wait" / "clients").iterdir()] == ["faux_2"]
        launcher = site.launchers / "douteux.yaml"
        strict = launcher.read_text()
        launcher.write_text(strict.replace("mismatch: quarantine", "mismatch: accept"))
        answer = admin.send("/quarantine", {"action": "replay", "item": [str(third), "999999"]})
        assert answer.headers["location"] == "/ezcold/quarantine?said=replay&done=1&left=1"
        take(site.root, "douteux", "manual__again")
        assert [file.name for file in (site.root / "wait" / "factures").glob("faux_3__*")]
        launcher.write_text(strict)
        assert admin.send("/quarantine", {"action": "burn", "item": [str(third)]}).status_code == 422


FORM = {
    "editing": "", "before": "", "source_of_truth": "form", "launcher": "neuf", "title": "Neuf", "protocol": "folder",
    "subfolders": "1", "after_action": "keep", "rejected_action": "keep", "filters": "/.*\\.(?!db).*/\r\n",
    "extensions_0": "PDF, xml", "send_to_0": ["factures", "clients"], "extensions_1": "*", "send_to_1": "clients",
    "schedule": "*/5 * * * *", "timezone": "Europe/Paris", "owner": "compta", "backup": "1", "keep_days": "7",
}  # fmt: skip


def test_a_launcher_is_added_changed_and_deleted(site: Site) -> None:
    file = site.launchers / "neuf.yaml"
    form = {**FORM, "path": str(site.root / "in" / "neuf" / "*")}
    with site.client("admin", "fr") as admin:
        checked = admin.send("/check", {**form, "path": "relatif", "extensions_1": "pdf"}).json()
        assert checked["problems"]
        assert "relatif" in checked["yaml"]
        checked = admin.send("/check", form).json()
        assert checked["problems"] == []
        assert {one["kind"] for one in checked["difference"]} <= {"add", "at"}
        assert admin.send("/save", {**form, "action": "preview"}).status_code == 200
        assert not file.exists()
        answer = admin.send("/save", {**form, "action": "write"})
        assert answer.headers["location"] == "/ezcold/launchers/neuf?said=saved"
        written = yaml.safe_load(file.read_text(encoding="utf-8"))
        assert written["routes"][0] == {"extensions": ["PDF", "xml"], "send_to": ["factures", "clients"]}
        assert written["filters"] == ["/.*\\.(?!db).*/"]
        assert (written["backup"], written["source"]["subfolders"]) == ({"keep_days": 7}, True)
        assert admin.send("/save", {**form, "action": "write"}).status_code in (409, 422)  # there is one by now
        page = admin.get("/launchers/neuf/edit").text
        before = re.search(r'name="before" value="(\w{64})"', page)
        assert before is not None
        file.write_text(file.read_text(encoding="utf-8") + "# somebody else was here\n", encoding="utf-8")
        late = {**form, "editing": "neuf", "before": before[1], "action": "write", "title": "Tard"}
        answer = admin.send("/save", late)
        assert answer.status_code == 409
        assert "-# somebody else was here" in html.unescape(answer.text)
        assert "somebody else" in file.read_text(encoding="utf-8")
        page = admin.get("/launchers/neuf/edit").text
        before = re.search(r'name="before" value="(\w{64})"', page)
        assert before is not None
        by_hand = file.read_text(encoding="utf-8").replace("Neuf", "Neuf à la main")
        answer = admin.send("/save", {**late, "before": before[1], "source_of_truth": "yaml", "yaml": by_hand})
        assert answer.status_code == 303
        assert file.read_text(encoding="utf-8") == by_hand
        assert "Il ne doit plus rien" in text(admin.get("/launchers/neuf/delete"))
        assert admin.send("/launchers/neuf/delete", {"before": before[1]}).status_code == 409
        page = admin.get("/launchers/neuf/delete").text
        now = re.search(r'name="before" value="(\w{64})"', page)
        assert now is not None
        assert admin.send("/launchers/neuf/delete", {"before": now[1]}).status_code == 303
        assert not file.exists()


def test_a_new_launcher_cannot_leave_its_folder_or_take_another_s_id(site: Site) -> None:
    before = sorted(file.name for file in site.launchers.iterdir())
    with site.client("admin") as admin:
        for name in ("../../etc/passwd", "A", "", "x" * 300, "é"):
            assert admin.send("/save", {**FORM, "launcher": name, "path": "/x/*", "action": "write"}).status_code == 422
        form = {**FORM, "launcher": "factures_scan", "path": "/x/*", "action": "write"}
        assert admin.send("/save", form).status_code in (409, 422)
    with site.client("fenced") as fenced:
        kept = {**FORM, "launcher": "paie_neuf", "path": "/x/*", "action": "write"}
        assert fenced.send("/save", kept).status_code == 403
    assert sorted(file.name for file in site.launchers.iterdir()) == before


def test_the_form_keeps_what_it_does_not_show(site: Site) -> None:
    file = site.launchers / "garde.yaml"
    whole = folder_launcher(site.root, "garde", limits={"max_item_mb": 3}, mismatch="quarantine", formerly=["ancien"])
    file.write_text(yaml.safe_dump(whole))
    try:
        with site.client("admin") as admin:
            form = {**FORM, "launcher": "garde", "editing": "garde", "path": whole["source"]["path"]}
            data = yaml.safe_load(admin.send("/check", form).json()["yaml"])
    finally:
        file.unlink()
    assert (data["limits"], data["mismatch"], data["formerly"]) == ({"max_item_mb": 3}, "quarantine", ["ancien"])
    assert data["source"]["settle_seconds"] == 0


@pytest.mark.parametrize(
    "title", ["0o17", "1e5", "no", "null", "~", "12:30", "a: b", "# x", "'", '"', "é", "- x", "{a}", "*a"]
)
def test_any_title_survives_the_form(site: Site, title: str) -> None:
    with site.client("admin") as admin:
        form = {**FORM, "path": str(site.root / "in" / "neuf" / "*"), "title": title, "description": title}
        found = admin.send("/check", form).json()
    assert found["problems"] == []
    assert load_launcher_text(found["yaml"]).title == title


def load_launcher_text(text: str) -> Launcher:
    return Launcher.model_validate(parse(text.encode()).data)


def test_what_a_deleted_launcher_owes_is_said(site: Site) -> None:
    with site.client("admin") as admin:
        assert "in quarantine. Once its file is gone, nobody pays them." in text(admin.get("/launchers/douteux/delete"))


def test_secrets_go_to_a_connection_and_never_come_back(site: Site) -> None:
    secret = "m0t-de-passe-sûr"
    fields = {"conn_id": "boite_neuve", "protocol": "imap", "host": "imap.exemple.fr", "port": "993",
              "login": "factures", "password": secret, "security": "tls"}  # fmt: skip
    with site.client("admin") as admin:
        assert admin.send("/connections", fields).status_code == 303
        assert secret not in admin.get("/connections/new?conn_id=boite_neuve").text
        seen = admin.get(f"{site.url}/api/v2/connections/boite_neuve").json()
        assert (seen["host"], seen["port"], seen["login"]) == ("imap.exemple.fr", 993, "factures")
        assert secret not in str(seen)
        assert admin.send("/connections", {**fields, "password": "", "host": "autre"}).status_code == 303
        for bad in ({"port": "99999"}, {"conn_id": "a b"}, {"protocol": "x"}):
            assert admin.send("/connections", {**fields, **bad}).status_code == 422
    with sqlite3.connect(site.root / "airflow" / "airflow.db") as book:
        ((password, encrypted),) = book.execute(
            "SELECT password, is_encrypted FROM connection WHERE conn_id = 'boite_neuve'"
        ).fetchall()
    assert encrypted
    assert secret not in password


def test_an_account_is_selected_by_a_code_and_unlinked(site: Site, entra: GraphServer) -> None:
    with site.client("admin", "fr") as admin, site.client("clerk") as other:
        assert "aucun compte n’est lié" in text(admin.get("/accounts"))
        answer = admin.send("/launchers/boite_o365/account")
        place = answer.headers["location"].removeprefix("/ezcold")
        page = admin.get(place).text
        (flow,) = entra.entra.flows.values()
        assert flow.user_code in page
        assert "https://microsoft.com/devicelogin" in page
        state = place.replace("/account?", "/account/state?")
        assert admin.get(state).json()["state"] == "waiting"
        assert other.get(state).status_code == 404  # another person's sign-in
        entra.entra.enter(flow.user_code, "approved", "factures@exemple.fr")
        until(lambda: admin.get(state).json()["state"] == "done")
        assert "Authentification ok" in text(admin.get(place))
        assert "factures@exemple.fr lié" in text(admin.get("/accounts"))
        assert b"rt-" not in site.ledger.read_bytes()
        assert admin.send("/launchers/boite_o365/account/unlink").status_code == 303
        assert "aucun compte n’est lié" in text(admin.get("/accounts"))


def test_a_declined_sign_in_says_so(site: Site, entra: GraphServer) -> None:
    with site.client("admin") as admin:
        place = admin.send("/launchers/boite_o365/account").headers["location"].removeprefix("/ezcold")
        (flow,) = entra.entra.flows.values()
        entra.entra.enter(flow.user_code, "declined", "")
        state = place.replace("/account?", "/account/state?")
        found = until(lambda: (now := admin.get(state).json())["state"] == "failed" and now)
        assert found["text"]
        assert admin.get("/launchers/boite_o365/account?ticket=../../x").status_code == 404


def test_the_reprise_page_tells_how_far_it_is(site: Site) -> None:
    with site.client("admin") as admin:
        assert "No backfill yet" in text(admin.get("/launchers/archive_reprise/reprise"))
        assert admin.get("/launchers/factures_scan/reprise").status_code == 404
        words = ["--dag-id", "archive_reprise", "--from-date", "2025-12-01T00:00:00+01:00", "--to-date",
                 "2026-02-01T00:00:00+01:00"]  # fmt: skip
        command = [sys.executable, "-m", "airflow", "backfill", "create", *words]
        subprocess.run(command, env=site.env, check=True, capture_output=True, cwd=site.root)
        runs = admin.get(f"{site.url}/api/v2/dags/archive_reprise/dagRuns").json()["dag_runs"]
        january = next(run for run in runs if run["data_interval_start"].startswith("2025-12-31T23:00"))
        for name in ("un.pdf", "deux.pdf"):
            (site.root / "in" / "archive_reprise" / name).write_bytes(b"%PDF-1.4\n%%EOF\n" + name.encode())
        taken_from_archive(site, january["dag_run_id"])
        page = text(admin.get("/launchers/archive_reprise/reprise"))
    assert "0 of 3 intervals are over" in page
    assert "2026-01-01 00:00 – 2026-02-01 00:00 waiting 2 0 – 0" in page
    assert "2025-12-01 00:00 – 2026-01-01 00:00 waiting 0 0 – 0" in page
    assert "What is left is known once it is counted" in page
    what_is_left(site, {run["data_interval_start"][:10]: run for run in runs}["2025-11-30"])


def test_a_reprise_by_day_over_years_is_told_whole_and_paged(site: Site) -> None:
    write(site.launchers / "longue_reprise.yaml", folder_launcher(
        site.root, "longue_reprise", reprise={"by": "modified", "every": "day"}))  # fmt: skip
    first, stamp = datetime(2025, 1, 1, 23), "{:%Y-%m-%d %H:%M:%S.%f}".format
    days = [first + timedelta(days=n) for n in range(300)]
    made = [
        (
            "longue_reprise",
            f"backfill__{n}",
            "success" if n < 7 else "queued",
            stamp(day),
            stamp(day + timedelta(days=1)),
        )
        for n, day in enumerate(days)
    ]
    with sqlite3.connect(site.root / "airflow" / "airflow.db", timeout=60) as book:
        book.executemany(
            "INSERT INTO dag_run (dag_id, run_id, state, data_interval_start, data_interval_end, run_type, run_after, "
            "clear_number, span_status) VALUES (?, ?, ?, ?, ?, 'backfill', '2026-01-01 00:00:00.000000', 0, 'ended')",
            made,
        )
    try:
        with site.client("admin") as admin:
            page = text(admin.get("/launchers/longue_reprise/reprise"))
            assert "7 of 300 intervals are over" in page
            assert "1 / 3 After" in page
            assert "2025-01-02 00:00" in page
            last = text(admin.get("/launchers/longue_reprise/reprise?p=99"))
            assert "Before 3 / 3" in last
            assert "2025-10-28 00:00" in last
    finally:
        (site.launchers / "longue_reprise.yaml").unlink()
        with sqlite3.connect(site.root / "airflow" / "airflow.db", timeout=60) as book:
            book.execute("DELETE FROM dag_run WHERE dag_id = 'longue_reprise'")


def what_is_left(site: Site, december: dict[str, Any]) -> None:
    """Counted at the source; what a run takes after that is subtracted."""
    for day, name in ((10, "a.pdf"), (20, "b.pdf"), (31, "c.pdf"), (45, "d.pdf")):
        file = site.root / "in" / "archive_reprise" / name
        file.write_bytes(b"%PDF-1.4\n%%EOF\n" + name.encode())
        when = datetime(2025, 12, 1, 12, tzinfo=ZoneInfo("Europe/Paris")).timestamp() + (day - 1) * 86_400
        os.utime(file, (when, when))
    path = "/launchers/archive_reprise/reprise"
    with site.client("admin", "fr") as admin, site.client("viewer") as viewer:
        assert viewer.send(path, {"first": "2025-12-01", "last": "2026-02-28"}).status_code == 403
        assert "Count what is left" not in viewer.get(path).raise_for_status().text
        assert 'name="first" type="date" required value="2025-12-01"' in admin.get(path).text
        assert 'name="last" type="date" required value="2026-02-28"' in admin.get(path).text
        assert admin.send(path, {"first": "hier", "last": ""}).status_code == 422
        refused = admin.send(path, {"first": "2026-02-01", "last": "2026-01-01"})
        assert (refused.status_code, 'role="alert"' in refused.text) == (409, True)
        known = rows(site, "SELECT count(*) FROM item")
        answer = admin.send(path, {"first": "2025-12-01", "last": "2026-02-28"})
        assert (answer.status_code, answer.headers["location"]) == (303, f"/ezcold{path}?said=counted")
        assert rows(site, "SELECT count(*) FROM item") == known
        page = text(admin.get(f"{path}?said=counted"))
        assert "il reste 4 éléments" in page
        assert "01/12/2025 00:00 – 01/01/2026 00:00 en attente 0 0 3 0" in page
        assert "01/01/2026 00:00 – 01/02/2026 00:00 en attente 2 0 1 0" in page
        assert "2 éléments ne sont dans aucun intervalle" in page
        start, end = (datetime.fromisoformat(december[f"data_interval_{edge}"]) for edge in ("start", "end"))
        with archive(site, december["dag_run_id"]) as river:
            fetch(river, Window(start, end))
        page = text(admin.get(path))
        assert "01/12/2025 00:00 – 01/01/2026 00:00 en attente 0 3 0 0" in page
        assert "01/01/2026 00:00 – 01/02/2026 00:00 en attente 2 0 1 0" in page


def taken_from_archive(site: Site, run_id: str) -> None:
    """What the backfill's run does, done here: no scheduler runs."""
    with archive(site, run_id) as river:
        Run(river).rooms()


@contextmanager
def archive(site: Site, run_id: str) -> Iterator[River]:
    """A run of the archive's launcher that takes whatever it is told to."""
    known = load_scenarios(site.root / "scenarios.yaml")
    where = Settings(site.root / "home", site.launchers, site.root / "scenarios.yaml", f"sqlite:///{site.ledger}")
    launcher = load_launcher(site.launchers / "archive_reprise.yaml", known).model_copy(update={"reprise": None})
    with River.open(launcher, known, where, run_id) as river:
        yield river
