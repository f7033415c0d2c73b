"""Reading mails in few round trips and little memory: many small ones by one command, large ones in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from ezcold_operators.batches import batches
from ezcold_operators.errors import ItemChanged, ItemFailed
from ezcold_operators.i18n import _
from ezcold_operators.sources.base import Listed, Taken
from ezcold_operators.sources.imap_client import Connection, Fetched
from ezcold_operators.sources.imap_fetch import Fetcher, opens
from ezcold_operators.sources.mail_common import HEADER_LIMIT, fingerprint

COUNT = 200
"""Mails by one command."""
VOLUME = 8 * 1024 * 1024
"""Bytes by one command; the library holds about three times as much."""
AHEAD = 2
"""Commands under way: the server works on the next while the answer to one is written to disk."""
PIECE = 1024 * 1024
"""Bytes of one piece of a mail that is larger than VOLUME."""
HEADER = f"BODY.PEEK[HEADER]<0.{HEADER_LIMIT}>"
PROOF = f"UID RFC822.SIZE {HEADER}"
"""Items of which the fingerprint is made. The size is asked for each time, not taken from the text: with some servers
(Exchange) RFC822.SIZE is not the length of BODY[]."""


def proof(values: Fetched | None) -> str | None:
    """The fingerprint out of an answer to PROOF; None if it is none."""
    if values is None or b"RFC822.SIZE" not in values:
        return None
    for key, header in values.items():
        if key.startswith(b"BODY[HEADER]"):
            return fingerprint(header or b"", int(values[b"RFC822.SIZE"]))
    return None


def by_folder(batch: Sequence[Listed]) -> Iterator[tuple[bytes, int, list[Listed]]]:
    """Runs of one folder and UIDVALIDITY, in the order of the batch."""
    for (folder, validity), run in groupby(batch, lambda item: (item.handle["folder"], item.handle["validity"])):
        yield folder.encode("latin-1"), int(validity), list(run)


def uid(item: Listed) -> int:
    """The UID of an item."""
    return int(item.handle["uid"])


def read(connection: Connection, batch: Sequence[Listed]) -> Iterator[Taken]:
    """See `Session.read`."""
    for folder, validity, run in by_folder(batch):
        if not opens(connection, folder, validity):
            yield from (Taken(item, None) for item in run)
            continue
        fetcher = Fetcher(connection, folder, validity)
        for large, group in groupby(batches(run, COUNT, VOLUME, lambda item: item.size), _is_large):
            yield from _take(fetcher, list(group), large)


def _is_large(portion: list[Listed]) -> bool:
    return portion[0].size > VOLUME


def _take(fetcher: Fetcher, group: list[list[Listed]], large: bool) -> Iterator[Taken]:
    items = {uid(item): item for portion in group for item in portion}
    parts = [[uid(item) for item in portion] for portion in group]
    for uids, answer in fetcher.stream(parts, PROOF if large else f"{PROOF} BODY.PEEK[]", 1 if large else AHEAD):
        if isinstance(answer, ItemFailed):
            yield Taken(items[uids[0]], _failing(answer))
            continue
        proofs = {number: proof(answer.get(number)) for number in uids}
        missing = [number for number, seen in proofs.items() if seen is None]
        still_there = fetcher.present(missing) if missing else set()
        for number, seen in proofs.items():
            item, values = items[number], answer.pop(number, None)
            if values is None or seen is None:
                yield Taken(item, _failing(_empty(item)) if number in still_there else None)
            elif seen != item.fingerprint:
                changed = _("the mail under UID {uid} is no longer the one that was listed").format(uid=number)
                yield Taken(item, _failing(ItemChanged(changed)))
            elif large:
                yield Taken(item, _pieces(fetcher, item))
            else:
                body = values.get(b"BODY[]")
                yield Taken(item, iter([body]) if body is not None else _failing(_empty(item)))


def _empty(item: Listed) -> ItemFailed:
    return ItemFailed(_("the server has the mail with UID {uid}, but gives no text of it").format(uid=uid(item)))


def _failing(exc: ItemFailed) -> Iterator[bytes]:
    """Bytes that cannot be had: raised when they are asked for, so that the neighbours go on."""
    raise exc
    yield b""


def _pieces(fetcher: Fetcher, item: Listed) -> Iterator[bytes]:
    """A large mail, ended by the first piece that is not full: RFC822.SIZE is not trusted for that."""
    start = 0
    while True:
        for _uids, answer in fetcher.fetch([uid(item)], f"UID BODY.PEEK[]<{start}.{PIECE}>"):
            if isinstance(answer, ItemFailed):
                raise answer
            found = [value for key, value in answer.get(uid(item), {}).items() if key.startswith(b"BODY[]")]
            if not found:
                raise ItemChanged(_("the mail with UID {uid} vanished while it was read").format(uid=uid(item)))
            piece = found[0] or b""
        if piece:
            yield piece
        start += len(piece)
        if len(piece) < PIECE:
            return
