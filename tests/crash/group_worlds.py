"""Worlds whose documents go in as groups with an index, into a directory and into EzGED."""

from __future__ import annotations

import hashlib
import json
import uuid
import zipfile
from collections import Counter
from typing import Any

from tests.crash.world import FolderWorld, Zygote, until_exit
from tests.decoding.adullact.corpus import Acte


class GroupWorld(FolderWorld):
    """Archives whose documents go in as groups, their index last."""

    whole = False
    own = ("groups.indexed",)
    also = ("dispatch.", "waitdir.", "folder.")
    items = 3
    driver = "driver: folder\n    path: {wait}\n    group: true\n    index: json"
    extra = "unpack: [archive]\n"

    def fill(self) -> None:
        for n in range(self.items):
            with zipfile.ZipFile(self.inbox / f"lot {n}.zip", "w") as archive:
                for member in range(3):
                    name, data = self.pdf()
                    archive.writestr(f"{member} {name}", data)

    def files(self) -> dict[str, bytes]:
        """What EzGED has or could have taken: name to bytes."""
        return {file.name: file.read_bytes() for file in (*self.wait.iterdir(), *self.eaten.iterdir())}

    def arrived(self) -> Counter[str]:
        files = {name: data for name, data in self.files().items() if not name.endswith(".json")}
        return Counter(hashlib.sha256(data).hexdigest() for data in files.values())

    def check(self) -> None:
        super().check()
        self.check_indexes()

    def check_indexes(self) -> None:
        files = self.files()
        told = [one for name, data in files.items() if name.endswith(".json") for one in json.loads(data)["documents"]]
        there = sorted(name for name in files if not name.endswith(".json"))
        assert sorted(one["file"] for one in told) == there, "an index twice, or one that tells of other files"


class EzgedWorld(GroupWorld):
    """Uploads into EzGED (`retry`): nothing lost; what went twice went under one name."""

    own = ("ezged.login", "ezged.upload", "ezged.logout", "groups.indexed")
    also = ("dispatch.",)
    driver = "driver: ezged\n    connection: ged\n    waitdir: {waitdir}\n    index: json"
    server: Any = None

    def prepare(self) -> None:
        super().prepare()
        if EzgedWorld.server is None:
            from tests.servers.ezged import ezged_server

            EzgedWorld.server = until_exit.enter_context(ezged_server())
            EzgedWorld.server.state.most_sessions = 1_000  # killed processes leave theirs behind
        waitdir = f"w{uuid.uuid4().hex}"  # worlds of one seed share the server
        self.uploaded: dict[str, bytes] = self.server.files.setdefault(waitdir, {})
        self.server.state.waitdirs.add(waitdir)
        self.driver = self.driver.format(waitdir=waitdir)
        self.env["AIRFLOW_CONN_GED"] = self.server.connection()

    def files(self) -> dict[str, bytes]:
        return dict(self.uploaded)

    def check(self) -> None:
        super().check()
        assert self.server.violations == []


class EzgedHoldWorld(EzgedWorld):
    """Uploads whose answer was lost, in a scenario that wants a person to look before anything is sent again."""

    own = ("dispatch.refused",)
    also = ()
    driver = "driver: ezged\n    connection: ged\n    waitdir: {waitdir}\n    on_ambiguous: hold"
    codes = frozenset({0, 1})

    def past(self, zygote: Zygote) -> None:
        self.die(zygote, "ezged.upload", "after", 3)

    def check_indexes(self) -> None:
        assert [name for name in self.files() if name.endswith(".json")] == []

    def all_acknowledged(self) -> list[str]:
        """Of three archives the one whose document is in doubt stays."""
        left = self.left()
        return [] if len(left) == 1 and left[0].endswith(".zip") else [f"left: {left}"]


class AdullactWorld(FolderWorld):
    """Unpacked envelopes, whose files leave the folder together."""

    whole = False
    own = ("adullact.write_note", "adullact.unlink_note")
    extensions = "acte"

    def fill(self) -> None:
        for n in range(2):
            (self.inbox / f"{n}").mkdir()
            for name, data in Acte(numero=f"2024_{n}", annexes=("annexe.pdf",)).files().items():
                (self.inbox / f"{n}" / name).write_bytes(data)
                self.wanted[hashlib.sha256(data).hexdigest()] += 1
        self.items = sum(self.wanted.values())

    def source_yaml(self) -> str:
        return super().source_yaml().replace("protocol: folder", "protocol: adullact")
