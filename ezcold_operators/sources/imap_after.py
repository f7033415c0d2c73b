"""What happens to mails that are done with: marked, moved or deleted, each after its fingerprint was seen again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from ezcold_operators.config.launcher import After
from ezcold_operators.errors import ConfigurationError, ItemFailed, SourceUnavailable
from ezcold_operators.i18n import _
from ezcold_operators.sources.base import Listed, Outcome
from ezcold_operators.sources.imap_client import Connection, Refused, uid_set
from ezcold_operators.sources.imap_fetch import Fetcher, opens
from ezcold_operators.sources.imap_folders import Folder, Folders
from ezcold_operators.sources.imap_read import AHEAD, COUNT, PROOF, by_folder, proof, uid

DELETED = "\\Deleted"
ROUNDS = 3
"""How often a connection may end while it is seen what stands under each UID."""


class Acknowledger:
    """Acknowledges over one connection; several runs on one folder at once must be kept apart by a lease."""

    def __init__(self, connection: Connection, folders: Callable[[], Folders]) -> None:
        self._connection = connection
        self._folders = folders

    def run(self, batch: Sequence[Listed], after: After) -> Iterator[Outcome]:
        """See `Session.acknowledge`."""
        if after.action == "keep":
            yield from (Outcome(item, "done") for item in batch)
            return
        target = self._target(after) if batch else None
        for folder, validity, run in by_folder(batch):
            into = target
            if target is not None and target.wire == folder:
                if after.action == "delete":  # Gmail's Trash itself: there, expunging deletes
                    into = None
                else:
                    raise ConfigurationError(_("`to: {folder}` is the folder that is watched").format(folder=after.to))
            yield from self._one_folder(folder, validity, run, after, into)

    def _target(self, after: After) -> Folder | None:
        """The folder to move to, made if absent. Gmail archives what is expunged: deleting is moving to Trash."""
        if after.action == "delete":
            gmail = "X-GM-EXT-1" in self._connection.capabilities
            return self._folders().special("\\trash") if gmail else None
        if after.action != "move":
            return None
        folder, absent = self._folders().target(after.to or "")
        if absent:
            try:
                self._connection.create(folder.wire)
            except Refused as exc:
                if exc.busy:
                    raise
                raise ConfigurationError(
                    _("the folder {folder} cannot be created: {why}").format(folder=after.to, why=exc)
                ) from exc
            self._folders().made(folder)
        return folder

    def _one_folder(
        self, folder: bytes, validity: int, items: list[Listed], after: After, target: Folder | None
    ) -> Iterator[Outcome]:
        moves = target is not None and "MOVE" in self._connection.capabilities
        copied = self._already_copied(target, items) if target is not None and not moves else set()
        if not opens(self._connection, folder, validity, writable=True):
            yield from (Outcome(item, "gone") for item in items)
            return
        seen, failed = self._proofs(Fetcher(self._connection, folder, validity, writable=True), items)
        for part in _parts(items):
            states = [(uid(item), item, seen.get(uid(item)) == item.fingerprint) for item in part]
            if mine := [item for _number, item, ours in states if ours]:
                failed |= self._try(mine, after, target, moves, copied)
            for number, item, ours in states:
                if number in failed:
                    yield Outcome(item, "failed", failed[number])
                else:
                    yield Outcome(item, "done" if ours else "gone")

    def _proofs(self, fetcher: Fetcher, items: Sequence[Listed]) -> tuple[dict[int, str | None], dict[int, str]]:
        """What stands under each UID, and why it cannot be said, all of it seen over the connection that is open now.

        :raises SourceUnavailable: it never stays open for long enough.
        """
        seen: dict[int, str | None] = {}
        failed: dict[int, str] = {}
        for _again in range(ROUNDS):
            if not fetcher.opens():  # it came back as another mailbox
                return {}, {}
            logins = self._connection.logins
            unseen = [item for item in items if uid(item) not in seen and uid(item) not in failed]
            for uids, answer in fetcher.stream([list(map(uid, part)) for part in _parts(unseen)], PROOF, AHEAD):
                if self._connection.logins != logins:  # a server that came back may give UIDs to other mails
                    seen.clear()
                    logins = self._connection.logins
                if isinstance(answer, ItemFailed):
                    failed[uids[0]] = str(answer)
                else:
                    seen |= {number: proof(answer.get(number)) for number in uids}
            if all(uid(item) in seen or uid(item) in failed for item in items):
                return seen, failed
        raise SourceUnavailable(
            _("{host}:{port} ends the connection again and again: try later").format(
                host=self._connection.host, port=self._connection.port
            )
        )

    def _try(
        self, items: Sequence[Listed], after: After, target: Folder | None, moves: bool, copied: set[str]
    ) -> dict[int, str]:
        """Act; why not, by UID, where the server refuses: some may be moved or deleted all the same."""
        try:
            self._act(items, after, target, moves, copied)
        except Refused as exc:
            if exc.busy:
                raise
            left = self._left(items) if after.action != "mark" else set(map(uid, items))
            return dict.fromkeys(left, str(exc))
        return {}

    def _left(self, items: Sequence[Listed]) -> set[int]:
        """Which of them the folder still has, after a command that failed in the middle."""
        return set(self._connection.fetch(uid_set(map(uid, items)), "UID INTERNALDATE"))

    def _act(self, items: Sequence[Listed], after: After, target: Folder | None, moves: bool, copied: set[str]) -> None:
        uids = [uid(item) for item in items]
        if after.action == "mark":
            self._connection.store(uids, "\\Seen")
            return
        if target is not None:
            if moves:
                self._connection.move(uids, target.wire)
                return
            uncopied = [uid(item) for item in items if item.fingerprint not in copied]
            if uncopied:
                self._connection.copy(uncopied, target.wire)
        self._connection.store(uids, DELETED)
        if "UIDPLUS" in self._connection.capabilities:
            self._connection.expunge(uids)

    def _already_copied(self, target: Folder, items: Sequence[Listed]) -> set[str]:
        """Fingerprints that the target has: a run that ended between COPY and \\Deleted copied them.

        Two mails of one fingerprint in this very batch are then taken for one that was copied only if the target has
        as many.
        """
        wanted = Counter(item.fingerprint for item in items)
        sizes = {int(item.fingerprint.rpartition(";")[2]) for item in items}
        if self._connection.select(target.wire).messages == 0:
            return set()
        hits: set[int] = set()
        for size in sizes:
            hits.update(self._connection.search(f"LARGER {size - 1} SMALLER {size + 1}"))
        there: Counter[str | None] = Counter()
        ordered = sorted(hits)
        for start in range(0, len(ordered), COUNT):
            found = self._connection.fetch(uid_set(ordered[start : start + COUNT]), PROOF)
            there.update(proof(values) for values in found.values())
        return {mark for mark, count in wanted.items() if there[mark] >= count}


def _parts(items: Sequence[Listed]) -> list[Sequence[Listed]]:
    """Pieces that one command takes."""
    return [items[start : start + COUNT] for start in range(0, len(items), COUNT)]
