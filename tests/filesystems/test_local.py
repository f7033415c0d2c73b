"""The local tree where file systems can do less: the ways round renameat2 and copy_file_range."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.filesystems import linux
from ezcold_operators.filesystems.local import LocalTree
from ezcold_operators.filesystems.url import parse, port_of, scheme_of


def test_rename_new_never_replaces(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    with LocalTree(str(tmp_path)) as tree:
        with pytest.raises(FileExistsError):
            tree.rename_new("a", tree, "b")
        tree.rename_new("a", tree, "c")
        with pytest.raises(FileNotFoundError):
            tree.rename_new("a", tree, "d")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"b": "b", "c": "a"}


def test_a_link_instead_never_replaces_either(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(FileExistsError):
            linux._link_new(fd, "a", fd, "b")
        linux._link_new(fd, "a", fd, "c")
    finally:
        os.close(fd)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"b": "b", "c": "a"}


def test_a_copy_where_the_kernel_has_nothing_to_give(tmp_path: Path) -> None:
    source = os.open("/proc/self/status", os.O_RDONLY)  # copy_file_range gives no bytes of procfs
    target = os.open(tmp_path / "copy", os.O_WRONLY | os.O_CREAT)
    try:
        assert linux.copy(source, target) == (tmp_path / "copy").stat().st_size > 100
    finally:
        os.close(source)
        os.close(target)


def test_put_says_which_file_failed_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "good").write_bytes(b"x" * 3_000_000)
    (tmp_path / "in" / "there").write_text("old")
    with LocalTree(str(tmp_path / "in")) as tree:
        missing, cut, good, exists = tree.put(
            [(tmp_path / "none", 1, "n"), (tmp_path / "good", 3_000_001, "cut"), (tmp_path / "good", 3_000_000, "g"),
             (tmp_path / "good", 3_000_000, "there")]
        )  # fmt: skip
    assert isinstance(missing, FileNotFoundError)
    assert missing.filename == tmp_path / "none"
    assert isinstance(cut, OSError)
    assert cut.filename == tmp_path / "good"
    assert good is None
    assert isinstance(exists, FileExistsError)
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == ["g", "there"]
    assert (tmp_path / "in" / "there").read_text() == "old"


def test_nothing_is_reached_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "secret").write_text("s")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "out")
    with LocalTree(str(tmp_path / "in")) as tree:
        assert dict(tree.scan(""))["link"].kind == "other"
        for work in (
            lambda: tree.stat("link/secret"),
            lambda: list(tree.scan("link")),
            lambda: tree.unlink("link/secret"),
            lambda: tree.write("link/new", [b"x"]),
            lambda: tree.rename("link/secret", tree, "mine"),
        ):
            with pytest.raises(FileNotFoundError):
                work()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["secret"]


def test_urls_are_read_literally() -> None:
    url = parse("smb://GED:4450/Share/été 100%#1?/x//y/")
    assert (url.scheme, url.host, url.port, url.path) == ("smb", "ged", 4450, "/Share/été 100%#1?/x/y")
    assert str(url) == "smb://ged:4450/Share/été 100%#1?/x/y"
    assert parse("sftp://[::1]:22/a").host == "::1"
    assert scheme_of("/data/a://b") == ""
    assert port_of(url, Credentials(host="ged", port=1), 445) == 4450
    assert port_of(parse("smb://ged/s"), Credentials(host="GED", port=1), 445) == 1
    assert port_of(parse("smb://ged/s"), Credentials(), 445) == 445
    for wrong in ("smb://user:secret@ged/s", "smb:///s", "smb://ged:x/s"):
        with pytest.raises(ConfigurationError) as caught:
            parse(wrong)
        assert "secret" not in str(caught.value)
