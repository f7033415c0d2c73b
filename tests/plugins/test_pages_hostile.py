"""What a person who means harm, or types nonsense, sends to the pages: refused in words, no fault of the server."""

from __future__ import annotations

import re
import sqlite3
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from tests.airflow_runs import write
from tests.plugins.conftest import Site, folder_launcher, take, text

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]

FORM = {
    "protocol": "folder", "launcher": "neuf_mal", "path": "/data/neuf_mal/*", "extensions_0": "pdf",
    "send_to_0": "factures", "action": "preview",
}  # fmt: skip
RIGHT = """launcher: neuf_mal
source: {protocol: folder, path: "/data/neuf_mal/*"}
routes: [{extensions: [pdf], send_to: [factures]}]
"""
WRONG = {
    "an alias": "a: &a [x]\nb: *a",
    "a bomb": "a: &a [x,x]\nb: &b [*a,*a]\nfilters: [*b,*b]",
    "depth": f"launcher: a\nfilters: {'[' * 5000}",
    "numbers for lists": "launcher: a\nroutes: [{extensions: 5, send_to: 7}]\nfilters: 3",
    "numbers in lists": "launcher: a\nroutes: [{extensions: [5], send_to: [7]}, 3]\nfilters: [{a: [b]}]",
    "a mapping for a path": "launcher: a\nsource: {after: {action: [1]}, path: {a: b}}\nbackup: {keep_days: [1]}",
    "a number": "5",
    "a list": "[]",
    "nothing": "",
    "a path for an id": RIGHT.replace("neuf_mal", "../../tmp/x", 1),
    "an absolute id": RIGHT.replace("neuf_mal", "/tmp/x", 1),
    "a list for an id": RIGHT.replace("neuf_mal", "[a]", 1),
    "NUL itself": "launcher: a\0b",
    "NUL in an id": RIGHT.replace("neuf_mal", '"a\\0"', 1),
    "NUL in a title": f'{RIGHT}title: "a\\0b"\n',
    "a control in a description": f'{RIGHT}description: "a\\eb"\n',
    "a tag": "!!python/object/apply:os.system [id]",
    "a filter of 4,000 groups": f"{RIGHT}filters: ['{'(' * 4000}{')' * 4000}']\n",
    "a filter of much memory": f"{RIGHT}filters: ['(((((a{{500}}){{500}}){{500}}){{500}}){{500}})']\n",
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_launcher_is_refused_in_words(site: Site, what: str) -> None:
    before = sorted(file.name for file in site.launchers.iterdir())
    with site.client("admin") as admin:
        fields = {"source_of_truth": "yaml", "yaml": WRONG[what]}
        assert admin.send("/check", fields).raise_for_status().json()["problems"]
        answer = admin.send("/save", {**fields, "action": "write"})
        assert answer.status_code == 422
        assert "Nothing was written" in answer.text
        assert 'name="source_of_truth" value="yaml"' in answer.text  # what is written next is what stands in the box
    assert sorted(file.name for file in site.launchers.iterdir()) == before


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/check", {**FORM, "backup": "1", "keep_days": "²"}, 200),
        ("/check", {**FORM, "backup": "1", "keep_days": "9" * 5000}, 200),
        ("/save", {**FORM, "backup": "1", "keep_days": "٣"}, 422),
        ("/check", {**FORM, "title": "a\0b"}, 200),
        ("/check", {**FORM, "editing": "\0"}, 404),
        ("/quarantine", {"action": "replay", "item": ["²", "٣", "-1", "9" * 30]}, 422),
        ("/quarantine", {"action": "replay", "item": "1" * 18, "back": "²"}, 303),
        ("/quarantine", {"action": "burn", "item": "1" * 18}, 422),
        ("/connections", {"conn_id": "neuve", "protocol": "imap", "port": "²"}, 422),
        ("/connections", {"conn_id": "neuve", "protocol": "imap", "host": "a\0b"}, 422),
        ("/connections", {"conn_id": "neuve", "protocol": "imap", "password": "a\r\nb"}, 422),
        ("/connections", {"conn_id": "../neuve", "protocol": "imap"}, 422),
        ("/launchers/%00/run", {}, 404),
        ("/launchers/..%2f..%2fetc%2fpasswd/delete", {}, 404),
    ],
)
def test_nonsense_in_a_form_is_no_fault_of_the_server(
    site: Site, path: str, fields: dict[str, Any], status: int
) -> None:
    with site.client("admin") as admin:
        assert admin.send(path, fields).status_code == status


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/documents?launcher=%00&text=%00&scenario=%00&since=%00&before=99999999999999999999", 200),
        ("/documents?before=x", 422),
        ("/dags/%00/documents", 200),
        ("/dags/a/runs/%00/documents", 200),
        ("/quarantine?launcher=%00", 200),
        ("/launchers?q=%00&p=-1", 200),
        ("/items/99999999999999999999", 404),
        ("/items/-1/download", 404),
        ("/documents/0/download", 404),
        ("/connections/new?conn_id=%00", 200),
        ("/static/..%2fapp.py", 404),
        ("/static/%2e%2e/app.py", 404),
        ("/static/a%00.css", 404),
        ("/launchers/boite_o365/account?ticket=..%2f..%2f..%2fetc%2fpasswd", 404),
        ("/launchers/factures_scan/try?name=" + "a" * 20_000, 200),
    ],
)
def test_nonsense_in_an_address_is_no_fault_of_the_server(site: Site, path: str, status: int) -> None:
    with site.client("admin") as admin:
        assert admin.get(path).status_code == status


def test_numbers_in_an_address_are_numbers(site: Site) -> None:
    with site.client("admin") as admin:
        page = text(admin.get("/quarantine?said=replay&done=Call+0800+now&left=x"))
    assert "Taken out of quarantine: 0." in page
    assert "Call" not in page


def test_a_form_of_a_million_fields_or_lines_is_refused_at_once(site: Site) -> None:
    with site.client("admin") as admin:
        kind = {"content-type": "application/x-www-form-urlencoded"}
        many = f"csrf={admin.csrf()}&{'a=b&' * 400_000}"
        assert admin.post("/check", content=many, headers=kind).status_code == 400
        found = admin.send("/check", {"source_of_truth": "yaml", "yaml": RIGHT + "# x\n" * 20_000}).json()
    assert found["difference"] == [{"kind": "at", "line": "Too long to be compared here."}]


def test_a_file_that_is_not_utf8_can_be_put_right(site: Site) -> None:
    file = site.launchers / "latin.yaml"
    file.write_bytes("launcher: latin\ntitle: Été\n".encode("latin-1"))
    try:
        with site.client("admin") as admin:
            page = admin.get("/launchers/latin/edit").raise_for_status().text
            before = re.search(r'name="before" value="(\w{64})"', page)
            assert before is not None
            form = {**FORM, "launcher": "latin", "editing": "latin", "before": before[1], "action": "write"}
            file.write_bytes("launcher: latin\ntitle: Eté\n".encode("latin-1"))  # the same, once read with replacements
            assert admin.send("/save", form).status_code == 409
            file.write_bytes("launcher: latin\ntitle: Été\n".encode("latin-1"))
            assert admin.send("/save", form).status_code == 303
        assert yaml.safe_load(file.read_text(encoding="utf-8"))["launcher"] == "latin"
    finally:
        file.unlink()


def test_another_s_change_is_told_also_by_a_look_and_a_refusal(site: Site) -> None:
    """Else the look would take it for known, and the next write would undo it unseen."""
    file = site.launchers / "a_deux.yaml"
    write(file, folder_launcher(site.root, "a_deux"))
    told = "Somebody changed this file meanwhile"
    try:
        with site.client("admin") as admin:
            page = admin.get("/launchers/a_deux/edit").raise_for_status().text
            before = re.search(r'name="before" value="(\w{64})"', page)
            assert before is not None
            form = {**FORM, "launcher": "a_deux", "editing": "a_deux", "before": before[1]}
            assert told not in admin.send("/save", form).raise_for_status().text
            write(file, folder_launcher(site.root, "a_deux", description="D'un autre"))
            assert told in admin.send("/save", form).raise_for_status().text
            refused = admin.send("/save", {**form, "path": "pas absolu"})
            assert (refused.status_code, told in refused.text) == (422, True)
            assert admin.send("/save", {**form, "action": "write"}).status_code == 409
            assert "D'un autre" in file.read_text(encoding="utf-8")
    finally:
        file.unlink()


def test_a_launcher_deleted_meanwhile_is_said_to_be(site: Site) -> None:
    file = site.launchers / "parti.yaml"
    write(file, folder_launcher(site.root, "parti"))
    with site.client("admin") as admin:
        page = admin.get("/launchers/parti/edit").raise_for_status().text
        before = re.search(r'name="before" value="(\w{64})"', page)
        assert before is not None
        file.unlink()
        form = {
            **FORM,
            "launcher": "parti",
            "title": "Saisi",
            "editing": "parti",
            "before": before[1],
            "action": "write",
        }
        answer = admin.send("/save", form)
        assert (answer.status_code, "Somebody deleted this launcher meanwhile" in answer.text) == (409, True)
        assert 'value="Saisi"' in answer.text
    assert not file.exists()


def test_the_past_of_a_launcher_is_not_taken_over_without_the_right_to_it(site: Site) -> None:
    """`formerly` would show the documents of a launcher that was deleted to whoever may edit another one."""
    file = site.launchers / "heritier.yaml"
    whole = folder_launcher(site.root, "heritier")
    write(file, whole)
    try:
        taken = {"source_of_truth": "yaml", "editing": "heritier", "action": "preview",
                 "yaml": yaml.safe_dump({**whole, "formerly": ["paie_disparue"]})}  # fmt: skip
        with site.client("fenced") as fenced, site.client("admin") as admin:
            assert fenced.send("/save", taken).status_code == 403
            assert fenced.send("/save", {**taken, "yaml": yaml.safe_dump(whole)}).status_code == 200
            assert admin.send("/save", taken).status_code == 200
            write(file, {**whole, "formerly": ["paie_disparue"]})  # an administrator wrote it: the rest may be changed
            assert fenced.send("/save", taken).status_code == 200
    finally:
        file.unlink()


def test_a_wrong_field_of_a_connection_is_named_and_the_others_stay(site: Site) -> None:
    fields = {"conn_id": "boite_fausse", "protocol": "pop", "host": "pop.exemple.fr", "port": "99999",
              "login": "factures", "password": "hunter2", "security": "starttls"}  # fmt: skip
    with site.client("admin") as admin, site.client("clerk") as clerk:
        answer = admin.send("/connections", fields)
        assert (answer.status_code, "from 1 to 65535" in answer.text) == (422, True)
        assert 'value="pop.exemple.fr"' in answer.text
        assert '<option value="starttls" selected>' in answer.text
        assert "hunter2" not in answer.text
        assert clerk.send("/connections", fields).status_code == 403


def test_what_is_left_empty_in_a_connection_stays(site: Site) -> None:
    fields = {"conn_id": "boite_gardee", "protocol": "imap", "host": "imap.exemple.fr", "port": "143",
              "login": "factures", "password": "a", "security": "starttls"}  # fmt: skip
    with site.client("admin") as admin:
        assert admin.send("/connections", fields).status_code == 303
        assert "as it is" in text(admin.get("/connections/new?conn_id=boite_gardee"))
        only = {"conn_id": "boite_gardee", "protocol": "imap", "password": "b", "security": ""}
        assert admin.send("/connections", only).status_code == 303
        seen = admin.get(f"{site.url}/api/v2/connections/boite_gardee").json()
    assert (seen["host"], seen["port"], seen["login"]) == ("imap.exemple.fr", 143, "factures")
    assert "starttls" in str(seen["extra"])


NAMES = {
    "facture\u202efdp.exe": ("facture_fdp.exe", "facture[U+202E]fdp.exe"),
    "a\r\nSet-Cookie: x=1.pdf": ("a__Set-Cookie_ x=1.pdf", None),
    "é" * 120 + ".pdf": ("é" * 98 + ".pdf", None),
    "\u2066caché\u2069.pdf": ("_caché_.pdf", "[U+2066]caché[U+2069].pdf"),
    "%2e%2e%2fpasswd;filename=x.html.pdf": ("%2e%2e%2fpasswd;filename=x.html.pdf", None),
    "<svg onload=alert(1)>.pdf": ("_svg onload=alert(1)_.pdf", None),
}


def test_names_that_deceive_are_shown_and_saved_for_what_they_are(site: Site) -> None:
    folder = site.root / "in" / "trompeur"
    folder.mkdir()
    file = site.launchers / "trompeur.yaml"
    write(file, folder_launcher(site.root, "trompeur", routes=[{"extensions": ["*"], "send_to": ["factures"]}]))
    for n, name in enumerate(NAMES):
        (folder / name).write_bytes(b"%PDF-1.4\n%%EOF\n" + str(n).encode())
    take(site.root, "trompeur", "manual__trompeur")
    with sqlite3.connect(site.ledger) as book:
        known = dict(book.execute("SELECT name, id FROM document WHERE launcher = 'trompeur'").fetchall())
    try:
        with site.client("admin") as admin:
            page = admin.get("/documents?launcher=trompeur").text
            assert not re.search("[\u202a-\u202e\u2066-\u2069]", page)
            for name, (saved, shown) in NAMES.items():
                assert shown is None or shown in page
                number = known[name.replace("\r", "_").replace("\n", "_")]  # as the source of files tells them
                answer = admin.get(f"/documents/{number}/download").raise_for_status()
                disposition = answer.headers["content-disposition"]
                assert unquote(disposition.split("filename*=UTF-8''")[1]) == saved
                assert re.fullmatch(r"attachment; filename=\"[\w ._()-]+\"; filename\*=UTF-8''[\w.%~-]+", disposition)
                assert "set-cookie" not in answer.headers
                assert answer.headers["content-type"] == "application/octet-stream"
                assert answer.headers["x-content-type-options"] == "nosniff"
                assert "sandbox" in answer.headers["content-security-policy"]
    finally:
        file.unlink()


def test_a_name_to_save_a_file_by_is_one() -> None:
    from ezcold_ui.documents import saved_as

    for name in ("", ".", "..", "\0", " . ", "\ud800", "a" * 5000, "é" * 5000 + ".pdf", "a." + "b" * 5000, *NAMES):
        saved = saved_as(name)
        assert 0 < len(saved.encode()) <= 200
        assert not re.search(r"[\x00-\x1f\x7f-\x9f/\\\u202e]", saved)
        assert saved not in (".", "..")
