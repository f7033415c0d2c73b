"""IMAP mailboxes of any server. A mail is taken by UID and never changed by reading (EXAMINE, BODY.PEEK[]).

Key: `imap:login@host:port/folder;uidvalidity;uid`. Fingerprint: header block and RFC822.SIZE, see mail_common. A
server that lost its index may give the same UIDVALIDITY and UID to another mail; it then lists as another item, and is
never acknowledged for the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from ezcold_operators import log
from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import After, Launcher, SourceConfig
from ezcold_operators.errors import ItemFailed
from ezcold_operators.i18n import _
from ezcold_operators.sources.base import UNREADABLE, Listed, Outcome, Taken, Window
from ezcold_operators.sources.imap_after import Acknowledger
from ezcold_operators.sources.imap_client import Connection, Cut, Fetched, Refused, State
from ezcold_operators.sources.imap_fetch import Fetcher
from ezcold_operators.sources.imap_folders import Folder, Folders
from ezcold_operators.sources.imap_marks import LARGE, SURVEY, Mark, Survey, digest
from ezcold_operators.sources.imap_read import COUNT, PROOF, proof, read

AHEAD = 4
"""Commands for headers under way at once."""
SAMPLES = 16
"""Mails, evenly spread over a folder, whose fingerprints go into its mark."""


def create(launcher: Launcher) -> ImapSource:
    """The source of a launcher with `protocol: imap`."""
    return ImapSource(launcher.source)


class ImapSource:
    """A folder of a mailbox, with or without those below."""

    def __init__(self, config: SourceConfig) -> None:
        self.config = config

    @contextmanager
    def open(self, credentials: Credentials) -> Iterator[ImapSession]:
        """See `Source.open`."""
        connection = Connection(credentials)
        try:
            yield ImapSession(self.config, connection)
        except BaseException:
            connection.drop()
            raise
        connection.close()

    def probe(self, credentials: Credentials) -> Iterable[str]:
        """See `Source.probe`."""
        with self.open(credentials) as session:
            yield from session.describe()


@dataclass(frozen=True, slots=True)
class _Spot:
    """A folder that stands selected."""

    folder: Folder
    place: str
    state: State


class ImapSession:
    """See `Session`."""

    def __init__(self, config: SourceConfig, connection: Connection) -> None:
        self._config = config
        self._connection = connection
        self._marks: dict[str, str] = {}
        self._known: Folders | None = None
        self._account = f"imap:{connection.login}@{connection.host.lower()}:{connection.port}"

    def __repr__(self) -> str:
        return f"<ImapSession {self._account}>"

    def _folders(self) -> Folders:
        if self._known is None:
            self._known = Folders(self._connection)
        return self._known

    def _watched(self) -> list[Folder]:
        targets = [after.to for after in (self._config.after, self._config.rejected) if after.to]
        return self._folders().watched(self._config.path, self._config.subfolders, targets)

    def list(self, marks: Mapping[str, str], window: Window | None = None) -> Iterator[Listed]:
        """See `Session.list`."""
        self._marks = {}
        for folder in self._watched():
            place = f"{self._account}/{folder.name}"
            before = self._connection.status(folder.wire)
            spot = _Spot(folder, place, self._connection.select(folder.wire))
            if window is not None:
                yield from self._dated(spot, window)
                continue
            old = Mark.parse(marks.get(place))
            head = self._head(folder, before, spot.state)
            if head and old.head == head:
                self._marks[place] = marks[place]
                continue
            mark = Mark(head or "", spot.state.validity)
            if spot.state.messages < LARGE:
                yield from self._dated(spot, None)
            else:
                yield from self._surveyed(spot, old, mark)
            if head:
                self._marks[place] = str(mark)

    def marks(self) -> Mapping[str, str]:
        """See `Session.marks`."""
        return dict(self._marks)

    def _head(self, folder: Folder, before: State, state: State) -> str | None:
        """The state of a folder, as it was before it is listed: what arrives later changes it.

        None where one of the fingerprints in it cannot be read; then no mark is made.
        """
        samples = {}
        if state.messages:
            numbers = sorted({1 + i * (state.messages - 1) // (SAMPLES - 1) for i in range(SAMPLES)})
            try:
                samples = self._connection.fetch_by_number(",".join(map(str, numbers)), PROOF)
            except (Refused, Cut) as exc:
                log.warning("imap.sample_refused", account=self._account, why=str(exc))
                self._connection.reconnect(exc)
                self._connection.select(folder.wire)
                return None
        seen = digest(sorted((number, proof(values) or "") for number, values in samples.items()))
        return f"{before.validity};{before.next};{before.messages};{before.modseq};{seen}"

    def _dated(self, spot: _Spot, window: Window | None) -> Iterator[Listed]:
        """Every mail, or those of a window."""
        found = self._connection.fetch("1:*", "UID INTERNALDATE") if spot.state.messages else {}
        dates = {uid: values for uid, values in found.items() if b"INTERNALDATE" in values and _within(values, window)}
        yield from self._items(spot, sorted(dates), dates)

    def _surveyed(self, spot: _Spot, old: Mark, mark: Mark) -> Iterator[Listed]:
        """The mails of blocks that do not stand as the old mark has them; fills in the new mark's blocks."""
        try:
            found = self._connection.fetch("1:*", SURVEY)
        except (Refused, Cut) as exc:  # one mail whose size the server cannot tell: then without blocks
            log.warning("imap.survey_refused", account=self._account, why=str(exc))
            self._connection.reconnect(exc)
            self._connection.select(spot.folder.wire)
            yield from self._dated(spot, None)
            return
        dates = {uid: values for uid, values in found.items() if {b"RFC822.SIZE", b"INTERNALDATE"} <= values.keys()}
        survey = Survey(spot.state.validity, old, dates)
        proofs = {uid: seen for uid, values in self._proofs(spot, survey.probes()) if (seen := proof(values))}
        still = survey.still(proofs)
        listed = sorted(uid for block, uids in survey.blocks.items() if block not in still for uid in uids)
        for item in self._items(spot, listed, dates):
            proofs[item.handle["uid"]] = item.fingerprint
            yield item
        unreadable = {uid for uid, seen in proofs.items() if seen == UNREADABLE}
        mark.shift, mark.blocks = survey.shift, survey.kept(proofs, unreadable)

    def _items(self, spot: _Spot, uids: Sequence[int], dates: Mapping[int, Fetched]) -> Iterator[Listed]:
        for uid, values in self._proofs(spot, uids):
            yield self._listed(spot, uid, values, dates[uid])

    def _proofs(self, spot: _Spot, uids: Sequence[int]) -> Iterator[tuple[int, Fetched]]:
        """Size and header of each that is still there; nothing of one that the server cannot read."""
        fetcher = Fetcher(self._connection, spot.folder.wire, spot.state.validity)
        parts = [uids[start : start + COUNT] for start in range(0, len(uids), COUNT)]
        for part, answer in fetcher.stream(parts, PROOF, AHEAD):
            if isinstance(answer, ItemFailed):  # listed all the same: reading it says what is wrong
                log.warning("imap.unreadable", place=spot.place, uid=part[0], why=str(answer))
                yield part[0], {}
            else:
                yield from ((uid, answer[uid]) for uid in part if uid in answer)

    def _listed(self, spot: _Spot, uid: int, values: Fetched, dates: Fetched) -> Listed:
        validity = spot.state.validity
        return Listed(
            key=f"{spot.place};{validity};{uid}",
            fingerprint=proof(values) or UNREADABLE,
            place=spot.place,
            size=int(values.get(b"RFC822.SIZE", -1)),
            date=_date(dates),
            handle={"folder": spot.folder.wire.decode("latin-1"), "validity": validity, "uid": uid},
        )

    def read(self, batch: Sequence[Listed]) -> Iterator[Taken]:
        """See `Session.read`."""
        return read(self._connection, batch)

    def acknowledge(self, batch: Sequence[Listed], after: After) -> Iterator[Outcome]:
        """See `Session.acknowledge`."""
        return Acknowledger(self._connection, self._folders).run(batch, after)

    def describe(self) -> Iterator[str]:
        """Sentences for `ezcold test`; changes nothing."""
        offers = self._connection.capabilities
        yield _("{login} is logged in at {host}:{port}").format(
            login=self._connection.login, host=self._connection.host, port=self._connection.port
        )
        for folder in self._watched():
            state = self._connection.status(folder.wire)
            yield _("folder {folder}: {count} mails").format(folder=self._folders().shown(folder), count=state.messages)
        afters = [self._config.after, self._config.rejected]
        for after in afters:
            if after.to:
                target, absent = self._folders().target(after.to)
                name = self._folders().shown(target)
                if absent:
                    yield _("folder {folder} is not there yet: it will be created").format(folder=name)
                else:
                    yield _("folder {folder} is there for mails that are done with").format(folder=name)
        if any(after.action == "move" for after in afters) and "MOVE" not in offers:
            yield _("warning: this server cannot move mails: they are copied, then deleted")
        needs = {"move": {"MOVE", "UIDPLUS"}, "delete": {"UIDPLUS"}}
        if any(not needs[after.action] & offers for after in afters if after.action in needs):
            yield _("warning: this server cannot remove single mails: they stay in the folder, flagged as deleted")


def _date(values: Fetched) -> datetime | None:
    date = values.get(b"INTERNALDATE")
    return date if isinstance(date, datetime) else None


def _within(values: Fetched, window: Window | None) -> bool:
    date = _date(values)
    return window is None or (date is not None and window.start <= date < window.end)
