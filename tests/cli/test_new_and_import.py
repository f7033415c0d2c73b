"""`ezcold new` and `ezcold import`: what a person answers, or what a list says, as launchers that are right."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ezcold_operators.cli import writing
from ezcold_operators.cli.new import Answers, new
from ezcold_operators.config.launcher import Launcher
from ezcold_operators.config.loader import load_launcher
from tests.airflow_runs import write
from tests.cli.place import Place

EZCOLD = Path(__file__).parents[2] / ".venv/bin/ezcold"


def test_options_alone_make_a_launcher_that_is_right(place: Place) -> None:
    answer = place.call(
        "new", "--no-input", "--title", "10 - Factures reçues", "--protocol", "IMAP", "--connection", "gmail",
        "--path", "Clients/Factures", "--subfolders", "--after", "move:Traité", "--filter", r"/.*\.(?!db).*/",
        "--filter", "/(?!brouillon).*/", "--route", "pdf=factures", "--route", "xml,zip=factures,clients",
        "--route", "*=clients", "--backup-days", "30",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    file = Path(answer.out.strip())
    made = load_launcher(file)
    assert (made.launcher, made.title, file.name) == ("factures_recues", "10 - Factures reçues", "factures_recues.yaml")
    assert (made.source.path, made.source.subfolders, made.source.after.to) == ("Clients/Factures", True, "Traité")
    assert [str(one) for one in made.filters] == [r"/.*\.(?!db).*/", "/(?!brouillon).*/"]
    assert [(r.extensions, r.send_to) for r in made.routes] == [
        (("pdf",), ("factures",)), (("xml", "zip"), ("factures", "clients")), (("*",), ("clients",)),
    ]  # fmt: skip
    assert (made.schedule, made.backup) == ("*/5 * * * *", made.backup.__class__(keep_days=30))
    assert place.call("check", place.launchers).code == 0


def test_it_never_writes_over_a_file_and_leaves_none_that_is_wrong(place: Place) -> None:
    before = place.file.read_bytes()
    words = ["new", "--no-input", "--title", "l1", "--id", "l1", "--protocol", "folder", "--path", "/data/*.*"]
    again = place.call(*words, "--route", "*=factures")
    assert (again.code, "is there already" in again.err) == (2, True)
    assert place.file.read_bytes() == before
    words[words.index("--id") + 1] = "wrong"
    assert place.call(*words, "--route", "p.df=factures").code == 2
    assert place.call(*words).code == 2
    assert place.call(*words, "--route", "pdf").code == 2
    assert [file.name for file in place.launchers.iterdir()] == ["l1.yaml"]


@pytest.mark.parametrize(("language", "question"), [("en", "Name, as people call it"), ("fr", "Nom")])
def test_it_asks_in_the_persons_language(place: Place, language: str, question: str) -> None:
    if language == "fr" and not (Path(writing.__file__).parents[1] / "locales" / "fr").exists():
        pytest.skip("no French catalogue in this checkout")
    import pty

    lines = ["Scans", "", "", "folder", "", "/data/in/*.*", "n", "keep", "", "*=clients", "0"]
    parent, child = pty.openpty()
    env = os.environ | {"EZCOLD_LANG": language, "TERM": "dumb"}
    process = subprocess.Popen([EZCOLD, "new"], stdin=child, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    os.close(child)
    os.write(parent, "".join(f"{line}\n" for line in lines).encode())
    out, err = process.communicate(timeout=60)
    os.close(parent)
    assert process.returncode == 0, err.decode()
    made = load_launcher(Path(out.decode().strip()))
    assert (made.launcher, made.source.path, made.routes[0].send_to) == ("scans", "/data/in/*.*", ("clients",))
    assert question in err.decode()


CSV = """\
Nom;Description;Protocole;Serveur;Port d'écoute;Type de protocole;Compte;Mot de passe;Chemin source;\
Avec sous-répertoires;Conserver la sauvegarde;Filtres de nom de fichier;Scénarios;Programmer le lanceur;Couleur
10 - documentsclients reprise;Une archive;Répertoire;;;;;;/data/archive/*.*;oui;oui;"/.*\\.(?!db).*/
/(?!brouillon).*\\..*/";*: documentsclients;non;
facturesfournisseurs;;IMAP;imap.gmail.com;993;SSL;factures@example.fr;secret;INBOX;non;non;;\
"pdf: 87 - facturesfournisseurs; xml, zip: 87, documentsclients";toutes les 5 minutes;bleu
Ancien;;FTP;;;;;;;;;;*: documentsclients;le premier lundi;
"""


def imported(place: Place, name: str, content: str | bytes, *more: str) -> tuple[int, Any]:
    file = place.root / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    answer = place.call("import", "--json", file, *more)
    return answer.code, answer.json()


def numbered(place: Place) -> None:
    folder = {"driver": "folder", "path": "/ged/wait/x"}
    scenarios = {"facturesfournisseurs": {**folder, "number": 87}, "documentsclients": {**folder, "number": 69}}
    write(place.root / "scenarios.yaml", {"scenarios": scenarios})


def test_a_csv_of_the_forms_fields_becomes_launchers_and_a_report(place: Place) -> None:
    numbered(place)
    code, rows = imported(place, "list.csv", CSV)
    assert code == 1
    reprise, mail, old = rows
    made = load_launcher(Path(reprise["file"]))
    assert (made.launcher, made.title) == ("documentsclients_reprise", "10 - documentsclients reprise")
    assert (made.source.path, made.source.subfolders, made.schedule) == ("/data/archive/*.*", True, None)
    assert [str(one) for one in made.filters] == [r"/.*\.(?!db).*/", r"/(?!brouillon).*\..*/"]
    assert made.backup.keep_days == 30  # type: ignore[union-attr]
    assert reprise["not_carried_over"] == []
    made = load_launcher(Path(mail["file"]))
    assert [(r.extensions, r.send_to) for r in made.routes] == [
        (("pdf",), ("facturesfournisseurs",)), (("xml", "zip"), ("facturesfournisseurs", "documentsclients")),
    ]  # fmt: skip
    assert (made.schedule, made.source.connection) == ("*/5 * * * *", "factures_example_fr")
    assert mail["connection"] == {
        "conn_id": "factures_example_fr", "conn_type": "imap", "host": "imap.gmail.com", "port": 993,
        "login": "factures@example.fr", "extra": {"security": "tls"},
    }  # fmt: skip
    assert mail["not_carried_over"] == [
        "column Couleur is unknown", "the password: put it into the Connection factures_example_fr",
    ]  # fmt: skip
    assert old["file"] is None
    assert any("FTP" in text for text in old["not_carried_over"])
    assert any("le premier lundi" in text for text in old["not_carried_over"])
    assert "secret" not in "".join(file.read_text() for file in place.launchers.iterdir())
    place.file.unlink()
    assert place.call("check", place.launchers).code == 0


def test_the_guides_own_example_is_carried_over(place: Place) -> None:
    numbered(place)
    page = (Path(__file__).parents[2] / "docs/fr/commandes.md").read_text("utf-8")
    (example,) = re.findall(r"```text\n(Nom;.*?)```", page, re.DOTALL)
    code, (row,) = imported(place, "list.csv", example)
    assert (code, row["not_carried_over"]) == (0, [])
    assert load_launcher(Path(row["file"])).schedule == "*/5 * * * *"


def test_windows_csv_and_json_say_the_same(place: Place) -> None:
    numbered(place)
    text = "Nom,Protocole,Chemin source,Scénarios\nÉté,Répertoire,/data/été/*.*,documentsclients\n"
    assert imported(place, "list.csv", text.encode("cp1252"))[0] == 0
    entry = {"Nom": "Été 2", "Protocole": "répertoire", "Chemin source": "/data/été2/*.*",
             "Filtres": ["/.*/"], "Scénarios": [{"extensions": ["pdf"], "scénarios": ["69"]}]}  # fmt: skip
    code, (row,) = imported(place, "list.json", json.dumps([entry]))
    assert (code, row["launcher"]) == (0, "ete_2")
    one, two = load_launcher(place.launchers / "ete.yaml"), load_launcher(place.launchers / "ete_2.yaml")
    assert (one.source.path, one.routes[0].send_to) == ("/data/été/*.*", ("documentsclients",))
    assert (two.source.path, two.routes[0].send_to) == ("/data/été2/*.*", ("documentsclients",))


def test_twice_the_same_name_gets_two_ids_and_a_second_import_changes_nothing(place: Place) -> None:
    numbered(place)
    text = "Nom;Protocole;Chemin source;Scénarios\n" + "Scan;dossier;/data/a/*.*;69\n" + "Scan;dossier;/data/b/*.*;69\n"
    code, rows = imported(place, "list.csv", text)
    assert (code, [row["launcher"] for row in rows]) == (0, ["scan", "scan_2"])
    before = {file: file.read_bytes() for file in place.launchers.iterdir()}
    code, rows = imported(place, "list.csv", text)
    assert (code, [row["file"] for row in rows]) == (1, [None, None])
    assert before == {file: file.read_bytes() for file in place.launchers.iterdir()}


def test_an_unknown_scenario_is_reported_and_a_list_that_cannot_be_read_is_an_error(place: Place) -> None:
    code, (row,) = imported(
        place, "list.csv", "Nom;Protocole;Chemin source;Scénarios\nA;dossier;/data/*.*;99 - Autre\n"
    )
    assert (code, load_launcher(Path(row["file"])).routes[0].send_to) == (1, ("autre",))
    assert row["not_carried_over"] == ["scenario 99 - Autre: write autre into scenarios.yaml"]
    (place.root / "bad.json").write_text("{")
    assert place.call("import", place.root / "bad.json").code == 2
    assert place.call("import", place.root / "none.csv").code == 2


@given(st.text(max_size=60))
def test_any_name_gives_an_id_that_the_contract_takes(name: str) -> None:
    made = writing.identifier(name)
    content = {"launcher": made, "source": {"protocol": "folder", "path": "/a/*"},
               "routes": [{"extensions": ["*"], "send_to": ["s"]}]}  # fmt: skip
    assert Launcher.model_validate(content).launcher == made
    assert writing.identifier(name, {made}) != made


NASTY = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=30)


@given(NASTY, NASTY)
@example("0E0", "0o17")
@example("1e3", ".5")
def test_any_text_comes_back_from_the_file_as_it_was_given(title: str, description: str) -> None:
    import tempfile

    answers = Answers(
        title=title, launcher="l", description=description, protocol="folder", path="/data/*.*", routes=["*=s"],
        schedule="",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        assert new(answers, Path(folder), ask=False) == 0
        made = load_launcher(Path(folder) / "l.yaml")
    assert (made.title, made.description) == (title.strip() or "l", description.strip())
