"""The adullact source on a real folder: what belongs together is one item, whatever dies on the way."""

from __future__ import annotations

import io
import os
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import After, Launcher
from ezcold_operators.decoding.adullact import decode_envelope
from ezcold_operators.decoding.base import Decoded, Options
from ezcold_operators.errors import ItemChanged
from ezcold_operators.sources import create
from ezcold_operators.sources.base import Listed, Outcome, Session, Source
from ezcold_operators.steps import Moment, observe
from tests.contracts.source import SourceContract, World, bodies, listing
from tests.decoding.adullact import corpus
from tests.decoding.adullact.corpus import Acte
from tests.sources.test_folder import FolderWorld

ID_ACTE = "034-123456782-20240305-2024_17-DE"
OLD = 1_700_000_000


def launcher(path: object, **source: Any) -> Launcher:
    return Launcher.model_validate(
        {
            "launcher": "enveloppes",
            "source": {"protocol": "adullact", "path": str(path), **source},
            "routes": [{"extensions": ["acte", "helios", "chorus_fact"], "send_to": ["s"]}],
        }
    )


class AdullactWorld(FolderWorld):
    def source(self) -> Source:
        return create(launcher(self.root, after={"action": "move", "to": str(self.to)}))


class TestAdullact(SourceContract):
    """The contract of every source, file by file."""

    @pytest.fixture
    def world(self, tmp_path: Path) -> World:
        return AdullactWorld(tmp_path)


@pytest.fixture
def drop(tmp_path: Path) -> AdullactWorld:
    return AdullactWorld(tmp_path)


def put(world: AdullactWorld, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        world.put(name, data)


def members(bundle: bytes) -> dict[str, bytes]:
    """The files of a bundle, index aside."""
    with tarfile.open(fileobj=io.BytesIO(bundle)) as archive:
        found = {info.name: archive.extractfile(info) for info in archive}
        read = {name: file.read() for name, file in found.items() if file is not None}
    assert next(iter(read)) == ".ezcold-bundle.json"
    return {name: data for name, data in read.items() if name != ".ezcold-bundle.json"}


def names(items: list[Listed]) -> list[str]:
    return sorted(item.name for item in items)


def decoded(raw: bytes, item: Listed, place: Path) -> Decoded | None:
    source, work = place / "raw", place / "work"
    source.write_bytes(raw)
    work.mkdir()
    return decode_envelope(source, work, Options(kind="adullact", name=item.name))


class TestGroups:
    def test_an_unpacked_envelope_is_one_item(self, drop: AdullactWorld, tmp_path: Path) -> None:
        files = Acte(annexes=("annexe é.pdf",)).files()
        put(drop, files)
        with drop.source().open(Credentials()) as session:
            (item,) = listing(session)
            (raw,) = bodies(session, [item])
        assert raw is not None
        assert item.name.startswith("EACT--")
        assert item.size == len(raw)
        assert members(raw) == files
        found = decoded(raw, item, tmp_path)
        assert found is not None
        assert found.quarantined is None
        assert found.envelope is not None
        assert found.envelope.metadata["id_acte"] == ID_ACTE
        assert sorted(d.name or "" for d in found.documents) == sorted(files)

    def test_the_same_files_give_the_same_bytes(self, drop: AdullactWorld) -> None:
        put(drop, Acte().files())
        seen = []
        for _ in range(2):
            with drop.source().open(Credentials()) as session:
                seen += bodies(session, listing(session))
        assert seen[0] == seen[1]

    def test_a_late_receipt_is_an_item_of_its_own(self, drop: AdullactWorld) -> None:
        put(drop, Acte().files())
        with drop.source().open(Credentials()) as session:
            (first,) = listing(session)
        drop.put("034-AR-1-2_1.xml", Acte().receipt(ID_ACTE))
        with drop.source().open(Credentials()) as session:
            items = listing(session)
        assert (first.key, first.fingerprint) in {(item.key, item.fingerprint) for item in items}
        assert names(items) == ["034-AR-1-2_1.xml", first.name]

    def test_a_pdf_of_the_same_root_name_belongs_to_its_pes(self, drop: AdullactWorld) -> None:
        put(drop, {"a.xml": corpus.pes_depense(), "A.PDF": b"visuel", "a_ACK.xml": corpus.acquit(), "b.pdf": b"seul"})
        with drop.source().open(Credentials()) as session:
            items = {item.name: item for item in listing(session)}
            (raw,) = bodies(session, [items["a.xml"]])
        assert sorted(items) == ["a.xml", "a_ACK.xml", "b.pdf"]
        assert sorted(members(raw or b"")) == ["A.PDF", "a.xml"]

    def test_an_archive_belongs_to_nobody_unless_it_is_named(self, drop: AdullactWorld) -> None:
        deposit = corpus.flux({"acte_nature": "1"}, {"arrete": ["plans.zip"]})
        archive = corpus.zip_of({"p.pdf": b"x"})
        put(drop, {"a.xml": corpus.pes_depense(), "a.zip": archive, "a.docx": corpus.zip_of({"mimetype": b"x"})})
        put(drop, {"metadata.xml": deposit, "plans.zip": archive})
        with drop.source().open(Credentials()) as session:
            assert names(listing(session)) == ["a.xml", "a.zip", "metadata.xml"]

    @pytest.mark.parametrize("name", ["metadata.xml", "metadata.json", "metadata.txt"])
    def test_a_pastell_deposit_is_one_item(self, drop: AdullactWorld, name: str) -> None:
        fields = {
            "metadata.xml": corpus.flux({"acte_nature": "1"}, {"arrete": ["l'acte.pdf"]}),
            "metadata.json": b'{"acte_nature": "1", "arrete": ["l\'acte.pdf"]}',
            "metadata.txt": b'acte_nature: 1\narrete:\n  - "l\'acte.pdf"\n',
        }[name]
        put(drop, {f"depot/{name}": fields, "depot/l'acte.pdf": b"x", "depot/fichier_termine.txt": b""})
        source = create(launcher(drop.root, subfolders=True))
        with source.open(Credentials()) as session:
            (item,) = listing(session)
            (raw,) = bodies(session, [item])
        assert item.name == f"depot/{name}"
        assert sorted(members(raw or b"")) == ["fichier_termine.txt", "l'acte.pdf", name]

    def test_neighbours_of_one_folder_stay_apart(self, drop: AdullactWorld) -> None:
        one, two = Acte(document="1.pdf", siren="111111118"), Acte(document="2.pdf", siren="222222226")
        put(drop, {**one.files(), **two.files(), "x.tar.gz": corpus.targz(one.files())})
        with drop.source().open(Credentials()) as session:
            assert len(listing(session)) == 3

    def test_folders_stay_apart(self, drop: AdullactWorld) -> None:
        put(drop, {"a/p.xml": corpus.pes_depense(), "b/p.pdf": b"x"})
        with create(launcher(drop.root, subfolders=True)).open(Credentials()) as session:
            assert names(listing(session)) == ["a/p.xml", "b/p.pdf"]

    def test_a_file_that_changed_is_left_for_the_next_run(self, drop: AdullactWorld) -> None:
        acte = Acte()
        put(drop, acte.files())
        with drop.source().open(Credentials()) as session:
            items = listing(session)
        drop.replace(acte.document, b"une autre version")
        with drop.source().open(Credentials()) as session, pytest.raises(ItemChanged):
            bodies(session, items)


class TestWaiting:
    def incomplete(self, drop: AdullactWorld, age: float) -> None:
        files = Acte(annexes=("absente.pdf",)).files()
        del files["absente.pdf"]
        put(drop, files)
        for path in drop.root.iterdir():
            os.utime(path, (time.time() - age,) * 2)

    def test_what_is_incomplete_is_waited_for(self, drop: AdullactWorld) -> None:
        self.incomplete(drop, age=300)
        with drop.source().open(Credentials()) as session:
            assert listing(session) == []
        drop.put("absente.pdf", b"enfin")
        with drop.source().open(Credentials()) as session:
            (item,) = listing(session)
            assert "absente.pdf" in members(bodies(session, [item])[0] or b"")

    def test_then_it_is_taken_and_what_is_missing_is_said(self, drop: AdullactWorld, tmp_path: Path) -> None:
        self.incomplete(drop, age=700)
        with drop.source().open(Credentials()) as session:
            (item,) = listing(session)
            (raw,) = bodies(session, [item])
        found = decoded(raw or b"", item, tmp_path)
        assert found is not None
        assert found.quarantined == "Acte names a file that is missing: 'absente.pdf'"
        assert len(found.documents) == 3


class _Killed(BaseException):
    pass


def outcomes(session: Session, items: list[Listed], after: After) -> list[Outcome]:
    return list(session.acknowledge(items, after))


@pytest.mark.parametrize("action", ["move", "delete"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_at_any_step_leaves_no_part_to_be_taken_again(tmp_path: Path, action: str, moment: Moment) -> None:
    files = Acte(annexes=("annexe.pdf",)).files()
    number = 0
    while True:
        number += 1
        (place := tmp_path / f"{number}").mkdir()
        world = AdullactWorld(place)
        put(world, files)
        with world.source().open(Credentials()) as session:
            items = listing(session)
        count = 0

        def kill(name: str, when: Moment) -> None:
            nonlocal count
            count += when == moment
            if when == moment and count == number:  # noqa: B023
                raise _Killed(name)

        observe(kill)
        try:
            with world.source().open(Credentials()) as session:
                outcomes(session, items, world.after(action))
        except _Killed:
            died = True
        else:
            died = False
        finally:
            observe(None)
        with world.source().open(Credentials()) as session:
            again = {(item.key, item.fingerprint) for item in listing(session)}
            assert again <= {(item.key, item.fingerprint) for item in items}, "a part was taken for an item"
            assert {o.state for o in outcomes(session, items, world.after(action))} <= {"done", "gone"}
        assert list(world.root.iterdir()) == []
        assert sorted(world.moved()) == (sorted(files.values()) if action == "move" else [])
        if not died:
            break
    assert number > 8


def test_a_group_of_which_one_file_changed_is_not_touched(drop: AdullactWorld) -> None:
    acte = Acte()
    put(drop, acte.files())
    with drop.source().open(Credentials()) as session:
        items = listing(session)
    drop.replace(acte.document, b"une autre version")
    before = drop.snapshot()
    with drop.source().open(Credentials()) as session:
        assert [outcome.state for outcome in outcomes(session, items, drop.after("delete"))] == ["gone"]
        (new,) = listing(session)
    assert new.fingerprint != items[0].fingerprint
    assert drop.snapshot() == before
