"""What every source must do: a protocol's test class inherits SourceContract and gives it the fixture `world`.

A World stands on a real server; tests/sources/test_imap_contract.py is an example.
"""

from __future__ import annotations

import hashlib
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import pytest

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import After
from ezcold_operators.errors import AuthenticationFailed, ItemChanged, SourceUnavailable
from ezcold_operators.sources.base import Listed, Session, Source

KEEP = After(action="keep")
SECRET = "s3cret-Pa$$word"


class World(ABC):
    """One watched place on a real server, seen from behind: what a person or another program does to it.

    `name` is a file's relative path or, for mail, only a label by which the test knows the mail again.
    """

    actions: tuple[str, ...] = ("keep", "mark", "move", "delete")
    """What `after` may be."""
    native_ids = True
    """Whether another thing can come to stand under the same native id (`replace`)."""

    @abstractmethod
    def item(self, number: int, payload: bytes = b"") -> bytes:
        """Bytes of a valid, distinct item of this kind."""

    @abstractmethod
    def put(self, name: str, data: bytes) -> None:
        """It arrives, whole, and old enough to be taken."""

    @abstractmethod
    def vanish(self, name: str) -> None:
        """Somebody else takes it away."""

    @abstractmethod
    def replace(self, name: str, data: bytes) -> None:
        """Another thing now stands under the native id of `name`: same UIDVALIDITY and UID, or same path."""

    @abstractmethod
    def renumber(self) -> bool:
        """A new epoch: every native id changes, the things stay. False if the protocol knows no such thing."""

    @abstractmethod
    def contents(self) -> list[bytes]:
        """Bytes of what stands in the watched place and is not deleted, in no order."""

    @abstractmethod
    def moved(self) -> list[bytes]:
        """Bytes of what stands in the target of `move`."""

    @abstractmethod
    def snapshot(self) -> Any:
        """All that listing and reading must not change: names, bytes, flags, times of modification."""

    def marked(self) -> list[bytes]:
        """Bytes of what is marked as read."""
        return []

    @abstractmethod
    def source(self) -> Source:
        """A new Source for the watched place; its `after` has the target of `move` in it."""

    def after(self, action: str) -> After:
        """The After for an action; `move` goes to where `moved` looks."""
        return After.model_validate({"action": action})

    @abstractmethod
    def credentials(self) -> Credentials:
        """Those that work."""

    def wrong_password(self) -> Credentials | None:
        """Credentials with a refused password, which is SECRET; None where there is no login."""
        return None

    def dead(self) -> Credentials | None:
        """Credentials for a host where nothing answers; None where there is no host."""
        return None

    def silent(self) -> Credentials | None:
        """Credentials for a host that accepts and then says nothing, timeout 1 s; None where there is no host."""
        return None

    def hard(self) -> Iterable[tuple[bytes, bytes]]:
        """(bytes put, bytes to be read): 8-bit, CRLF, no end of line, 30 MB."""
        data = bytes(range(256)) * 16
        for raw in (self.item(900, data), self.item(901, b"\r\n\r\n.\r\n..\r\n" + data), self.item(902, data * 7700)):
            yield raw, raw


def listing(session: Session, marks: dict[str, str] | None = None) -> list[Listed]:
    """Everything listed."""
    return list(session.list(marks or {}))


def bodies(session: Session, batch: Sequence[Listed]) -> list[bytes | None]:
    """The bytes of each, None for gone; also that order and number are those of the batch."""
    found: list[bytes | None] = []
    taken_keys = []
    for taken in session.read(batch):
        taken_keys.append(taken.listed.key)
        found.append(None if taken.chunks is None else b"".join(taken.chunks))
    assert taken_keys == [listed.key for listed in batch]
    return found


def digests(items: Iterable[bytes | None]) -> list[str]:
    """Sorted hashes: a mismatch then prints short."""
    return sorted("gone" if item is None else hashlib.sha256(item).hexdigest()[:16] for item in items)


def acknowledge(session: Session, batch: Sequence[Listed], after: After) -> dict[str, str]:
    """State by key; one outcome for each."""
    outcomes = list(session.acknowledge(batch, after))
    assert sorted(o.listed.key for o in outcomes) == sorted(listed.key for listed in batch)
    return {outcome.listed.key: outcome.state for outcome in outcomes}


class SourceContract:
    """Inherit, and give the fixture `world`."""

    def test_lists_nothing_when_empty(self, world: World) -> None:
        with world.source().open(world.credentials()) as session:
            assert listing(session) == []
            assert bodies(session, []) == []
            assert acknowledge(session, [], KEEP) == {}

    def test_keys_and_fingerprints_are_stable_and_distinct(self, world: World) -> None:
        for number in range(7):
            world.put(f"n{number}.pdf", world.item(number))
        seen = []
        for _ in range(2):
            with world.source().open(world.credentials()) as session:
                seen.append({(item.key, item.fingerprint, item.place) for item in listing(session)})
        assert seen[0] == seen[1]
        assert len({key for key, _, _ in seen[0]}) == 7
        assert len({place for _, _, place in seen[0]}) == 1

    def test_handles_are_json_without_secrets(self, world: World) -> None:
        world.put("a.pdf", world.item(1))
        credentials = world.credentials()
        source = world.source()
        with source.open(credentials) as session:
            (item,) = listing(session)
            assert item.handle == json.loads(json.dumps(item.handle))
            for text in (repr(source), repr(session), str(session), repr(item), repr(credentials)):
                assert not credentials.password or credentials.password not in text

    def test_listing_and_reading_leave_no_trace(self, world: World) -> None:
        for number in range(3):
            world.put(f"n{number}.pdf", world.item(number))
        before = world.snapshot()
        with world.source().open(world.credentials()) as session:
            assert None not in bodies(session, listing(session))
        assert world.snapshot() == before

    def test_bytes_are_exact(self, world: World) -> None:
        cases = list(world.hard())
        for number, (raw, _) in enumerate(cases):
            world.put(f"n{number}.pdf", raw)
        with world.source().open(world.credentials()) as session:
            found = bodies(session, listing(session))
        assert digests(found) == digests(expected for _, expected in cases)

    def test_reading_works_in_a_later_session_from_what_the_ledger_kept(self, world: World) -> None:
        world.put("a.pdf", world.item(1, b"first"))
        world.put("b.pdf", world.item(2, b"second"))
        with world.source().open(world.credentials()) as session:
            kept = [
                Listed(i.key, i.fingerprint, i.place, i.size, i.name, i.date, json.loads(json.dumps(i.handle)))
                for i in listing(session)
            ]
        with world.source().open(world.credentials()) as session:
            assert digests(bodies(session, kept[::-1])) == digests(world.contents())

    def test_a_vanished_item_is_gone_and_not_empty(self, world: World) -> None:
        for number in range(3):
            world.put(f"n{number}.pdf", world.item(number))
        with world.source().open(world.credentials()) as session:
            items = listing(session)
        world.vanish("n1.pdf")
        with world.source().open(world.credentials()) as session:
            found = bodies(session, items)
            assert found.count(None) == 1
            assert digests(b for b in found if b is not None) == digests(world.contents())
            states = acknowledge(session, items, KEEP if "delete" not in world.actions else world.after("delete"))
        assert sorted(states.values()).count("gone") == 1 or "delete" not in world.actions

    def test_marks_skip_what_stands_still_and_nothing_else(self, world: World) -> None:
        world.put("a.pdf", world.item(1))
        marks: dict[str, str] = {}
        for _ in range(3):  # a server may need one look before its state stands still
            with world.source().open(world.credentials()) as session:
                assert len(listing(session)) == 1
                marks = dict(session.marks())
        with world.source().open(world.credentials()) as session:
            if marks:
                assert listing(session, marks) == []
                assert dict(session.marks()) == marks
        world.put("b.pdf", world.item(2))
        with world.source().open(world.credentials()) as session:
            fresh = bodies(session, listing(session, marks))
        assert world.item(2) in fresh

    def test_a_new_epoch_loses_nothing_and_lists_everything(self, world: World) -> None:
        for number in range(3):
            world.put(f"n{number}.pdf", world.item(number))
        with world.source().open(world.credentials()) as session:
            old = listing(session)
            marks = dict(session.marks())
        if not world.renumber():
            pytest.skip("this protocol has no epochs")
        with world.source().open(world.credentials()) as session:
            new = listing(session, marks)
            assert not {item.key for item in old} & {item.key for item in new}
            assert sorted(item.fingerprint for item in old) == sorted(item.fingerprint for item in new)
            assert digests(bodies(session, new)) == digests(world.contents())
            assert bodies(session, old) == [None, None, None]
            if "delete" in world.actions:
                assert set(acknowledge(session, old, world.after("delete")).values()) == {"gone"}
        assert len(world.contents()) == 3

    def test_another_thing_under_the_same_id_is_never_read_nor_touched(self, world: World) -> None:
        if not world.native_ids:
            pytest.skip("native ids are never used again here")
        world.put("a.pdf", world.item(1, b"what was fetched"))
        with world.source().open(world.credentials()) as session:
            items = listing(session)
            marks = dict(session.marks())
        world.replace("a.pdf", world.item(2, b"what is there now"))
        before = world.snapshot()
        with world.source().open(world.credentials()) as session:
            with suppress(ItemChanged):
                assert bodies(session, items) == [None]
        for action in world.actions:
            with world.source().open(world.credentials()) as session:
                states = acknowledge(session, items, world.after(action))
            assert action == "keep" or list(states.values()) == ["gone"]
        assert world.snapshot() == before
        with world.source().open(world.credentials()) as session:
            (new,) = listing(session, marks)
            assert (new.key, new.fingerprint) != (items[0].key, items[0].fingerprint)
            assert digests(bodies(session, [new])) == digests(world.contents())

    @pytest.mark.parametrize("action", ["keep", "mark", "move", "delete"])
    def test_acknowledging_does_that_and_nothing_else_and_twice_is_fine(self, world: World, action: str) -> None:
        if action not in world.actions:
            pytest.skip(f"{action} is not for this protocol")
        for number in range(4):
            world.put(f"n{number}.pdf", world.item(number))
        everything = world.contents()
        with world.source().open(world.credentials()) as session:
            items = listing(session)
            texts = bodies(session, items)
            mine, others = items[:2], [text for text in texts[2:] if text is not None]
            assert set(acknowledge(session, mine, world.after(action)).values()) == {"done"}
        with world.source().open(world.credentials()) as session:
            assert set(acknowledge(session, mine, world.after(action)).values()) <= {"done", "gone"}
        stays = everything if action in {"keep", "mark"} else others
        assert digests(world.contents()) == digests(stays)
        assert digests(world.moved()) == (digests(texts[:2]) if action == "move" else [])
        assert digests(world.marked()) == (digests(texts[:2]) if action == "mark" else [])
        with world.source().open(world.credentials()) as session:
            assert len(listing(session)) == len(stays)

    def test_a_refused_login_is_authentication_failed(self, world: World) -> None:
        wrong = world.wrong_password()
        if wrong is None:
            pytest.skip("no login here")
        with pytest.raises(AuthenticationFailed) as caught, world.source().open(wrong):
            pass
        text = f"{caught.value} {caught.value!r}"
        assert SECRET not in text
        assert "\n" not in str(caught.value)

    def test_a_dead_host_is_source_unavailable(self, world: World) -> None:
        dead = world.dead()
        if dead is None:
            pytest.skip("no host here")
        with pytest.raises(SourceUnavailable) as caught, world.source().open(dead):
            pass
        assert dead.host in str(caught.value)

    def test_a_silent_host_is_source_unavailable_within_the_timeout(self, world: World) -> None:
        silent = world.silent()
        if silent is None:
            pytest.skip("no host here")
        started = time.monotonic()
        with pytest.raises(SourceUnavailable), world.source().open(silent):
            pass
        assert time.monotonic() - started < 20 * silent.timeout  # far beyond any busy machine, far below forever

    def test_probe_speaks_and_changes_nothing(self, world: World) -> None:
        world.put("a.pdf", world.item(1))
        before = world.snapshot()
        sentences = list(world.source().probe(world.credentials()))
        assert sentences
        assert all(isinstance(sentence, str) and "\n" not in sentence for sentence in sentences)
        password = world.credentials().password
        assert not password or not any(password in sentence for sentence in sentences)
        assert world.snapshot() == before
