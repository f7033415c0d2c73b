"""The pages in a real browser: each one's main deed in both languages, nothing hostile runs, nobody is left out.

Screenshots go to EZCOLD_SCREENSHOTS, default .artifacts/screenshots (outside git).
"""

from __future__ import annotations

import html
import os
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.airflow_runs import write
from tests.plugins.accessibility import nothing, stumbling
from tests.plugins.conftest import HOSTILE, MAIRIE, ROOT, Site, airflow_runs, folder_launcher, take
from tests.servers.graph import GraphServer

pytestmark = [pytest.mark.airflow, pytest.mark.browser, pytest.mark.timeout(300)]

SHOTS = Path(os.environ.get("EZCOLD_SCREENSHOTS") or ROOT / ".artifacts" / "screenshots")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PAGES = ["/launchers", "/launchers/factures_scan?name=Thumbs.db", "/launchers/casse", "/documents", "/quarantine",
         "/accounts", "/new", "/launchers/factures_scan/edit", "/launchers/douteux/delete", "/connections/new",
         "/launchers/archive_reprise/reprise", "/dags/factures_scan/documents", "/nowhere"]  # fmt: skip


# Every pair of language, theme and width, in four visits.
looks = pytest.mark.parametrize(
    ("locale", "scheme", "width"),
    [("fr-FR", "light", 1280), ("fr-FR", "dark", 390), ("en-GB", "dark", 1280), ("en-GB", "light", 390)],
)


def look(locale: str, scheme: str, width: int) -> dict[str, Any]:
    return {"locale": locale, "color_scheme": scheme, "viewport": {"width": width, "height": 800}}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        running = play.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def others(site: Site) -> Iterator[None]:
    """A launcher whose folder is not there, after a run that failed for it; and an archive with a file to count."""
    write(site.launchers / "vue_panne.yaml", folder_launcher(site.root, "vue_panne", title="En panne"))
    archive = folder_launcher(site.root, "vue_archive", reprise={"by": "modified", "every": "month"})
    write(site.launchers / "vue_archive.yaml", archive)
    file = site.root / "in" / "vue_archive" / "vieux.pdf"
    file.parent.mkdir()
    file.write_bytes(b"%PDF-1.4")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    assert airflow_runs(site, "vue_panne") == "vue_panne failed"
    yield
    for name in ("vue_panne", "vue_archive"):
        (site.launchers / f"{name}.yaml").unlink()


def visit(browser: Browser, site: Site, who: str = "admin", **options: Any) -> BrowserContext:
    options = {"locale": "fr-FR", "viewport": {"width": 1280, "height": 800}} | options
    context = browser.new_context(**options)
    context.set_default_timeout(30_000)
    context.add_cookies([{"name": "_token", "value": site.token(who), "url": site.url}])
    return context


def watched(context: BrowserContext) -> tuple[Page, list[str]]:
    """A page, and what must stay empty: errors, refusals of the policy, dialogs that hostile text opened."""
    page, troubles = context.new_page(), []
    page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (troubles.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("console", lambda said: troubles.append(said.text) if "Content Security Policy" in said.text else None)
    return page, troubles


def shoot(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


@looks
def test_nobody_is_left_out(browser: Browser, site: Site, locale: str, scheme: Any, width: int) -> None:
    with visit(browser, site, **look(locale, scheme, width)) as context:
        page, troubles = watched(context)
        stumbled = {}
        for path in PAGES:
            page.goto(f"{site.url}/ezcold{path}")
            assert page.locator("html").get_attribute("lang") == locale[:2]
            stumbled[path] = stumbling(page)
            name = re.sub(r"\W+", "-", path).strip("-")
            shoot(page, f"{locale[:2]}-{scheme}-{width}-{name}")
        nothing(stumbled)
        assert troubles == []


@looks
def test_nobody_is_left_out_of_what_comes_of_a_deed(
    browser: Browser, site: Site, others: None, locale: str, scheme: Any, width: int
) -> None:
    """A document's history, refused forms, a dry run, an outage, a count."""

    def submit(form: str, button: str = "button.main") -> None:
        page.locator(f"form[action$='{form}'] {button}").click()
        page.wait_for_load_state()
        page.locator("html[lang]").wait_for()

    with visit(browser, site, **look(locale, scheme, width)) as context:
        page, troubles = watched(context)
        stumbled = {}

        def take_in(name: str) -> None:
            expect(page.locator("main")).to_be_visible()
            stumbled[name] = stumbling(page)
            shoot(page, f"{locale[:2]}-{scheme}-{width}-{name}")

        page.goto(f"{site.url}/ezcold/documents?text=facture_1.pdf")
        page.locator("main td a[href*='/items/']").first.click()
        expect(page.locator("h1")).to_be_visible()
        take_in("histoire")
        page.goto(f"{site.url}/ezcold/quarantine")
        page.locator(".held input[name=item]").first.check()
        submit("/quarantine", "button[value=dismiss]")
        expect(page.get_by_role("alert")).to_be_visible()
        take_in("ecarter-sans-raison")
        page.goto(f"{site.url}/ezcold/new")
        page.locator("#launcher").fill("Majuscule")
        expect(page.locator(".problems")).to_contain_text("launcher:")
        take_in("formulaire-avec-problemes")
        submit("/save")
        page.wait_for_url("**/save")
        expect(page.get_by_role("alert")).to_be_visible()
        take_in("formulaire-refuse")
        page.goto(f"{site.url}/ezcold/launchers/douteux")
        submit("/plan", "button")
        expect(page.locator("section[role=status]")).to_be_visible(timeout=60_000)
        take_in("essai-a-blanc")
        submit("/test", "button")
        expect(page.locator("section[role=status]")).to_be_visible(timeout=60_000)
        take_in("essai-de-connexion")
        page.goto(f"{site.url}/ezcold/launchers?q=vue_")
        expect(page.locator(".state.bad")).to_have_count(1)
        take_in("liste-avec-panne")
        page.goto(f"{site.url}/ezcold/launchers/vue_panne")
        expect(page.locator("section.note.bad li")).to_contain_text("vue_panne")
        take_in("panne")
        page.goto(f"{site.url}/ezcold/launchers/vue_archive/reprise")
        page.locator("#first").fill("2023-11-01")
        page.locator("#last").fill("2023-12-31")
        submit("/reprise")
        page.wait_for_url("**?said=counted", timeout=60_000)
        expect(page.locator("tbody tr")).to_have_count(1)
        take_in("reprise-comptee")
        nothing(stumbled)
        assert troubles == []


def test_the_look_itself_finds_what_is_wrong(browser: Browser, site: Site) -> None:
    """A label that is missing and words too pale are found: the check can fail."""
    with visit(browser, site) as context:
        page, _troubles = watched(context)
        page.goto(f"{site.url}/ezcold/documents")
        page.evaluate(
            """() => {
                document.querySelector("label[for=text]").remove();
                document.querySelector("h1").style.color = "#999";
                const main = document.querySelector("main");
                main.insertAdjacentHTML("beforeend", "<button></button><h4 id=main>x</h4><table><td>1</table>");
                main.insertAdjacentHTML("beforeend", "<nav aria-label=Pages></nav><p aria-describedby=no>wide</p>");
                main.lastElementChild.style.width = "200vw";
                main.querySelector("table").style.tableLayout = "fixed";
                main.querySelector("td .name").textContent = "x".repeat(300);
                main.querySelector("td .name").style.overflowWrap = "normal";
            }"""
        )
        rules = {re.split(r" \(|: ", found)[0] for found in stumbling(page)}
    assert rules >= {
        "label", "color-contrast", "button-name", "heading-order", "landmark-unique",
        "id is unique", "table has headers", "description exists", "no sideways scrolling",
        "cell holds its words",
    }  # fmt: skip


def test_hostile_names_stay_text_in_the_browser(browser: Browser, site: Site) -> None:
    with visit(browser, site) as context:
        page, troubles = watched(context)
        for path in ("/documents", "/launchers/factures_scan", "/quarantine", "/dags/factures_scan/documents"):
            page.goto(f"{site.url}/ezcold{path}")
            expect(page.locator("main")).to_contain_text("onerror=alert(1)" if "quarantine" not in path else "faux")
            assert page.locator("main img").count() == 0
        page.goto(f"{site.url}/ezcold/launchers/factures_scan")
        page.get_by_label("Nom de fichier", exact=True).fill(f"brouillon{HOSTILE}")
        expect(page.locator(".verdict")).to_contain_text("Ne passe pas")
        assert page.locator(".verdict *").count() == 0
        assert troubles == []


SCRIPTED = {
    "mechant.svg": '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(2)</script></svg>',
    "mechant.html": "<!DOCTYPE html><html><body onload=alert(1)><script>alert(2)</script></body></html>",
    "mechant.xml": '<?xml version="1.0"?><x:script xmlns:x="http://www.w3.org/1999/xhtml">alert(1)</x:script>',
}


def test_a_file_with_a_script_is_saved_not_shown(browser: Browser, site: Site) -> None:
    for name, content in SCRIPTED.items():
        (site.root / "in" / "factures_scan" / name).write_text(content)
    take(site.root, "factures_scan", "manual__scripts")
    with visit(browser, site) as context:
        page, troubles = watched(context)
        for name, content in SCRIPTED.items():
            page.goto(f"{site.url}/ezcold/documents?text={name}")
            page.get_by_role("link", name="Pourquoi").click()
            link = page.get_by_role("link", name=f"Télécharger {name}")
            with page.expect_download() as saved:
                link.click()
            assert saved.value.suggested_filename == name
            assert Path(saved.value.path()).read_text() == content
            address = link.get_attribute("href")
            with page.expect_download():  # typed into the address bar, as a link in a mail would be
                page.evaluate("address => { window.location = address; }", address)
            shown = page.evaluate(
                """address => new Promise(done => {
                    const frame = document.createElement("iframe");
                    frame.onload = () => done(frame.contentDocument && frame.contentDocument.body.innerHTML);
                    frame.src = address;
                    document.body.append(frame);
                    window.setTimeout(() => done(""), 1500);
                })""",
                address,
            )
            assert not shown
        assert [one for one in troubles if "frame-src" not in one and "default-src" not in one] == []


def test_inside_airflow_in_french_and_on_its_dag_page(browser: Browser, site: Site) -> None:
    with visit(browser, site) as context:
        page, troubles = watched(context)
        page.goto(f"{site.url}/plugin/ezcold")
        frame = page.frame_locator("iframe")
        expect(frame.get_by_role("heading", name="Lanceurs")).to_be_visible()
        SHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SHOTS / "airflow-lanceurs.png")
        frame.get_by_role("link", name="Factures <b>").click()
        frame.get_by_role("link", name="Ouvrir le DAG").click()
        page.wait_for_url("**/dags/factures_scan")
        page.goto(f"{site.url}/dags/factures_scan/plugin/documents")
        expect(page.frame_locator("iframe").get_by_text("facture_2.pdf").first).to_be_visible()
        page.screenshot(path=SHOTS / "airflow-documents.png")
        tab = page.frame_locator("iframe")
        tab.get_by_role("link", name="Pourquoi ? facture_2.pdf").click()
        with page.expect_download() as saved:
            tab.get_by_role("link", name="Télécharger facture_2.pdf").click()
        assert saved.value.suggested_filename == "facture_2.pdf"
        assert page.url.endswith("/plugin/documents")
        assert troubles == []


@pytest.mark.parametrize(("locale", "field"), [("fr-FR", "Nom ou chemin"), ("en-GB", "Name or path")])
def test_the_picture_of_the_guide(browser: Browser, site: Site, locale: str, field: str) -> None:
    with visit(browser, site, locale=locale, viewport={"width": 1280, "height": 560}) as context:
        page, troubles = watched(context)
        for name, *_rest in MAIRIE[:3]:
            page.goto(f"{site.url}/ezcold/launchers/{name}")
            resume = page.get_by_role("button", name=re.compile("Reprendre|Resume"))
            if resume.count():
                resume.click()
                page.wait_for_url("**said=resumed")
        page.goto(f"{site.url}/plugin/ezcold")
        frame = page.frame_locator("iframe")
        frame.get_by_label(field).fill("mairie")
        frame.get_by_label(field).press("Enter")
        expect(frame.locator("h1 small")).to_have_text("4")
        expect(frame.locator("svg.bars")).to_have_count(4)
        SHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SHOTS / f"pages-{locale[:2]}.png")
        assert troubles == []


def test_a_dry_run_by_keyboard_alone(browser: Browser, site: Site) -> None:
    file = site.root / "in" / "factures_scan" / "au_clavier.pdf"
    file.write_bytes(b"%PDF-1.4\nau clavier")
    with visit(browser, site) as context:
        page, troubles = watched(context)
        page.goto(f"{site.url}/ezcold/launchers/factures_scan")
        for _n in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent") == "Essai à blanc":
                break
        page.keyboard.press("Enter")
        expect(page.get_by_role("status", name="Essai à blanc")).to_contain_text("au_clavier.pdf", timeout=60_000)
        shoot(page, "fr-essai-a-blanc")
        assert troubles == []
    file.unlink()


def test_a_dry_run_from_the_list_by_keyboard(browser: Browser, site: Site) -> None:
    with visit(browser, site) as context:
        page, troubles = watched(context)
        page.goto(f"{site.url}/ezcold/launchers?q=factures_scan")
        page.locator(".deeds summary").focus()
        page.keyboard.press("Enter")
        nothing({"liste ouverte": stumbling(page)})
        shoot(page, "fr-liste-ouverte")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Essai à blanc"
        page.keyboard.press("Enter")
        expect(page.get_by_role("status", name="Essai à blanc")).to_be_visible(timeout=60_000)
        assert troubles == []


@pytest.mark.parametrize(
    ("locale", "name", "path", "yaml_label", "write"),
    [
        ("fr-FR", "Identifiant", "Chemin source", "Tout va bien.", "Écrire le fichier"),
        ("en-GB", "Id", "Source path", "All is well.", "Write the file"),
    ],
)
def test_a_launcher_is_made_by_the_form(
    browser: Browser, site: Site, locale: str, name: str, path: str, yaml_label: str, write: str
) -> None:
    made = f"forme_{locale[:2]}"
    file = site.launchers / f"{made}.yaml"
    with visit(browser, site, locale=locale) as context:
        page, troubles = watched(context)
        page.goto(f"{site.url}/ezcold/new")
        page.locator("#protocol").select_option("folder")
        expect(page.locator("#connection")).to_be_hidden()
        page.get_by_label(name, exact=True).fill("Majuscule")
        expect(page.locator(".problems")).to_contain_text("launcher:")
        page.get_by_label(name, exact=True).fill(made)
        page.get_by_label(path).fill(str(site.root / "in" / made / "*"))
        page.locator("#filters").fill(r"/(?!brouillon).*\..*/")
        page.locator("#extensions_0").fill("pdf")
        page.locator("#send_to_0").select_option(["clients"])
        expect(page.locator(".problems")).to_contain_text(yaml_label)
        expect(page.locator(".diff")).to_contain_text(f"+launcher: {made}")
        shoot(page, f"{locale[:2]}-formulaire")
        page.get_by_role("button", name=write).click()
        page.wait_for_url(f"**/launchers/{made}?said=saved")
        assert troubles == []
    assert yaml.safe_load(file.read_text(encoding="utf-8"))["routes"] == [
        {"extensions": ["pdf"], "send_to": ["clients"]}
    ]
    file.unlink()


@pytest.mark.parametrize(
    ("locale", "select", "waiting", "well"),
    [
        ("fr-FR", "Sélectionner un compte", "En attente de vous", "Authentification ok"),
        ("en-GB", "Select an account", "Waiting for you", "Authentication ok"),
    ],
)
def test_an_account_is_selected(
    browser: Browser, site: Site, entra: GraphServer, locale: str, select: str, waiting: str, well: str
) -> None:
    with visit(browser, site, locale=locale) as context:
        page, troubles = watched(context)
        page.goto(f"{site.url}/ezcold/accounts")
        page.get_by_role("region", name="Boîte O365").get_by_role("button", name=select).click()
        expect(page.get_by_role("status").filter(has_text=waiting)).to_be_visible()
        (flow,) = entra.entra.flows.values()
        expect(page.locator("#code")).to_have_text(flow.user_code)
        expect(page.get_by_role("link", name="https://microsoft.com/devicelogin")).to_be_visible()
        nothing({"code": stumbling(page)})
        shoot(page, f"{locale[:2]}-code")
        entra.entra.enter(flow.user_code, "approved", "factures@exemple.fr")
        expect(page.locator("p[role=status]")).to_contain_text(well, timeout=60_000)
        assert troubles == []


def test_many_are_taken_out_of_quarantine_at_once(browser: Browser, site: Site) -> None:
    with visit(browser, site) as context:
        page, troubles = watched(context)
        page.goto(f"{site.url}/ezcold/quarantine?launcher=suspects")
        expect(page.locator(".held li").first).to_contain_text("faux")
        page.get_by_label("Tout ce qui est sur cette page").check()
        number = page.locator("input[name=item]:checked").count()
        assert number >= 1
        page.get_by_role("button", name="Rejouer").click()
        expect(page.get_by_role("status")).to_contain_text(f"Sortis de quarantaine : {number}")
        assert troubles == []


def test_a_form_on_another_site_does_nothing(browser: Browser, site: Site) -> None:
    """The other site is another port of this host: as near to us as a stranger can come."""
    paused = (f"{site.url}/api/v2/dags/paie_secret", {"authorization": f"Bearer {site.token('admin')}"})

    class Evil(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            target = html.escape(f"{site.url}/ezcold/launchers/paie_secret/pause")
            form = f'<form method=post action="{target}"><input name=paused value=0></form>'
            body = f"{form}<script>document.forms[0].submit()</script>"
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_args: object) -> None:
            """Silent."""

    with HTTPServer(("127.0.0.1", 0), Evil) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with visit(browser, site) as context:
            page = context.new_page()
            page.goto(f"{site.url}/ezcold/launchers")  # has our session's cookie
            before = context.request.get(paused[0], headers=paused[1]).json()["is_paused"]
            page.goto(f"http://127.0.0.1:{server.server_port}/")
            page.wait_for_url("**/paie_secret/pause")
            assert "autre site" in page.inner_text("main")
            assert context.request.get(paused[0], headers=paused[1]).json()["is_paused"] is before
        server.shutdown()
