# ruff: noqa: E501 - a table of inputs is read by rows
"""Launchers against each other: one place, one target, one id."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ezcold_operators.config.launcher import Launcher
from ezcold_operators.config.loader import load_directory
from ezcold_operators.config.overlap import overlaps
from ezcold_operators.config.places import mail_place, patterns_meet

ROUTES = [{"extensions": ["pdf"], "send_to": ["s"]}]
MOVE = {"action": "move", "to": "Traité"}
OUT = {"action": "move", "to": "/out"}
DELETE = {"action": "delete"}


def severities(one: dict[str, object], other: dict[str, object]) -> set[str]:
    """How two sources meet."""
    launchers = []
    for name, source in (("a", one), ("b", other)):
        source = {"protocol": "folder" if str(source.get("path", "")).startswith("/") else "imap", **source}
        if source["protocol"] != "folder":
            source = {"connection": "c", **source}
        launchers.append(Launcher.model_validate({"launcher": name, "source": source, "routes": ROUTES}))
    found = overlaps(launchers)
    assert {o.severity for o in found} == {o.severity for o in overlaps(launchers[::-1])}
    return {o.severity for o in found}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({}, {}, {"warning"}),
        ({"after": MOVE}, {}, {"error"}),
        ({}, {"after": DELETE}, {"error"}),
        ({}, {"rejected": DELETE}, {"error"}),
        ({"after": {"action": "mark"}}, {}, {"warning"}),
        ({"path": "inbox"}, {"path": "INBOX"}, {"warning"}),
        ({"path": "A"}, {"path": "a"}, set()),
        ({"path": "INBOX/A"}, {"path": "INBOX"}, set()),
        ({"path": "INBOX/A"}, {"path": "INBOX", "subfolders": True}, {"warning"}),
        ({"path": "INBOX/A", "after": DELETE}, {"path": "INBOX", "subfolders": True}, {"error"}),
        ({"path": "INBOX/A", "subfolders": True, "after": DELETE}, {"path": "INBOX"}, set()),
        ({"connection": "d", "after": DELETE}, {}, set()),
        ({"connection": "C", "after": DELETE}, {}, {"error"}),
        ({"protocol": "pop", "after": DELETE}, {}, {"error"}),
        ({"protocol": "o365", "mailbox": "m"}, {"protocol": "o365", "mailbox": "n"}, set()),
        ({"protocol": "o365", "mailbox": "m"}, {"protocol": "o365", "mailbox": "M"}, {"warning"}),
        # what `to` names is never watched
        ({"after": MOVE}, {"path": "Traité"}, {"error"}),
        ({"rejected": MOVE}, {"path": "Traité"}, {"error"}),
        ({"after": {"action": "move", "to": "A/B"}}, {"path": "A", "subfolders": True}, {"error"}),
        ({"after": {"action": "move", "to": "A/B"}}, {"path": "A"}, set()),
        ({"path": "A", "after": {"action": "move", "to": "Done"}}, {"path": "B", "after": {"action": "move", "to": "Done"}}, set()),
        # files
        ({"path": "/in"}, {"path": "/in/*"}, {"warning"}),
        ({"path": "/in/*.pdf", "after": DELETE}, {"path": "/in/*.*"}, {"error"}),
        ({"path": "/in/*.pdf", "after": DELETE}, {"path": "/in/*.xml"}, set()),
        ({"path": "/in/a*", "after": DELETE}, {"path": "/in/*b"}, {"error"}),
        ({"path": "/in/[a-m]*", "after": DELETE}, {"path": "/in/[n-z]*"}, set()),
        ({"path": "/in/[!a]*", "after": DELETE}, {"path": "/in/a*"}, set()),
        ({"path": "/in", "after": DELETE}, {"path": "/in/sub"}, set()),
        ({"path": "/in", "subfolders": True, "after": DELETE}, {"path": "/in/sub"}, {"error"}),
        ({"path": "/in", "subfolders": True, "after": DELETE}, {"path": "/inn"}, set()),
        ({"path": "/in/*/x/*.pdf", "after": DELETE}, {"path": "/in/sub/x"}, {"error"}),
        ({"path": "/in/*/x/*.pdf", "after": DELETE}, {"path": "/in/sub/y"}, set()),
        ({"path": "/in/*/x/*.pdf"}, {"path": "/in/a*/*/b.*"}, {"warning"}),
        ({"path": "/in/**/*.pdf", "after": DELETE}, {"path": "/in/a/b/*.*"}, {"error"}),
        ({"path": "/in/**/*.pdf", "after": DELETE}, {"path": "/in/a/b/*.xml"}, set()),
        ({"path": "/in/*/a.pdf", "after": DELETE}, {"path": "/in/x/*.pdf"}, {"error"}),
        ({"path": "/in/*/a.pdf", "after": DELETE}, {"path": "/in/x/b*"}, set()),
        ({"path": "/in/*.PDF", "after": DELETE}, {"path": "/in/*.pdf"}, {"error"}),
        ({"path": "/in", "after": OUT}, {"path": "/out"}, {"error"}),
        ({"path": "/in", "after": OUT}, {"path": "/", "subfolders": True, "after": OUT}, {"error"}),
        ({"path": "/in", "after": OUT}, {"path": "/o*t/*.pdf"}, {"error"}),
        ({"path": "/a", "after": OUT}, {"path": "/b", "after": OUT}, set()),
        ({"path": "/data/in/"}, {"path": "/data//in/./"}, {"warning"}),
        ({"path": "/in", "protocol": "folder"}, {"path": "/in", "after": DELETE, "protocol": "folder"}, {"error"}),
    ],
)  # fmt: skip
def test_two_launchers(one: dict[str, object], other: dict[str, object], expected: set[str]) -> None:
    assert severities(one, other) == expected


def test_one_launcher_never_meets_itself() -> None:
    source = {"protocol": "imap", "connection": "c", "path": "INBOX", "subfolders": True}
    source["after"] = {"action": "move", "to": "INBOX/Traité"}
    launcher = Launcher.model_validate({"launcher": "a", "source": source, "routes": ROUTES})
    assert overlaps([launcher]) == []


token = st.sampled_from(["*", "?", "[ab]", "[!a]", "a", "b", "c", "."])


@given(st.lists(token, max_size=5).map("".join), st.lists(token, max_size=5).map("".join), st.text("abc.", max_size=5))
def test_patterns_that_share_a_name_meet(one: str, other: str, name: str) -> None:
    assert patterns_meet(one, one)
    assert patterns_meet(one, other) == patterns_meet(other, one)
    if fnmatchcase(name, one) and fnmatchcase(name, other):
        assert patterns_meet(one, other)


@given(st.text("ab.c", max_size=5), st.lists(token, max_size=5).map("".join))
def test_a_plain_name_meets_just_what_it_fits(name: str, pattern: str) -> None:
    assert patterns_meet(name, pattern) == fnmatchcase(name, pattern)


def test_mail_folders_compare_in_nfc_and_inbox_in_any_case() -> None:
    assert mail_place("Traite\u0301/") == mail_place("Traité")
    assert mail_place("InBox/A") == ("INBOX", "A")
    assert mail_place("A/inbox") == ("A", "inbox")


def write(folder: Path, name: str, launcher: str, more: str = "", path: str = "/in") -> None:
    text = f"launcher: {launcher}\nsource:\n  protocol: folder\n  path: {path}\n{more}"
    (folder / name).write_text(text + "routes: [{extensions: [pdf], send_to: [s]}]\n")


def test_a_directory_says_who_meets_whom_and_in_which_line(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", "a", "  after: {action: delete}\n")
    write(tmp_path, "b.yml", "b")
    write(tmp_path, "c.yaml", "c", path="/c")
    a, b, c = load_directory(tmp_path)
    sentence = "source.path: b (b.yml) watches this place too, and what one moves or deletes the other misses"
    assert [str(e) for e in a.errors] == [f"{tmp_path}/a.yaml:4: {sentence}"]
    assert (a.launcher, b.launcher, b.errors[0].line, c.errors) == (None, None, 4, [])
    assert c.launcher


def test_an_overlap_that_only_copies_is_a_warning(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", "a")
    write(tmp_path, "b.yaml", "b")
    a, b = load_directory(tmp_path)
    assert (a.errors, b.errors, a.warnings[0].severity, b.warnings[0].line) == ([], [], "warning", 4)
    assert a.launcher
    assert b.launcher


def test_an_id_stays_with_the_file_that_is_named_like_it(tmp_path: Path) -> None:
    write(tmp_path, "a copy.yaml", "a")
    write(tmp_path, "a.yaml", "a")
    copy, a = load_directory(tmp_path)
    assert (a.errors, copy.launcher) == ([], None)
    assert [str(e) for e in copy.errors] == [f"{tmp_path}/a copy.yaml:1: launcher: a is already the id of a.yaml"]


def test_formerly_of_a_living_launcher_or_of_two(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", "a", path="/a")
    write(tmp_path, "b.yaml", "b", "formerly:\n  - old\n  - a\n", path="/b")
    write(tmp_path, "c.yaml", "c", "formerly: [old]\n", path="/c")
    a, b, c = load_directory(tmp_path)
    assert (a.errors, [(e.line, e.text) for e in b.errors]) == (
        [],
        [
            (6, "formerly[1]: c.yaml claims the past of old too"),
            (7, "formerly[2]: a is the id of a living launcher, a.yaml"),
        ],
    )
    assert [(e.line, e.text) for e in c.errors] == [(5, "formerly[1]: b.yaml claims the past of old too")]


def test_a_bad_file_hides_no_other_and_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_bytes(b"\xff\xfe")
    (tmp_path / "scenarios.yaml").write_text("scenarios: {}")
    (tmp_path / ".hidden.yaml").write_text("x")
    (tmp_path / "readme.txt").write_text("x")
    write(tmp_path, "good.yaml", "good")
    bad, good = load_directory(tmp_path)
    assert (bad.id, bad.launcher, good.id) == ("bad", None, "good")
    assert good.launcher


def test_a_thousand_launchers(tmp_path: Path) -> None:
    for number in range(1000):
        write(tmp_path, f"l{number}.yaml", f"l{number}", f"filters: ['/x{number}/']\n", path=f"/in/{number}/*.*")
    loaded = load_directory(tmp_path)
    assert (len(loaded), [one for one in loaded if one.errors or one.warnings]) == (1000, [])
