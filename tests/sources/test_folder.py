"""The folder source on a real folder."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ezcold_operators import steps
from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import After, Launcher
from ezcold_operators.errors import ItemChanged, ItemFailed, SourceUnavailable
from ezcold_operators.sources import create
from ezcold_operators.sources.base import Listed, Source, Window
from ezcold_operators.sources.folder_dates import PathDate
from ezcold_operators.sources.folder_names import escape, private_name, readable, unescape
from tests.contracts.source import SourceContract, World

OLD = 1_700_000_000


def launcher(path: object, reprise: dict[str, str] | None = None, **source: Any) -> Launcher:
    """A folder launcher."""
    return Launcher.model_validate(
        {
            "reprise": reprise,
            "launcher": "files",
            "source": {"protocol": "folder", "path": str(path), **source},
            "routes": [{"extensions": ["*"], "send_to": ["s"]}],
        }
    )


class FolderWorld(World):
    """A folder on this machine's disk."""

    actions = ("keep", "move", "delete")

    def __init__(self, root: Path) -> None:
        self.root, self.to = root / "in", root / "done"
        self.root.mkdir()
        self._puts = 0

    def item(self, number: int, payload: bytes = b"") -> bytes:
        return f"item {number}\n".encode() + payload

    def put(self, name: str, data: bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self._puts += 1
        os.utime(path, (OLD + self._puts, OLD + self._puts))

    def vanish(self, name: str) -> None:
        (self.root / name).unlink()

    def replace(self, name: str, data: bytes) -> None:
        self.put(name, data)

    def renumber(self) -> bool:
        return False

    def contents(self) -> list[bytes]:
        return [path.read_bytes() for path in self.root.rglob("*") if path.is_file()]

    def moved(self) -> list[bytes]:
        return [path.read_bytes() for path in self.to.rglob("*") if path.is_file()]

    def snapshot(self) -> Any:
        paths = sorted(p for p in self.root.parent.rglob("*"))
        return [(str(p), p.lstat().st_mtime_ns, p.read_bytes() if p.is_file() else b"") for p in paths]

    def source(self) -> Source:
        return create(launcher(self.root, after={"action": "move", "to": str(self.to)}))

    def after(self, action: str) -> After:
        return After.model_validate({"action": action, **({"to": str(self.to)} if action == "move" else {})})

    def credentials(self) -> Credentials:
        return Credentials()


class TestFolder(SourceContract):
    """The contract."""

    @pytest.fixture
    def world(self, tmp_path: Path) -> World:
        return FolderWorld(tmp_path)


EPOCH = Credentials()
DELETE = After.model_validate({"action": "delete"})


def put(path: Path, data: bytes = b"data", age: float = 3600) -> Path:
    """A file, so many seconds old."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    when = time.time() - age
    os.utime(path, (when, when))
    return path


def listed(
    path: object, window: Window | None = None, reprise: dict[str, str] | None = None, **more: Any
) -> list[Listed]:
    """What a launcher lists."""
    with create(launcher(path, reprise, **more)).open(EPOCH) as session:
        return list(session.list({}, window))


def names(path: object, **more: Any) -> list[str]:
    return sorted(item.name for item in listed(path, **more))


def acknowledged(path: object, items: list[Listed], what: After, **more: Any) -> list[tuple[str, str]]:
    with create(launcher(path, **more)).open(EPOCH) as session:
        return [(outcome.state, outcome.detail) for outcome in session.acknowledge(items, what)]


def move(to: Path) -> After:
    return After.model_validate({"action": "move", "to": str(to)})


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("glob", "subfolders", "wanted"),
    [
        ("", False, ["A.PDF", "a.pdf", "noext"]),
        ("/*", False, ["A.PDF", "a.pdf", "noext"]),
        ("/*.*", False, ["A.PDF", "a.pdf"]),
        ("/*.pdf", True, ["A.PDF", "a.pdf", "x/b.pdf", "x/y/c.pdf"]),
        ("/x/*", False, ["x/b.pdf"]),
        ("/*/*.pdf", False, ["x/b.pdf"]),
        ("/**/*.pdf", False, ["A.PDF", "a.pdf", "x/b.pdf", "x/y/c.pdf"]),
        ("/[!n]*", False, ["A.PDF", "a.pdf"]),
        ("/?.pdf", False, ["A.PDF", "a.pdf"]),
    ],
)
def test_globs(tmp_path: Path, glob: str, subfolders: bool, wanted: list[str]) -> None:
    for name in ("a.pdf", "A.PDF", "noext", "x/b.pdf", "x/y/c.pdf"):
        put(tmp_path / "in" / name)
    found = names(f"{tmp_path}/in{glob}", subfolders=subfolders)
    prefix = "x/" if glob == "/x/*" else ""
    assert [prefix + name for name in found] == wanted


def test_temporary_young_and_strange_files_are_not_taken(tmp_path: Path) -> None:
    root = tmp_path / "in"
    for name in ("a.tmp", "b.PART", "~$c.docx", ".ezcold-claim", "good.pdf"):
        put(root / name)
    put(root / "young.pdf", age=1)
    os.mkfifo(root / "fifo.pdf")
    put(tmp_path / "secret.pdf")
    (root / "link.pdf").symlink_to(tmp_path / "secret.pdf")
    put(tmp_path / "outside" / "x.pdf")
    (root / "linked").symlink_to(tmp_path / "outside")
    (root / "dir.pdf").mkdir()
    assert names(root, subfolders=True) == ["good.pdf"]
    assert names(root, settle_seconds=0) == ["good.pdf", "young.pdf"]


def test_a_file_swapped_for_a_link_is_not_followed(tmp_path: Path) -> None:
    secret = put(tmp_path / "secret.pdf", b"data")
    file = put(tmp_path / "in" / "d" / "a.pdf", b"data")
    os.utime(secret, ns=(1, file.stat().st_mtime_ns))
    items = listed(tmp_path / "in", subfolders=True)
    file.unlink()
    file.symlink_to(secret)
    with create(launcher(tmp_path / "in", subfolders=True)).open(EPOCH) as session:
        assert [taken.chunks for taken in session.read(items)] == [None]
    file.unlink()
    file.parent.rmdir()
    put(tmp_path / "other" / "a.pdf", b"data")
    os.utime(tmp_path / "other" / "a.pdf", ns=(1, secret.stat().st_mtime_ns))
    (tmp_path / "in" / "d").symlink_to(tmp_path / "other")
    with create(launcher(tmp_path / "in", subfolders=True)).open(EPOCH) as session:
        assert [taken.chunks for taken in session.read(items)] == [None]
    assert acknowledged(tmp_path / "in", items, DELETE, subfolders=True) == [("gone", "")]
    assert (tmp_path / "other" / "a.pdf").exists()


def test_a_file_dated_in_the_future_is_taken_when_it_stands_still(tmp_path: Path) -> None:
    put(tmp_path / "in" / "camera.jpg", age=-10_000_000)
    assert names(tmp_path / "in", settle_seconds=0.05) == ["camera.jpg"]


def test_a_file_that_grows_is_left_for_the_next_run(tmp_path: Path) -> None:
    file = put(tmp_path / "in" / "a.pdf", b"x" * 3_000_000)
    items = listed(tmp_path / "in")
    with create(launcher(tmp_path / "in")).open(EPOCH) as session:
        for taken in session.read(items):
            assert taken.chunks is not None
            next(taken.chunks)
            with file.open("ab") as out:
                out.write(b"more")
            with pytest.raises(ItemChanged):
                list(taken.chunks)
    with create(launcher(tmp_path / "in")).open(EPOCH) as session:
        for taken in session.read(items):
            with pytest.raises(ItemChanged):
                list(taken.chunks or ())


def test_names_that_are_not_utf_8_survive(tmp_path: Path) -> None:
    root = tmp_path / "in"
    root.mkdir()
    raws = [b"r\xe9\xe7u 100%.pdf", b"r%E9\xe7u 100%.pdf", "reçu.pdf".encode(), b"new\nline.pdf", b"\xff/sub\xe9.pdf"]
    for raw in raws:
        path = os.fsencode(root) + b"/" + raw
        file = Path(os.fsdecode(path))
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(raw)
        os.utime(file, (OLD, OLD))
    items = listed(root, subfolders=True)
    assert len({item.key for item in items}) == 5
    for item in items:
        json.dumps([item.key, item.name, item.handle]).encode()
        item.key.encode()
        item.name.encode()
    assert "réçu 100%.pdf" in {item.name for item in items}
    with create(launcher(root, subfolders=True)).open(EPOCH) as session:
        assert sorted(b"".join(taken.chunks or ()) for taken in session.read(items)) == sorted(raws)
    assert {state for state, _ in acknowledged(root, items, move(tmp_path / "done"), subfolders=True)} == {"done"}
    assert sorted(tree(tmp_path / "done").values()) == sorted(raws)


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root reads everything")
def test_one_unreadable_file_is_its_own_fault(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.pdf")
    put(tmp_path / "in" / "b.pdf").chmod(0)
    put(tmp_path / "in" / "c.pdf")
    put(tmp_path / "in" / "closed" / "d.pdf").parent.chmod(0)

    def work() -> None:
        config = launcher(tmp_path / "in", subfolders=True)
        with create(config).open(EPOCH) as session:
            items = sorted(session.list({}), key=lambda item: item.name)
            assert [item.name for item in items] == ["a.pdf", "b.pdf", "c.pdf"]
            read = []
            for taken in session.read(items):
                try:
                    read.append(b"".join(taken.chunks or ()))
                except ItemFailed as exc:
                    read.append(b"failed " + str(exc).encode())
            assert read[0] == read[2] == b"data"
            assert read[1].startswith(b"failed b.pdf cannot be read")
            with pytest.raises(SourceUnavailable, match="closed may not be read"):
                session.marks()

    as_nobody(tmp_path, work)
    (tmp_path / "in" / "closed").chmod(0o755)


def as_nobody(folder: Path, work: Callable[[], None]) -> None:
    """In a child that is not root, so that rights count."""
    for path in (folder, *folder.parents):
        if path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def test_a_read_only_folder_fails_with_a_sentence(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.pdf")
    (tmp_path / "in").chmod(0o555)
    items = listed(tmp_path / "in")

    def work() -> None:
        for after in (DELETE, move(tmp_path / "done")):
            ((state, detail),) = acknowledged(tmp_path / "in", items, after)
            assert state == "failed"
            assert "cannot be written" in detail
            assert "\n" not in detail

    as_nobody(tmp_path, work)
    assert tree(tmp_path / "in") == {"a.pdf": b"data"}
    (tmp_path / "in").chmod(0o755)


def test_a_missing_folder_is_unavailable(tmp_path: Path) -> None:
    put(tmp_path / "file")
    for path in (tmp_path / "missing", tmp_path / "file"):
        with pytest.raises(SourceUnavailable, match="create it, or mount its share"):
            listed(path)


def test_the_target_is_never_watched_even_below_the_folder(tmp_path: Path) -> None:
    root = tmp_path / "in"
    put(root / "a.pdf")
    put(root / "done" / "old.pdf")
    put(root / "no" / "old.pdf")
    put(root / "sub" / "b.pdf")
    (tmp_path / "alias").symlink_to(root / "no")
    more = {
        "subfolders": True,
        "after": {"action": "move", "to": str(root / "done")},
        "rejected": {"action": "move", "to": str(tmp_path / "alias")},
    }
    assert names(root, **more) == ["a.pdf", "sub/b.pdf"]
    items = listed(root, **more)
    assert {state for state, _ in acknowledged(root, items, move(root / "done"), **more)} == {"done"}
    assert names(root, **more) == []
    assert sorted(tree(root)) == ["done/a.pdf", "done/old.pdf", "done/sub/b.pdf", "no/old.pdf"]


OTHER_DISK = Path("/dev/shm")


@pytest.fixture(params=["same disk", "other disk"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Where files are moved to."""
    if request.param == "same disk":
        yield tmp_path / "to" / "done"
        return
    if not OTHER_DISK.is_dir() or OTHER_DISK.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is only one file system")
    folder = Path(tempfile.mkdtemp(dir=OTHER_DISK))
    yield folder / "done"
    shutil.rmtree(folder)


def test_a_move_never_replaces(tmp_path: Path, target: Path) -> None:
    for number in range(3):
        file = put(tmp_path / "in" / "scan.pdf", b"%d" % number)
        before = file.stat().st_mtime_ns
        items = listed(tmp_path / "in")
        assert acknowledged(tmp_path / "in", items, move(target)) == [("done", "")]
    assert tree(target) == {"scan.pdf": b"0", "scan (2).pdf": b"1", "scan (3).pdf": b"2"}
    assert (target / "scan (3).pdf").stat().st_mtime_ns == before
    assert tree(tmp_path / "in") == {}


def test_two_workers_at_once_move_each_file_once(tmp_path: Path, target: Path) -> None:
    for number in range(60):
        put(tmp_path / "in" / f"{number}.pdf", b"%d" % number * 10_000)
    items = listed(tmp_path / "in")
    before = tree(tmp_path / "in")
    children = []
    for _worker in range(3):
        child = os.fork()
        if child == 0:
            try:
                states = {state for state, _ in acknowledged(tmp_path / "in", items, move(target))}
                os._exit(0 if states <= {"done", "gone"} else 1)
            finally:
                os._exit(2)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert tree(target) == before
    assert tree(tmp_path / "in") == {}


STEPS = [
    "folder.claim",
    "folder.delete",
    "folder.rename",
    "folder.mkdir",
    "folder.mkdir_target",
    "folder.copy",
    "folder.unlink_copied",
    "folder.sync",
]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("action", ["move", "delete"])
def test_killed_at_any_step_the_end_is_the_same(
    tmp_path: Path, target: Path, action: str, name: str, moment: str
) -> None:
    for number in range(4):
        put(tmp_path / "in" / f"sub{number % 2}" / f"{number}.pdf", b"%d" % number)
    before = tree(tmp_path / "in")
    after = move(target) if action == "move" else DELETE
    items = listed(tmp_path / "in", subfolders=True)

    def work() -> None:
        steps.observe(lambda step, when: os._exit(9) if (step, when) == (name, moment) else None)
        acknowledged(tmp_path / "in", items, after, subfolders=True)

    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert {item.key for item in listed(tmp_path / "in", subfolders=True)} <= {item.key for item in items}
    for _again in range(2):
        states = {state for state, _ in acknowledged(tmp_path / "in", items, after, subfolders=True)}
        assert states <= {"done", "gone"}
    assert tree(tmp_path / "in") == {}
    assert tree(target) == (before if action == "move" else {})


def test_a_claim_that_is_not_what_was_fetched_is_given_back(tmp_path: Path) -> None:
    file = put(tmp_path / "in" / "a.pdf", b"fetched")
    items = listed(tmp_path / "in")
    claim = file.with_name(private_name(items[0].key, items[0].fingerprint, "a.pdf"))
    claim.write_bytes(b"written meanwhile")
    file.unlink()
    assert acknowledged(tmp_path / "in", items, DELETE) == [("gone", "")]
    assert tree(tmp_path / "in") == {"a.pdf": b"written meanwhile"}
    file.rename(claim)
    put(file, b"a third")
    assert acknowledged(tmp_path / "in", items, DELETE) == [("gone", "")]
    assert tree(tmp_path / "in") == {"a.pdf": b"a third", "a (2).pdf": b"written meanwhile"}


@pytest.mark.parametrize("moment", ["before", "after", "never"])
def test_a_claim_made_by_a_link_and_cut_in_between_is_finished(tmp_path: Path, moment: str) -> None:
    file = put(tmp_path / "in" / "a.pdf")
    items = listed(tmp_path / "in")
    os.link(file, file.with_name(private_name(items[0].key, items[0].fingerprint, "a.pdf")))
    if os.fork() == 0:
        steps.observe(lambda step, when: os._exit(9) if (step, when) == ("folder.claim_unlink", moment) else None)
        acknowledged(tmp_path / "in", items, DELETE) if moment != "never" else None
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.wait()[1]) == (0 if moment == "never" else 9)
    assert acknowledged(tmp_path / "in", items, DELETE) == [("done", "")]
    assert tree(tmp_path / "in") == {}


def test_the_longest_name_is_claimed_and_moved(tmp_path: Path, target: Path) -> None:
    name = "é" * 125 + "x.pdf"
    for number in range(2):
        put(tmp_path / "in" / name, b"%d" % number)
        assert acknowledged(tmp_path / "in", listed(tmp_path / "in"), move(target)) == [("done", "")]
    assert sorted(tree(target).values()) == [b"0", b"1"]
    assert all(found.endswith(".pdf") for found in tree(target))


def test_listing_many_files_costs_no_memory(tmp_path: Path) -> None:
    root = tmp_path / "in"
    root.mkdir()
    for number in range(20_000):
        os.close(os.open(root / f"{number}.pdf", os.O_CREAT | os.O_WRONLY))
    with create(launcher(root, settle_seconds=0)).open(EPOCH) as session:
        tracemalloc.start()
        count = sum(1 for _ in session.list({}))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert count == 20_000
    assert peak < 2_000_000


def test_windows_go_by_the_time_of_modification(tmp_path: Path) -> None:
    day = datetime(2020, 5, 17, tzinfo=UTC)
    for number in range(4):
        file = put(tmp_path / "in" / f"{number}.pdf")
        when = (day + timedelta(days=number)).timestamp()
        os.utime(file, (when, when))
    window = Window(day + timedelta(days=1), day + timedelta(days=3))
    assert sorted(item.name for item in listed(tmp_path / "in", window)) == ["1.pdf", "2.pdf"]


def test_windows_go_by_the_path_where_the_launcher_says_so(tmp_path: Path) -> None:
    for name in ("2019/03/a.pdf", "2019/04/b.pdf", "2019/13/c.pdf", "misc/d.pdf", "arch/2019/03/e.pdf"):
        put(tmp_path / "in" / name)
    paris = ZoneInfo("Europe/Paris")
    window = Window(datetime(2019, 3, 1, tzinfo=paris), datetime(2019, 4, 1, tzinfo=paris))
    reprise = {"by": "path", "path_pattern": "{yyyy}/{mm}"}
    found = listed(tmp_path / "in", window, reprise, subfolders=True)
    assert sorted(item.name for item in found) == ["2019/03/a.pdf", "arch/2019/03/e.pdf"]
    dates = {item.name: item.date for item in listed(tmp_path / "in", None, reprise, subfolders=True)}
    assert dates["2019/04/b.pdf"] == datetime(2019, 4, 1, tzinfo=paris)
    assert dates["2019/13/c.pdf"] is None
    assert dates["misc/d.pdf"] is None


@pytest.mark.parametrize(
    ("pattern", "path", "date"),
    [
        ("{yyyy}{mm}{dd}_", "x/20190315_scan.pdf", (2019, 3, 15)),
        ("{yyyy}", "2019/x.pdf", (2019, 1, 1)),
        ("{yyyy}", "20191/x.pdf", None),
        ("*/{yyyy}-{mm}", "clients/2019-03.pdf", (2019, 3, 1)),
        ("{dd}.{mm}.{yy}", "31.12.19 facture.pdf", (2019, 12, 31)),
        ("{yyyy}/{mm}/{dd}", "2019/02/30/x.pdf", None),
    ],
)
def test_dates_in_paths(pattern: str, path: str, date: tuple[int, int, int] | None) -> None:
    zone = ZoneInfo("Europe/Paris")
    assert PathDate(pattern, "Europe/Paris").of(path) == (datetime(*date, tzinfo=zone) if date else None)


@given(st.binary(min_size=1, max_size=80).filter(lambda raw: b"\0" not in raw))
def test_escaping_is_reversible_and_plain(raw: bytes) -> None:
    path = os.fsdecode(raw)
    text = escape(path)
    text.encode()
    assert unescape(text) == path
    readable(path).encode()
    assert "\n" not in readable(path)


def test_probing_says_whether_files_can_be_acknowledged(tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.pdf")
    (tmp_path / "ro").mkdir()
    (tmp_path / "ro").chmod(0o555)

    def work() -> None:
        for to, expected in (
            (tmp_path / "ro" / "x" / "done", "cannot be written"),
            (tmp_path / "in" / "d", "possible"),
        ):
            source = create(launcher(tmp_path / "in", after={"action": "move", "to": str(to)}))
            sentences = list(source.probe(EPOCH))
            assert "1 files to take" in sentences[0]
            assert expected in sentences[1]

    (tmp_path / "in").chmod(0o777)
    as_nobody(tmp_path, work)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.pdf", "in", "ro"]
