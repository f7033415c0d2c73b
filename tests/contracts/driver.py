"""What every driver must do. A driver's test inherits DriverContract and gives it an EntranceWorld on the real thing.

class TestFolderDriver(DriverContract):
    @pytest.fixture
    def world(self, tmp_path) -> EntranceWorld:
        return WaitingDirectory(tmp_path)
"""

from __future__ import annotations

import hashlib
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ezcold_operators.cold.base import Delivered, Driver, Entrance, Outgoing, Prepared
from ezcold_operators.config.credentials import Credentials
from ezcold_operators.errors import Ambiguous, AuthenticationFailed, ScenarioUnavailable

SECRET = "s3cret-Pa$$word"
RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{p}{n}" for p in ("COM", "LPT") for n in "0123456789¹²³")}


class EntranceWorld(ABC):
    """One COLD scenario's entrance, seen from EzGED's side."""

    remembers = True
    """Whether `recover` can know what happened; False: it answers Ambiguous, or sends again under the same name."""

    @abstractmethod
    def driver(self) -> Driver:
        """A new Driver for this entrance."""

    @abstractmethod
    def credentials(self) -> Credentials | None:
        """Those that work; the password, if there is one, is SECRET."""

    @abstractmethod
    def seen(self) -> dict[str, bytes]:
        """What EzGED has received: name to bytes, eaten ones included."""

    @abstractmethod
    def eat(self) -> None:
        """EzGED takes away what waits."""

    @abstractmethod
    def snapshot(self) -> Any:
        """Everything that a probe must not change."""

    @abstractmethod
    def break_down(self) -> None:
        """The entrance is not there any more: unmounted, server stopped."""

    def refused(self) -> Credentials | None:
        """Credentials with a wrong password, SECRET; None where there is no login."""
        return None


class Documents:
    """Files in a stage, as Outgoing."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._count = 0

    def __call__(self, data: bytes, name: str = "scan.pdf", **more: Any) -> Outgoing:
        self._count += 1
        file = self._root / f"blob{self._count}"
        file.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        return Outgoing(delivery_id=self._count, file=file, size=len(data), sha256=digest, name=name, **more)


def prepare(entrance: Entrance, batch: Sequence[Outgoing]) -> list[Prepared]:
    """All of a batch, none refused."""
    answers = list(entrance.prepare(batch))
    assert all(isinstance(answer, Prepared) for answer in answers), answers
    ready = [answer for answer in answers if isinstance(answer, Prepared)]
    assert [one.delivery_id for one in ready] == [one.delivery_id for one in batch]
    return ready


def send(entrance: Entrance, batch: Sequence[Outgoing]) -> list[Delivered]:
    """Prepared and delivered."""
    return list(entrance.deliver(list(zip(prepare(entrance, batch), batch, strict=True))))


def digests(items: Sequence[bytes]) -> list[str]:
    """Sorted hashes: a mismatch then prints short."""
    return sorted(hashlib.sha256(item).hexdigest()[:16] for item in items)


def windows_takes(name: str) -> bool:
    """learn.microsoft.com/windows/win32/fileio/naming-a-file, and nothing that hides or turns text around."""
    return (
        0 < len(name.encode()) <= 255
        and len(name.encode("utf-16-le")) <= 510
        and not set(name) & set('<>:"/\\|?*')
        and not any(unicodedata.category(char) in {"Cc", "Cf", "Cs"} for char in name)
        and not name.endswith((".", " "))
        and not name.startswith((".", " "))
        and unicodedata.normalize("NFC", name) == name
        and name.split(".")[0].rstrip(" ").upper() not in RESERVED
    )


class DriverContract:
    """Inherit, and give the fixture `world`."""

    @pytest.fixture
    def documents(self, tmp_path_factory: pytest.TempPathFactory) -> Documents:
        return Documents(tmp_path_factory.mktemp("stage"))

    def test_nothing_is_sent_when_there_is_nothing(self, world: EntranceWorld) -> None:
        with world.driver().open(world.credentials()) as entrance:
            assert prepare(entrance, []) == []
            assert list(entrance.deliver([])) == []
        assert world.seen() == {}

    def test_bytes_arrive_exactly_with_a_receipt_each(self, world: EntranceWorld, documents: Documents) -> None:
        datas = [b"", b"\0\r\n\xff", bytes(range(256)) * 4000, b"x" * 30_000_000]
        with world.driver().open(world.credentials()) as entrance:
            answers = send(entrance, [documents(data, f"f{i}.pdf") for i, data in enumerate(datas)])
        assert [answer.error for answer in answers] == [None] * 4
        assert all(answer.receipt for answer in answers)
        assert digests(list(world.seen().values())) == digests(datas)

    def test_nothing_shows_before_delivery(self, world: EntranceWorld, documents: Documents) -> None:
        with world.driver().open(world.credentials()) as entrance:
            prepare(entrance, [documents(b"one"), documents(b"two")])
            assert world.seen() == {}

    def test_tokens_are_unlike_and_stand_in_the_names(self, world: EntranceWorld, documents: Documents) -> None:
        with world.driver().open(world.credentials()) as entrance:
            batch = [documents(f"{number}".encode()) for number in range(50)]
            ready = prepare(entrance, batch)
            list(entrance.deliver(list(zip(ready, batch, strict=True))))
        assert len({one.token for one in ready}) == 50
        assert all(len(one.token) >= 12 and one.token in one.final for one in ready)
        assert all(name.startswith("scan") and name.endswith(".pdf") for name in world.seen())
        assert sorted(world.seen().values()) == sorted(f"{number}".encode() for number in range(50))

    def test_the_same_name_again_never_replaces(self, world: EntranceWorld, documents: Documents) -> None:
        for data in (b"first", b"second", b"first"):
            with world.driver().open(world.credentials()) as entrance:
                send(entrance, [documents(data, "Scan.pdf"), documents(data + b"!", "SCAN.PDF")])
        assert len({name.lower() for name in world.seen()}) == 6
        assert sorted(world.seen().values()) == sorted(
            [b"first", b"second", b"first"] * 1 + [b"first!", b"second!", b"first!"]
        )

    @pytest.mark.parametrize(
        ("name", "extension"),
        [
            ("", ".pdf"),
            ("..", ".pdf"),
            ("../../etc/passwd.txt", ".txt"),
            ("..\\..\\boot.ini", ".ini"),
            ("CON.pdf", ".pdf"),
            ("com¹.tar.pdf", ".pdf"),
            ("x" * 400 + ".pdf", ".pdf"),
            ("é€😀" * 120 + ".PDF", ".PDF"),
            ('Facture n°12/2026 <copie>: "été"?.pdf', ".pdf"),
            ("a\u202efdp.exe", ".exe"),
            ("e\u0301te\u0301.pdf", ".pdf"),
            ("saut\r\nde ligne\t\0.pdf", ".pdf"),
            ("sans extension. ", ""),
            ("\udce9t\udce9.pdf", ".pdf"),
        ],
    )
    def test_names_are_acceptable_to_windows(
        self, world: EntranceWorld, documents: Documents, name: str, extension: str
    ) -> None:
        with world.driver().open(world.credentials()) as entrance:
            (answer,) = send(entrance, [documents(b"x", name, media_type="application/pdf")])
        assert answer.error is None
        (seen,) = world.seen()
        assert windows_takes(seen), seen
        assert seen.endswith(extension)

    def test_discarded_parts_are_never_seen(self, world: EntranceWorld, documents: Documents) -> None:
        before = world.snapshot()
        with world.driver().open(world.credentials()) as entrance:
            between = world.snapshot()
            for one in prepare(entrance, [documents(b"one"), documents(b"two")]):
                entrance.discard(one)
                entrance.discard(one)
            assert world.snapshot() == between
        assert world.seen() == {}
        del before

    def test_recovering_what_was_not_sent_sends_it_once(self, world: EntranceWorld, documents: Documents) -> None:
        outgoing = documents(b"payload")
        with world.driver().open(world.credentials()) as entrance:
            (one,) = prepare(entrance, [outgoing])
        for _again in range(2):
            with world.driver().open(world.credentials()) as entrance:
                answer = entrance.recover(one, outgoing)
            if not world.remembers:
                assert answer.error is None or isinstance(answer.error, Ambiguous)
                return
            assert (answer.error, bool(answer.receipt)) == (None, True)
            assert list(world.seen().values()) == [b"payload"]

    @pytest.mark.parametrize("eaten", [False, True])
    def test_recovering_what_was_sent_does_not_send_again(
        self, world: EntranceWorld, documents: Documents, eaten: bool
    ) -> None:
        outgoing = documents(b"payload")
        with world.driver().open(world.credentials()) as entrance:
            (one,) = prepare(entrance, [outgoing])
            (sent,) = entrance.deliver([(one, outgoing)])
        if eaten:
            world.eat()
        with world.driver().open(world.credentials()) as entrance:
            answer = entrance.recover(one, outgoing)
        assert list(world.seen()) == [sent.receipt.rpartition("/")[2]] or not world.remembers
        assert answer.error is None or isinstance(answer.error, Ambiguous)
        assert answer.error is None or not world.remembers

    def test_delivering_twice_sends_once(self, world: EntranceWorld, documents: Documents) -> None:
        if not world.remembers:
            pytest.skip("this driver cannot know")
        outgoing = documents(b"payload")
        with world.driver().open(world.credentials()) as entrance:
            (one,) = prepare(entrance, [outgoing])
            for _again in range(2):
                (answer,) = entrance.deliver([(one, outgoing)])
                assert answer.error is None
                world.eat()
        assert list(world.seen().values()) == [b"payload"]

    def test_an_entrance_that_is_gone_is_scenario_unavailable(self, world: EntranceWorld, documents: Documents) -> None:
        outgoing = documents(b"payload")
        driver = world.driver()
        world.break_down()
        with pytest.raises(ScenarioUnavailable) as caught, driver.open(world.credentials()) as entrance:
            prepare(entrance, [outgoing])
        assert "\n" not in str(caught.value)

    def test_a_refused_login_is_authentication_failed(self, world: EntranceWorld) -> None:
        refused = world.refused()
        if refused is None:
            pytest.skip("no login here")
        with pytest.raises(AuthenticationFailed) as caught, world.driver().open(refused):
            pass
        assert SECRET not in f"{caught.value} {caught.value!r} {world.driver()!r}"

    def test_probe_speaks_and_leaves_nothing(self, world: EntranceWorld) -> None:
        before = world.snapshot()
        sentences = list(world.driver().probe(world.credentials()))
        assert sentences
        assert all(isinstance(one, str) and "\n" not in one and SECRET not in one for one in sentences)
        assert world.snapshot() == before
        assert world.seen() == {}

    def test_probing_what_is_broken_says_so(self, world: EntranceWorld) -> None:
        world.break_down()
        with pytest.raises(ScenarioUnavailable):
            list(world.driver().probe(world.credentials()))
