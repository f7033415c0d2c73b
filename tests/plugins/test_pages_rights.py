"""Who sees what: nobody anonymous, nothing of a launcher that one may not read, no change without the right to it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.plugins.conftest import PLUGINS, Site

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]

PLAIN = {"launcher": "factures_scan", "dag_id": "factures_scan", "run_id": "x", "name": "ezcold.css", "rest": "nowhere"}


def routes() -> list[tuple[str, str]]:
    """Every (method, path) that the application has."""
    from ezcold_plugin import EzcoldPlugin

    found = []

    def walk(all_routes: Any) -> None:
        for route in all_routes:
            inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
            if inner:
                walk(inner)
                continue
            path = re.sub(r"{(\w+)(?::\w+)?}", lambda match: PLAIN.get(match[1], "1"), route.path)
            found.extend((method, path) for method in sorted(route.methods or ()))

    walk(EzcoldPlugin.fastapi_apps[0]["app"].routes)
    return sorted(set(found))


def test_there_are_routes_to_ask() -> None:
    found = routes()
    assert len(found) > 30
    assert ("POST", "/launchers/factures_scan/run") in found


def test_loading_the_plugin_loads_no_page() -> None:
    """Workers, schedulers and triggerers load plugins too."""
    code = "import sys, ezcold_plugin; print(*(name for name in sys.modules if name.startswith('ezcold_ui')))"
    env = os.environ | {"PYTHONPATH": str(PLUGINS)}
    done = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["ezcold_ui", "ezcold_ui.plugin"]


def test_anonymous_is_401_on_every_route(site: Site) -> None:
    with site.client() as nobody:
        answers = {
            (method, path): nobody.request(method, path, follow_redirects=False).status_code
            for method, path in [*routes(), ("POST", "/launchers"), ("DELETE", "/documents"), ("GET", "/no/such/page")]
        }
    assert {route: status for route, status in answers.items() if status != 401} == {}


def test_anonymous_gets_nothing_by_another_way_in(site: Site) -> None:
    with site.client() as nobody:
        for method in ("TRACE", "PROPFIND", "BREW"):
            answer = nobody.request(method, "/launchers")
            assert (answer.status_code in (400, 401, 405), "factures" in answer.text) == (True, False)
        for path in ("//launchers", "/launchers/", "/./launchers", "/static/../launchers"):
            assert nobody.get(path, follow_redirects=True).status_code == 401
        upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
                   "sec-websocket-key": "MDEyMzQ1Njc4OWFiY2RlZg=="}  # fmt: skip
        assert nobody.get("/launchers", headers=upgrade).status_code in (401, 403)


def test_a_wrong_or_ended_token_is_no_token(site: Site) -> None:
    with site.client() as nobody:
        nobody.cookies.set("_token", site.token("admin")[:-4] + "AAAA")
        assert nobody.get("/launchers").status_code in (401, 403)


def test_every_answer_bears_the_headers(site: Site) -> None:
    with site.client("admin") as admin, site.client() as nobody:
        answers = [admin.get("/launchers"), admin.get("/no"), admin.get("/static/ezcold.js"), nobody.get("/launchers"),
                   admin.get("/documents/1/download"), admin.get("/launchers/factures_scan/try?name=a")]  # fmt: skip
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "SAMEORIGIN"


def test_who_may_not_read_a_launcher_does_not_learn_of_it(site: Site) -> None:
    with site.client("admin") as admin, site.client("fenced") as fenced:
        assert "bulletin_dupont" in admin.get("/documents").text
        hidden = next(
            int(number) for number in re.findall(r"/items/(\d+)", admin.get("/documents?launcher=paie_secret").text)
        )
        assert admin.get(f"/items/{hidden}").status_code == 200
        for path in ("/documents", "/documents?text=bulletin", "/documents?launcher=paie_secret", "/launchers",
                     "/quarantine", "/quarantine?launcher=paie_secret", "/accounts"):  # fmt: skip
            text = fenced.get(path).raise_for_status().text
            assert "bulletin_dupont" not in text, path
            assert not re.search(r"paie_secret(?!\" method)", text.replace('value="paie_secret"', "")), path
        gone = ["/launchers/paie_secret", "/launchers/paie_secret/try?name=a.pdf", f"/items/{hidden}",
                f"/items/{hidden}/download", f"/documents/{hidden}/download", "/dags/paie_secret/documents",
                "/dags/paie_secret/runs/manual__paie/documents", "/launchers/paie_secret/edit"]  # fmt: skip
        statuses = {path: fenced.get(path).status_code for path in gone if "documents/" not in path or "dags" in path}
        assert set(statuses.values()) == {404}, statuses
        for path in ("test", "plan", "run", "pause", "delete"):
            assert fenced.send(f"/launchers/paie_secret/{path}").status_code == 404
        assert fenced.send("/quarantine", {"action": "replay", "item": str(hidden)}).status_code == 403


def test_a_viewer_reads_and_changes_nothing(site: Site) -> None:
    before = (site.launchers / "factures_scan.yaml").read_bytes()
    with site.client("viewer") as viewer:
        page = viewer.get("/launchers/factures_scan").raise_for_status().text
        assert "Run now" not in page
        assert "/edit" not in page
        refused = [
            viewer.get("/new"), viewer.get("/launchers/factures_scan/edit"), viewer.get("/connections/new"),
            viewer.get("/launchers/factures_scan/delete"),
            *(viewer.send(f"/launchers/factures_scan/{deed}") for deed in ("test", "plan", "run", "pause", "delete")),
            viewer.send("/launchers/boite_o365/account"), viewer.send("/launchers/boite_o365/account/unlink"),
            viewer.send("/save", {"editing": "factures_scan"}), viewer.send("/check", {"editing": "factures_scan"}),
            viewer.send("/save", {"launcher": "neu"}),
            viewer.send("/connections", {"conn_id": "a", "protocol": "imap"}),
            viewer.send("/quarantine", {"action": "dismiss", "item": "1", "reason": "no"}),
        ]  # fmt: skip
    assert [(one.request.url.path, one.status_code) for one in refused if one.status_code != 403] == []
    assert (site.launchers / "factures_scan.yaml").read_bytes() == before


def test_connections_need_the_right_to_connections(site: Site) -> None:
    with site.client("clerk") as clerk:  # may edit DAGs, not Connections
        assert clerk.get("/launchers/factures_scan/edit").status_code == 200
        assert clerk.get("/connections/new").status_code == 403
        assert clerk.send("/connections", {"conn_id": "x", "protocol": "imap"}).status_code == 403
        assert clerk.send("/launchers/boite_o365/account").status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://other.127.0.0.1"},
    ],
)
def test_a_form_of_another_site_does_nothing(site: Site, headers: dict[str, str]) -> None:
    with site.client("admin") as admin:
        answer = admin.send("/launchers/factures_scan/pause", {"paused": "1"}, headers=headers)
        assert answer.status_code == 403


def test_a_form_without_this_session_s_token_does_nothing(site: Site) -> None:
    with site.client("admin") as admin, site.client("clerk") as clerk:
        theirs = clerk.csrf()
        admin.csrf()
        for fields in ({}, {"csrf": ""}, {"csrf": theirs}, {"csrf": "0" * 64}, {"csrf": "é"}):
            assert admin.post("/launchers/factures_scan/pause", data=fields).status_code == 403
        own = admin.csrf()
        admin.cookies.delete("ezcold_session")
        assert admin.post("/launchers/factures_scan/pause", data={"csrf": own}).status_code == 403
        body = b"csrf=" + own.encode()
        chunked = admin.post("/launchers/factures_scan/pause", content=iter([body]))
        assert chunked.status_code == 413
        assert admin.post("/launchers/factures_scan/pause", content=b"x" * 2_100_000).status_code == 413


def test_the_session_cookie_stays_here(site: Site) -> None:
    with site.client("admin") as admin:
        cookie = admin.get("/launchers").headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/ezcold" in cookie
