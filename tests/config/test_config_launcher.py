# ruff: noqa: E501 - a table of inputs is read by rows
"""Every rule of a launcher, broken once, with the line that a person is sent to."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ezcold_operators.config.launcher import Launcher
from ezcold_operators.config.loader import load_launcher, read_launcher
from ezcold_operators.config.scenario import Scenario
from ezcold_operators.errors import ConfigurationError

EXAMPLE = """\
launcher: facturesfournisseurs_mail
title: facturesfournisseurs
description: Factures fournisseurs reçues par mail
schedule: "*/5 * * * *"
source:
  protocol: imap
  connection: gmail_factures
  path: INBOX
  subfolders: false
  after: {action: move, to: Traité}
  rejected: {action: keep}
take: [attachments]
unpack: [mail, outlook, tnef, smime]
inline: documents
mismatch: accept
duplicates: content
filters:
  - '/.*\\.(?!db).*/'
  - '/(?!brouillon).*\\..*/'
routes:
  - extensions: [pdf]
    send_to: [facturesfournisseurs]
  - extensions: [xml, zip]
    send_to: [facturesfournisseurs, documentsclients]
  - extensions: ["*"]
    send_to: [documentsclients]
backup: {keep_days: 30}
limits: {max_item_mb: 150, max_documents: 5000, max_depth: 10, max_ratio: 200, per_run: null, per_minute: null}
owner: compta
"""
SCENARIOS = {
    name: Scenario(id=name, driver="folder", path=f"/ged/wait/{name}")
    for name in ("facturesfournisseurs", "documentsclients", "scenario")
}
ROUTES = "routes: [{extensions: [pdf], send_to: [scenario]}]\n"
FOLDER = "launcher: x\nsource: {protocol: folder, path: /in/*.*}\n"
IMAP = "launcher: x\nsource: {protocol: imap, connection: c}\n"


def errors(tmp_path: Path, text: str) -> list[str]:
    """The errors of a launcher's text, without the directory."""
    path = tmp_path / "f.yaml"
    path.write_text(text, "utf-8")
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in read_launcher(path, SCENARIOS).errors]


def load(tmp_path: Path, text: str) -> Launcher:
    path = tmp_path / "f.yaml"
    path.write_text(text, "utf-8")
    return load_launcher(path, SCENARIOS)


def test_the_example_of_the_contract(tmp_path: Path) -> None:
    launcher = load(tmp_path, EXAMPLE)
    assert launcher.source.after.to == "Traité"
    assert [str(f) for f in launcher.filters] == [r"/.*\.(?!db).*/", r"/(?!brouillon).*\..*/"]
    assert launcher.scenarios == ("facturesfournisseurs", "documentsclients")
    assert launcher.backup
    assert launcher.backup.keep_days == 30
    assert launcher.is_mail


def test_defaults(tmp_path: Path) -> None:
    launcher = load(tmp_path, IMAP + ROUTES)
    assert (launcher.title, launcher.schedule, launcher.timezone) == ("x", None, "Europe/Paris")
    assert (launcher.source.path, launcher.source.subfolders) == ("INBOX", False)
    assert (launcher.source.after.action, launcher.source.rejected.action) == ("keep", "keep")
    assert (launcher.filters, launcher.backup, launcher.reprise, launcher.formerly) == ((), False, None, ())
    assert (launcher.take, launcher.inline, launcher.mismatch) == (("attachments",), "documents", "accept")
    assert launcher.source.settle_seconds == 10
    limits = launcher.limits
    assert (limits.max_item_mb, limits.max_documents, limits.max_depth, limits.max_ratio) == (150, 5000, 10, 200)
    assert (limits.per_run, limits.per_minute) == (None, None)


@pytest.mark.parametrize(
    ("source", "unpack", "path"),
    [
        ("{protocol: imap, connection: c}", ("mail", "outlook", "tnef", "smime"), "INBOX"),
        ("{protocol: o365, connection: c}", ("mail", "outlook", "tnef", "smime"), "INBOX"),
        ("{protocol: pop, connection: c}", ("mail", "outlook", "tnef", "smime"), None),
        ("{protocol: folder, path: /in}", (), "/in"),
        ("{protocol: folder, path: 'smb://srv/share/in/*.pdf'}", (), "smb://srv/share/in/*.pdf"),
    ],
)
def test_defaults_of_each_protocol(tmp_path: Path, source: str, unpack: tuple[str, ...], path: str | None) -> None:
    launcher = load(tmp_path, f"launcher: x\nsource: {source}\n{ROUTES}")
    assert (launcher.unpack, launcher.source.path) == (unpack, path)


def test_adullact_routes_by_the_envelope_s_type(tmp_path: Path) -> None:
    text = "launcher: x\nsource: {protocol: adullact, path: /in}\n"
    launcher = load(tmp_path, text + "routes: [{extensions: [acte_nature, Helios], send_to: [scenario]}]")
    assert (launcher.unpack, launcher.routes[0].extensions) == (("envelope",), ("acte", "helios"))


def test_a_field_left_empty_is_an_absent_one(tmp_path: Path) -> None:
    empty = "filters:\nlimits:\nunpack:\ntitle:\nbackup:\ntimezone:\nreprise:\nformerly:\n"
    assert load(tmp_path, IMAP + empty + ROUTES) == load(tmp_path, IMAP + ROUTES)
    assert errors(tmp_path, "launcher: x\nsource:\nroutes:\n") == [
        "f.yaml:2: source: this field is missing",
        "f.yaml:3: routes: this field is missing",
    ]


def test_a_wrong_entry_is_told_once(tmp_path: Path) -> None:
    text = IMAP + "routes: [{extensions: [1], send_to: [S]}]\n"
    assert errors(tmp_path, text) == [
        "f.yaml:3: routes[1].extensions[1]: text is expected: put it in quotes",
        "f.yaml:3: routes[1].send_to[1]: an id is a small letter, then small letters, digits and _ only",
        "f.yaml:3: routes[1].send_to: no scenario S in the scenarios file",
    ]


def test_no_is_a_word_that_means_false(tmp_path: Path) -> None:
    text = "launcher: x\nsource: {protocol: imap, connection: c, subfolders: no}\nbackup: no\n"
    launcher = load(tmp_path, text + ROUTES)
    assert (launcher.source.subfolders, launcher.backup) == (False, False)


def test_extensions_are_folded_and_lose_their_dot(tmp_path: Path) -> None:
    launcher = load(tmp_path, FOLDER + "routes: [{extensions: [.PDF, pdf, Tif], send_to: [scenario]}]")
    assert launcher.routes[0].extensions == ("pdf", "tif")


def source(text: str) -> str:
    return f"launcher: x\nsource:\n  {text}\n{ROUTES}"


BAD: list[tuple[str, str, str]] = [
    # fields
    ("unknown field", EXAMPLE + "schedul: x\n", "f.yaml:30: schedul: unknown field; did you mean schedule?"),
    ("unknown, deep", source("protocol: imap\n  connection: c\n  pth: INBOX"), "f.yaml:5: source.pth: unknown field; did you"),
    ("elsewhere", IMAP + "protocol: imap\n" + ROUTES, "f.yaml:3: protocol: unknown field; it belongs below `source`"),
    ("nothing near", IMAP + "zzzzz: 1\n" + ROUTES, "f.yaml:3: zzzzz: unknown field; known are launcher, title,"),
    ("in a list", IMAP + "routes:\n  - extensions: [pdf]\n    sendto: [scenario]\n", "routes[1].sendto: unknown field; did you mean send_to?"),
    ("password", source("protocol: imap\n  connection: c\n  password: s3cr3t"), "f.yaml:5: source.password: unknown field: it belongs in an Airflow Connection"),
    ("host", source("protocol: imap\n  host: h"), "f.yaml:4: source.host: unknown field: it belongs in an Airflow Connection"),
    ("no id", "source: {protocol: folder, path: /in}\n" + ROUTES, "f.yaml:1: launcher: this field is missing"),
    ("bad id", "launcher: Ma-Facture\nsource: {protocol: folder, path: /in}\n" + ROUTES, "f.yaml:1: launcher: an id is a small letter"),
    ("digit id", "launcher: 10_a\nsource: {protocol: folder, path: /in}\n" + ROUTES, "f.yaml:1: launcher: an id"),
    ("no source", "launcher: x\n" + ROUTES, "source: this field is missing"),
    ("no mapping", "- a\n", "f.yaml:1: the file: fields are expected here"),
    ("just text", "hello\n", "f.yaml:1: the file: fields are expected here"),
    ("number as text", IMAP + "title: 12\n" + ROUTES, "f.yaml:3: title: text is expected: put it in quotes"),
    ("no list", IMAP + "filters: /a/\n" + ROUTES, "f.yaml:3: filters: a list is expected"),
    ("no bool", source("protocol: imap\n  connection: c\n  subfolders: maybe"), "f.yaml:5: source.subfolders: true or false is expected"),
    ("choice", IMAP + "inline: document\n" + ROUTES, "f.yaml:3: inline: document is not possible: use one of documents, all, none; did you mean documents?"),
    ("take", IMAP + "take: [attachment]\n" + ROUTES, "f.yaml:3: take[1]: attachment is not possible"),
    ("take nothing", IMAP + "take: []\n" + ROUTES, "f.yaml:3: take: nothing is taken"),
    ("unpack", IMAP + "unpack: [mail, zip]\n" + ROUTES, "f.yaml:3: unpack[2]: zip is not possible: use one of mail, outlook"),
    ("mismatch", IMAP + "mismatch: refuse\n" + ROUTES, "f.yaml:3: mismatch: refuse is not possible: use one of accept, quarantine"),
    ("duplicates", IMAP + "duplicates: all\n" + ROUTES, "f.yaml:3: duplicates: all is not possible"),
    ("limits", IMAP + "limits: {max_ratio: 0}\n" + ROUTES, "f.yaml:3: limits.max_ratio: must be 1 or more"),
    ("limits text", IMAP + "limits: {per_run: many}\n" + ROUTES, "f.yaml:3: limits.per_run: a whole number is expected"),
    ("backup true", IMAP + "backup: true\n" + ROUTES, "f.yaml:3: backup: write {keep_days: 30}, or false"),
    ("backup zero", IMAP + "backup:\n  keep_days: 0\n" + ROUTES, "f.yaml:4: backup.keep_days: must be 1 or more"),
    ("schedule", IMAP + "schedule: '* * * *'\n" + ROUTES, "f.yaml:3: schedule: a cron has five fields"),
    ("schedule preset", IMAP + "schedule: '@nightly'\n" + ROUTES, "f.yaml:3: schedule: @nightly is no preset: use @hourly"),
    ("timezone", IMAP + "timezone: Europe/Pari\n" + ROUTES, "f.yaml:3: timezone: Europe/Pari is no time zone"),
    ("timezone path", IMAP + "timezone: ../etc\n" + ROUTES, "f.yaml:3: timezone: ../etc is no time zone"),
    ("timezone folder", IMAP + "timezone: Europe\n" + ROUTES, "f.yaml:3: timezone: Europe is no time zone"),
    ("filter", IMAP + "filters:\n  - '/ok/'\n  - '/(x/'\n" + ROUTES, "f.yaml:5: filters[2]: filter /(x/ is not a regular expression"),
    # source
    ("protocol", source("protocol: imapp\n  connection: c"), "f.yaml:3: source.protocol: imapp is not possible: use one of imap, o365, pop, folder, adullact; did you mean imap?"),
    ("imap without connection", source("protocol: imap"), "source.connection: imap needs the id of an Airflow Connection"),
    ("o365 without connection", source("protocol: o365"), "source.connection: o365 needs"),
    ("pop without connection", source("protocol: pop"), "source.connection: pop needs"),
    ("mailbox", source("protocol: imap\n  connection: c\n  mailbox: m"), "f.yaml:5: source.mailbox: only o365"),
    ("pop path", source("protocol: pop\n  connection: c\n  path: INBOX"), "f.yaml:5: source.path: POP has no folders"),
    ("pop subfolders", source("protocol: pop\n  connection: c\n  subfolders: true"), "f.yaml:5: source.subfolders: POP has no folders"),
    ("folder without path", source("protocol: folder"), "source.path: folder needs a path"),
    ("adullact without path", source("protocol: adullact"), "source.path: adullact needs a path"),
    ("relative path", source("protocol: folder\n  path: in/*.pdf"), "f.yaml:4: source.path: an absolute path is expected"),
    ("dots in path", source("protocol: folder\n  path: /in/../etc"), "f.yaml:4: source.path: `..`"),
    ("control", source('protocol: folder\n  path: "/in/a\\tb"'), "f.yaml:4: source.path: a character is not allowed"),
    ("settle", source("protocol: folder\n  path: /in\n  settle_seconds: -1"), "f.yaml:5: source.settle_seconds: must be 0 or more"),
    # after, rejected
    ("pop move", source("protocol: pop\n  connection: c\n  after:\n    action: move\n    to: X"), "f.yaml:6: source.after.action: move is not possible with pop (POP has no folders and no marks): use keep, delete"),
    ("pop mark", source("protocol: pop\n  connection: c\n  rejected: {action: mark}"), "f.yaml:5: source.rejected.action: mark is not possible with pop"),
    ("folder mark", source("protocol: folder\n  path: /in\n  after: {action: mark}"), "f.yaml:5: source.after.action: mark is not possible with folder (files bear no mark): use keep, move, delete"),
    ("adullact mark", source("protocol: adullact\n  path: /in\n  after: {action: mark}"), "source.after.action: mark is not possible with adullact"),
    ("action", source("protocol: imap\n  connection: c\n  after: {action: moove}"), "f.yaml:5: source.after.action: moove is not possible: use one of keep, mark, move, delete; did you mean move?"),
    ("move nowhere", source("protocol: imap\n  connection: c\n  after: {action: move}"), "f.yaml:5: source.after.action: move needs `to`"),
    ("to without move", source("protocol: imap\n  connection: c\n  after: {action: keep, to: X}"), "f.yaml:5: source.after.to: `to` belongs to"),
    ("relative to", source("protocol: folder\n  path: /in\n  after: {action: move, to: done}"), "f.yaml:5: source.after.to: an absolute path"),
    ("to a pattern", source("protocol: folder\n  path: /in\n  after: {action: move, to: /out/*}"), "f.yaml:5: source.after.to: one directory"),
    ("to is path", source("protocol: folder\n  path: /in/*.pdf\n  after: {action: move, to: /in/}"), "f.yaml:5: source.after.to: `to` is the watched place itself"),
    ("to is path, plain", source("protocol: folder\n  path: /in\n  rejected: {action: move, to: //in}"), "f.yaml:5: source.rejected.to: `to` is the watched"),
    ("to is inbox", source("protocol: imap\n  connection: c\n  after: {action: move, to: inbox}"), "f.yaml:5: source.after.to: `to` is the watched"),
    ("to is folder", source("protocol: imap\n  connection: c\n  path: inbox/A\n  after: {action: move, to: INBOX/A/}"), "f.yaml:6: source.after.to: `to` is the watched"),
    ("to is nothing", source("protocol: imap\n  connection: c\n  after: {action: move, to: /}"), "f.yaml:5: source.after.to: a mail folder's name"),
    # routes
    ("no routes", IMAP, "routes: this field is missing"),
    ("empty routes", IMAP + "routes: []\n", "f.yaml:3: routes: the list is empty"),
    ("no scenario", IMAP + "routes:\n  - extensions: [pdf]\n    send_to: []\n", "f.yaml:5: routes[1].send_to: the list is empty"),
    ("no extension", IMAP + "routes:\n  - extensions: []\n    send_to: [scenario]\n", "f.yaml:4: routes[1].extensions: the list is empty"),
    ("empty extension", IMAP + "routes:\n  - extensions:\n      - pdf\n      - '.'\n    send_to: [scenario]\n", "f.yaml:6: routes[1].extensions[2]: an extension is empty"),
    ("two groups", IMAP + "routes:\n  - extensions: [pdf]\n    send_to: [scenario]\n  - extensions: [doc, PDF]\n    send_to: [scenario]\n", 'f.yaml:6: routes[2].extensions[2]: "pdf" is already in group 1'),
    ("after star", IMAP + "routes:\n  - extensions: ['*']\n    send_to: [scenario]\n  - extensions: [pdf]\n    send_to: [scenario]\n", "f.yaml:6: routes[2].extensions[1]: never reached: group 1 already takes"),
    ("dotted", IMAP + "routes:\n  - extensions: [tar.gz]\n    send_to: [scenario]\n", 'f.yaml:4: routes[1].extensions[1]: never reached: an extension is what follows the last dot, such as "gz"'),
    ("pattern", IMAP + "routes:\n  - extensions: ['*pdf']\n    send_to: [scenario]\n", 'f.yaml:4: routes[1].extensions[1]: "*pdf" is no extension'),
    ("unknown scenario", IMAP + "routes:\n  - extensions: [pdf]\n    send_to:\n      - scenario\n      - scenari\n", "f.yaml:7: routes[1].send_to: no scenario scenari in the scenarios file; did you mean scenario?"),
    ("envelope", FOLDER + "routes:\n  - extensions: [acte]\n    send_to: [scenario]\n", "f.yaml:4: routes[1].extensions[1]: acte is an envelope's type: only protocol adullact"),
    ("adullact pdf", "launcher: x\nsource: {protocol: adullact, path: /in}\nroutes:\n  - extensions: [acte, pdf]\n    send_to: [scenario]\n", "f.yaml:4: routes[1].extensions[2]: never reached: adullact routes by the envelope's type"),
    ("adullact star", "launcher: x\nsource: {protocol: adullact, path: /in}\nroutes:\n  - extensions: ['*']\n    send_to: [scenario]\n", "f.yaml:4: routes[1].extensions[1]: never reached: adullact"),
    # the rest
    ("message of a file", FOLDER + "take: [message]\n" + ROUTES, "f.yaml:3: take: `take` is for mails"),
    ("pop reprise", "launcher: x\nsource: {protocol: pop, connection: c}\nreprise: {}\n" + ROUTES, "f.yaml:3: reprise: POP does not say when"),
    ("reprise by path", FOLDER + "reprise: {by: path}\n" + ROUTES, "f.yaml:3: reprise.by: by: path needs `path_pattern`"),
    ("reprise by received", FOLDER + "reprise: {by: received}\n" + ROUTES, "f.yaml:3: reprise.by: received is not possible with folder: use modified, path"),
    ("reprise of mail", IMAP + "reprise: {by: modified}\n" + ROUTES, "f.yaml:3: reprise.by: modified is not possible with imap: use received"),
    ("pattern unused", FOLDER + "reprise: {path_pattern: '{yyyy}'}\n" + ROUTES, "f.yaml:3: reprise.path_pattern: `path_pattern` belongs to"),
    ("pattern word", FOLDER + "reprise: {by: path, path_pattern: '{year}'}\n" + ROUTES, "f.yaml:3: reprise.path_pattern: {year} is unknown"),
    ("pattern year", FOLDER + "reprise: {by: path, path_pattern: '{mm}'}\n" + ROUTES, "f.yaml:3: reprise.path_pattern: the year is missing"),
    ("pattern brace", FOLDER + "reprise: {by: path, path_pattern: '{yyyy'}\n" + ROUTES, "f.yaml:3: reprise.path_pattern: a brace"),
    ("pattern twice", FOLDER + "reprise: {by: path, path_pattern: '{yyyy}/{yyyy}'}\n" + ROUTES, "f.yaml:3: reprise.path_pattern: a word is written twice"),
    ("every", FOLDER + "reprise: {every: year}\n" + ROUTES, "f.yaml:3: reprise.every: year is not possible: use one of day, week, month"),
    ("formerly itself", IMAP + "formerly: [y, x]\n" + ROUTES, "f.yaml:3: formerly: x is this launcher's present id"),
    ("formerly bad", IMAP + "formerly: [Y]\n" + ROUTES, "f.yaml:3: formerly[1]: an id"),
    # the text itself
    ("twice", IMAP + "launcher: y\n" + ROUTES, "f.yaml:3: launcher is written twice, first in line 1"),
    ("empty", "", "f.yaml:1: the file is empty"),
    ("tab", "launcher: x\nsource:\n\tprotocol: imap\n", "f.yaml:3: not YAML"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_bad_launchers(tmp_path: Path, text: str, expected: str) -> None:
    found = errors(tmp_path, text)
    assert any(expected in error for error in found), found
    assert all(error.startswith("f.yaml:") and "\n" not in error for error in found)


def test_all_errors_are_told_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    text = "launcher: X\nsource: {protocol: pop, connection: c, path: a}\ntimezone: Mars\nroutes: [{extensions: [a], send_to: [b]}]"
    found = errors(tmp_path, text)
    assert [error.split(": ")[0] for error in found] == ["f.yaml:1", "f.yaml:2", "f.yaml:3", "f.yaml:4"]


def test_a_misplaced_secret_is_never_shown(tmp_path: Path) -> None:
    text = "launcher: x\nsource:\n  protocol: imap\n  password: hunter2\n  after: {action: keep, token: hunter2}\nsecret: hunter2\n"
    path = tmp_path / "f.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_launcher(path)
    assert "hunter2" not in str(caught.value) + repr(read_launcher(path))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.yaml:1: cannot be read: No such file"):
        load_launcher(tmp_path / "none.yaml")
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        load_launcher(tmp_path)


@settings(max_examples=60)
@given(
    title=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20),
    keep=st.integers(1, 3000),
    action=st.sampled_from(["keep", "delete"]),
    source=st.sampled_from([{"protocol": "imap", "connection": "c"}, {"protocol": "folder", "path": "/in/*.*"}]),
    filters=st.lists(st.sampled_from(["/a/", "b.*", r"/.*\.(?!db).*/"]), max_size=3),
)
def test_what_a_model_writes_it_reads_back(
    tmp_path_factory: pytest.TempPathFactory,
    title: str,
    keep: int,
    action: str,
    source: dict[str, str],
    filters: list[str],
) -> None:
    launcher = Launcher.model_validate(
        {
            "launcher": "x",
            "title": title,
            "source": {**source, "after": {"action": action}},
            "routes": [{"extensions": ["pdf"], "send_to": ["scenario"]}],
            "backup": {"keep_days": keep},
            "filters": filters,
        }
    )
    path = tmp_path_factory.mktemp("round") / "f.yaml"
    path.write_text(yaml.safe_dump(launcher.model_dump(mode="json"), allow_unicode=True), "utf-8")
    assert load_launcher(path) == launcher
