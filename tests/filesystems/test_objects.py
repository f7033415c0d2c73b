"""Source and driver on fsspec's own in-memory object store: the weaker promise still loses nothing."""

from __future__ import annotations

import itertools
from typing import Any

import fsspec
import pytest

from ezcold_operators.cold import create as create_driver
from ezcold_operators.cold.base import Driver
from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import After
from ezcold_operators.config.scenario import Scenario
from ezcold_operators.errors import ConfigurationError
from ezcold_operators.filesystems.opening import open_tree
from ezcold_operators.sources import create as create_source
from ezcold_operators.sources.base import Source
from tests.contracts.driver import Documents, DriverContract, EntranceWorld
from tests.contracts.source import SourceContract, World
from tests.sources.test_folder import launcher

_numbers = itertools.count()


class Bucket:
    """A new, empty folder of the store."""

    def __init__(self) -> None:
        self.fs: Any = fsspec.filesystem("memory")
        self.base = f"/bucket{next(_numbers)}"

    def url(self, folder: str) -> str:
        return f"memory://{self.base[1:]}/{folder}"

    def files(self, folder: str) -> dict[str, bytes]:
        place = f"{self.base}/{folder}"
        found = self.fs.find(place) if self.fs.exists(place) else []
        return {name.removeprefix(f"{place}/"): self.fs.cat_file(name) for name in found}


class ObjectSourceWorld(World):
    """Objects below one prefix."""

    actions = ("keep", "move", "delete")

    def __init__(self) -> None:
        self.bucket = Bucket()

    def item(self, number: int, payload: bytes = b"") -> bytes:
        return f"item {number}\n".encode() + payload

    def put(self, name: str, data: bytes) -> None:
        self.bucket.fs.pipe_file(f"{self.bucket.base}/in/{name}", data)

    def vanish(self, name: str) -> None:
        self.bucket.fs.rm_file(f"{self.bucket.base}/in/{name}")

    def replace(self, name: str, data: bytes) -> None:
        self.put(name, data)

    def renumber(self) -> bool:
        return False

    def contents(self) -> list[bytes]:
        return list(self.bucket.files("in").values())

    def moved(self) -> list[bytes]:
        return list(self.bucket.files("done").values())

    def snapshot(self) -> Any:
        return self.bucket.files("in"), self.bucket.files("done")

    def source(self) -> Source:
        after = {"action": "move", "to": self.bucket.url("done")}
        return create_source(launcher(self.bucket.url("in"), settle_seconds=0, connection="store", after=after))

    def after(self, action: str) -> After:
        return After.model_validate({"action": action, **({"to": self.bucket.url("done")} if action == "move" else {})})

    def credentials(self) -> Credentials:
        return Credentials()


class TestObjectSource(SourceContract):
    """The contract of sources."""

    @pytest.fixture
    def world(self) -> World:
        return ObjectSourceWorld()


class ObjectEntrance(EntranceWorld):
    """A waiting prefix."""

    def __init__(self) -> None:
        self.bucket = Bucket()
        self._eaten: dict[str, bytes] = {}

    def driver(self) -> Driver:
        url = self.bucket.url("wait")
        return create_driver(Scenario(id="s", driver="folder", path=url, connection="store"))

    def credentials(self) -> Credentials | None:
        return Credentials()

    def seen(self) -> dict[str, bytes]:
        return self._eaten | self.bucket.files("wait")

    def eat(self) -> None:
        for name, data in self.bucket.files("wait").items():
            self._eaten[name] = data
            self.bucket.fs.rm_file(f"{self.bucket.base}/wait/{name}")

    def snapshot(self) -> Any:
        return self.bucket.files("")

    def break_down(self) -> None:
        pytest.skip("a store in this process is always there")


class TestObjectDriver(DriverContract):
    """The contract of drivers."""

    @pytest.fixture
    def world(self) -> EntranceWorld:
        return ObjectEntrance()

    @pytest.fixture
    def documents(self, tmp_path_factory: pytest.TempPathFactory) -> Documents:
        return Documents(tmp_path_factory.mktemp("stage"))


def test_an_unknown_scheme_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="no such scheme"):
        open_tree("nonsense://a/b")
