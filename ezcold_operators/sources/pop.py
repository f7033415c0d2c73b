"""POP3 mailboxes. Key: `pop:login@host:port;twin;uidl`; fingerprint: header block (TOP) and size (LIST).

A server without UIDL or TOP is served by content: its mails are downloaded to be listed, kept in temporary files until
they are read, and known by their hash. Nothing is deleted before the answer to QUIT; where that is lost, the next UIDL
tells. `twin` tells apart mails with the same UIDL, which some servers make of the content; it is 1 for the first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import After, Launcher, SourceConfig
from ezcold_operators.errors import ConfigurationError, ItemChanged, ItemFailed, SourceUnavailable
from ezcold_operators.i18n import _
from ezcold_operators.sources.base import UNREADABLE, Listed, Outcome, Taken, Window
from ezcold_operators.sources.pop_client import Cut, Pop, Refused
from ezcold_operators.sources.pop_snapshot import Snapshot, blocks

PER_SESSION = 100
"""Mails deleted by one session: what a lost QUIT can make us ask for again."""


def create(launcher: Launcher) -> PopSource:
    """The source of a launcher with `protocol: pop`."""
    return PopSource(launcher.source)


class PopSource:
    """A POP3 mailbox; it has one place."""

    def __init__(self, config: SourceConfig) -> None:
        """:raises ConfigurationError: POP has no folders and no flags."""
        if config.path:
            raise ConfigurationError(_("`path`: POP has no folders; leave it out"))
        for after in (config.after, config.rejected):
            _check(after)

    @contextmanager
    def open(self, credentials: Credentials) -> Iterator[PopSession]:
        """See `Source.open`."""
        session = PopSession(credentials)
        try:
            yield session
        except BaseException:
            session.drop()
            raise
        session.close()

    def probe(self, credentials: Credentials) -> Iterable[str]:
        """See `Source.probe`."""
        with self.open(credentials) as session:
            yield from session.describe()


def _check(after: After) -> None:
    if after.action not in ("keep", "delete"):
        raise ConfigurationError(
            _("POP has no folders and no flags: `action` must be keep or delete, not {action}").format(
                action=after.action
            )
        )


class PopSession:
    """See `Session`. Connects again by itself after a QUIT."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._pop: Pop | None = Pop(credentials)
        self._seen: Snapshot | None = None
        self._marks: dict[str, str] = {}
        self._unfinished: set[str] = set()
        self.place = f"pop:{self._pop.login}@{self._pop.host.lower()}:{self._pop.port}"

    def __repr__(self) -> str:
        return f"<PopSession {self.place}>"

    @property
    def _line(self) -> Pop:
        if self._pop is None:
            self._pop = Pop(self._credentials)
        return self._pop

    def drop(self) -> None:
        """Close without a QUIT: nothing is deleted."""
        if self._pop is not None:
            self._pop.drop()
        self._pop = self._seen = None
        self._unfinished.clear()

    def close(self) -> None:
        """End the session; nothing is deleted by it.

        With QUIT only if all that was downloaded was also read to its end: Gmail never shows again what a session
        downloaded and ended with QUIT, whatever became of it here.
        """
        if self._pop is not None and not self._unfinished and not (self._seen and self._seen.bodies):
            self._pop.leave()
        self.drop()

    def _to_its_end(self, item: Listed, body: IO[bytes]) -> Iterator[bytes]:
        yield from blocks(body)
        self._unfinished.discard(item.key)

    # What is there

    def _snapshot(self) -> Snapshot:
        if self._seen is None:
            self._seen = Snapshot(self._line)
        return self._seen

    def list(self, marks: Mapping[str, str], window: Window | None = None) -> Iterator[Listed]:
        """See `Session.list`."""
        self._marks = {}
        seen = self._snapshot()
        mark = seen.mark()
        if window is None and marks.get(self.place) == mark:
            self._marks[self.place] = mark
            return
        numbers = sorted(seen.names)
        seen.prove(numbers)
        for number in numbers:
            date = seen.dates.get(number)
            if window is not None and (date is None or not window.start <= date < window.end):
                continue
            yield Listed(
                key=f"{self.place};{seen.names[number]}",
                fingerprint=seen.proofs.get(number, UNREADABLE),
                place=self.place,
                size=seen.sizes[number],
                date=date,
                handle={"name": seen.names[number]},
            )
        if window is None:
            self._marks[self.place] = mark

    def marks(self) -> Mapping[str, str]:
        """See `Session.marks`."""
        return dict(self._marks)

    # Taking

    def read(self, batch: Sequence[Listed]) -> Iterator[Taken]:
        """See `Session.read`."""
        position, cuts = 0, Counter[str]()
        while position < len(batch):
            seen = self._snapshot()
            seen.prove([n for n in seen.numbers(batch[position:]) if n is not None])
            try:
                for taken in self._take(batch[position:], ahead=not cuts):
                    yield taken
                    position += 1
            except Cut as exc:
                item = batch[position]
                cuts[item.key] += 1
                self.drop()
                if cuts[item.key] < 2:  # the line, perhaps
                    continue
                if not self._gives_another(item):
                    raise
                yield Taken(item, _failing(ItemFailed(_unreadable(exc))))
                position += 1

    def _take(self, batch: Sequence[Listed], ahead: bool) -> Iterator[Taken]:
        seen = self._snapshot()
        numbers = seen.numbers(batch)
        wanted = [
            n
            for item, n in zip(batch, numbers, strict=True)
            if n is not None and n not in seen.bodies and seen.proofs.get(n) == item.fingerprint
        ]
        answers = self._line.fetch([(f"RETR {n}", seen.sizes[n]) for n in wanted], ahead)
        try:
            for item, number in zip(batch, numbers, strict=True):
                if number is None:
                    yield Taken(item, None)
                elif number not in seen.proofs:
                    yield Taken(item, _failing(ItemFailed(_unreadable(item.handle["name"]))))
                elif seen.proofs[number] != item.fingerprint:
                    changed = _("the mail {name} is no longer the one that was listed").format(name=item.handle["name"])
                    yield Taken(item, _failing(ItemChanged(changed)))
                elif number in seen.bodies:
                    yield Taken(item, blocks(seen.bodies[number]))
                else:
                    answer = next(answers)
                    if isinstance(answer, Refused):
                        yield Taken(item, _failing(ItemFailed(_unreadable(answer))))
                    else:
                        self._unfinished.add(item.key)
                        with answer:
                            yield Taken(item, self._to_its_end(item, answer))
        finally:
            answers.close()

    def _gives_another(self, item: Listed) -> bool:
        """Whether the server, in a new session, can read another mail: then this one is at fault, not the server."""
        seen = self._snapshot()
        others = sorted((seen.sizes[n], n) for n, name in seen.names.items() if name != item.handle["name"])
        answers = list(self._line.fetch([(f"RETR {n}", size) for size, n in others[:1]]))
        return bool(answers) and not isinstance(answers[0], Refused)

    # Deleting

    def acknowledge(self, batch: Sequence[Listed], after: After) -> Iterator[Outcome]:
        """See `Session.acknowledge`."""
        _check(after)
        if after.action == "keep":
            yield from (Outcome(item, "done") for item in batch)
            return
        # A server with LOGIN-DELAY would refuse the next session for minutes.
        width = len(batch) or 1 if "LOGIN-DELAY" in self._line.capabilities else PER_SESSION
        for start in range(0, len(batch), width):
            yield from self._delete(batch[start : start + width])

    def _delete(self, items: Sequence[Listed]) -> Iterator[Outcome]:
        if self._unfinished:
            self.drop()  # see close
        seen = self._snapshot()
        numbers = seen.numbers(items)
        seen.prove([n for n in numbers if n is not None])
        mine = {
            item.key: n
            for item, n in zip(items, numbers, strict=True)
            if n is not None and seen.proofs.get(n) == item.fingerprint
        }
        refused = self._line.delete(mine.values()) if mine else {}
        left, why = self._commit() if mine else (set(), "")
        for item in items:
            number = mine.get(item.key)
            if number is None:
                yield Outcome(item, "gone")
            elif number in refused:
                yield Outcome(item, "failed", refused[number])
            elif item.handle["name"] in left:
                yield Outcome(item, "failed", why)
            else:
                yield Outcome(item, "done")

    def _commit(self) -> tuple[set[str], str]:
        """QUIT. If its answer is lost, a new session shows what is left; gives the names, and why.

        :raises SourceUnavailable: there is no new session now: the next run's UIDL tells.
        """
        try:
            self._line.quit()
        except SourceUnavailable as exc:
            self.drop()
            return set(self._snapshot().names.values()), str(exc)
        finally:
            if self._pop is not None and self._pop.over:
                self.drop()
        return set(), ""

    def describe(self) -> Iterator[str]:
        """Sentences for `ezcold test`; changes nothing."""
        offers = self._line.capabilities
        yield _("{login} is logged in at {host}:{port}").format(
            login=self._line.login, host=self._line.host, port=self._line.port
        )
        yield _("mailbox: {count} mails").format(count=len(self._line.table("LIST")))
        if offers and not {"UIDL", "TOP"} <= offers.keys():
            yield _("warning: this server has no UIDL or no TOP: every mail is downloaded to be recognised")
        if offers.get("EXPIRE", [""])[:1] == ["0"]:
            yield _("warning: this server deletes mails once they were read, whatever `after` says")


def _failing(exc: ItemFailed) -> Iterator[bytes]:
    """Bytes that cannot be had: raised when they are asked for, so that the neighbours go on."""
    raise exc
    yield b""


def _unreadable(why: object) -> str:
    return _("the server cannot give this mail: {why}").format(why=why)
