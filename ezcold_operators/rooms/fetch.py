"""Fetch: bytes from the source into the stage, once. What is known is not downloaded again (R2); raw first (R1)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from ezcold_operators.batches import batches
from ezcold_operators.errors import ItemChanged, ItemFailed, SourceUnavailable
from ezcold_operators.i18n import _
from ezcold_operators.ledger import deliveries, history, items
from ezcold_operators.ledger.items import NewItem
from ezcold_operators.rooms.base import River
from ezcold_operators.rooms.staging import Staging
from ezcold_operators.sources.base import UNREADABLE, Listed, Session, Taken, Window
from ezcold_operators.stage import Batch

BATCH_ITEMS = 200
BATCH_BYTES = 16_000_000
"""What becomes durable together."""
SPAN_ITEMS = 1_000
SPAN_BYTES = 64_000_000
"""What the source is asked for in one go: it works on the next answers while we write those that came."""
ROUND_ITEMS = 20_000
"""So many unknown items are held in memory at most; the rest is listed again."""


def fetch(river: River, window: Window | None = None, only_debts: bool = False) -> dict[str, Any]:
    """Stage what is new.

    :param window: only items dated in it (backfills). :param only_debts: touch no source at all.
    :raises SourceUnavailable: :raises AuthenticationFailed: after what could be staged was staged.
    """
    if not only_debts:
        with river.source().open(river.source_credentials()) as session:
            _take_all(river, session, window)
    with river.ledger.read() as conn:
        counts = history.run_counts(conn, river.id, river.run_id)
        owing = deliveries.owing(conn, river.id)
        busy = items.unfinished(conn, river.id)
    return {"fetched": counts["fetched"], "owed": sum(owing.values()), "idle": not (owing or busy)}


def _take_all(river: River, session: Session, window: Window | None) -> None:
    left = river.launcher.limits.per_run
    while left is None or left > 0:
        with river.ledger.read() as conn:
            missing = items.missing(conn, river.id)
            marks = {} if window or missing else items.marks(conn, river.id)
        cap = ROUND_ITEMS if left is None else min(left, ROUND_ITEMS)
        unknown = list(islice(_unknown(river, session.list(marks, window)), cap + 1))
        more, unknown = len(unknown) > cap, unknown[:cap]
        stored, whole = _stage_all(river, session, unknown)
        if left is not None:
            left -= len(unknown)
        if more and stored:
            continue
        if more:
            return
        new_marks = session.marks()  # says it, now that all else is taken, when something could not be listed
        if missing and window is None:
            _give_up(river, missing, unknown)
        if whole and window is None:
            with river.ledger.transaction("fetch.marks") as conn:
                items.save_marks(conn, river.id, new_marks)
        return
    if window is not None:  # no later run would take the rest of its interval
        text = _("limits.per_run ({n}) is reached and its interval is not empty: clear this run to take more of it")
        river.failed(text.format(n=river.launcher.limits.per_run))


def _give_up(river: River, missing: Sequence[int], unknown: Sequence[Listed]) -> None:
    """Items whose bytes are gone here and that a whole listing does not show any more: only a person can help."""
    there = {(listed.key, listed.fingerprint) for listed in unknown}
    unreadable = {listed.key for listed in unknown if listed.fingerprint == UNREADABLE}
    reason = _("its bytes are lost from the stage, and it is not at its source any more: "
               "put it back there and replay it, or dismiss it")  # fmt: skip
    with river.ledger.transaction("fetch.gone") as conn:
        rows = items.still_missing(conn, missing)
        gone = [row.id for row in rows
                if (row.source_key, row.fingerprint) not in there and row.source_key not in unreadable
                and not (row.sha256 and river.stage.has(row.sha256))]  # fmt: skip
        for item_id in gone:
            deliveries.bytes_gone(conn, item_id, reason, river.stage.has)
            items.quarantine(conn, river.ledger.now(conn), river.run_id, river.id, item_id, reason)


def _unknown(river: River, listing: Iterator[Listed]) -> Iterator[Listed]:
    """What the ledger does not know yet, asked in chunks."""
    while chunk := list(islice(listing, 500)):
        with river.ledger.read() as conn:
            known = items.known(conn, river.id, [listed.key for listed in chunk])
        yield from (listed for listed in chunk if (listed.key, listed.fingerprint) not in known)


def _stage_all(river: River, session: Session, unknown: list[Listed]) -> tuple[int, bool]:
    """Stage them in batches; how many rows that made, and False if one must be listed again (changed, unreadable)."""
    limit = river.launcher.limits.max_item_mb * 1_000_000
    small = [listed for listed in unknown if listed.size <= limit]
    reading = _Reading(river, limit, len(small))
    reading.store([_too_large(listed, limit) for listed in unknown if listed.size > limit])
    with Staging(reading.store) as staging:
        done = 0
        for span in batches(small, _pace(river), SPAN_BYTES, lambda listed: max(listed.size, 0)):
            began = time.monotonic()
            reading.read(session.read(span), staging)
            done += len(span)
            if river.launcher.limits.per_minute and done < len(small):
                staging.finish()  # what lies here is known before we rest
                _rest(river.launcher.limits.per_minute, len(span), began)
    return reading.stored, reading.whole


def _pace(river: River) -> int:
    per_minute = river.launcher.limits.per_minute
    return min(BATCH_ITEMS, per_minute) if per_minute else SPAN_ITEMS


def _rest(per_minute: int, count: int, began: float) -> None:
    time.sleep(max(0.0, count * 60 / per_minute - (time.monotonic() - began)))


class _Reading:
    """What one listing gave: rows in the ledger, and whether everything could be read."""

    def __init__(self, river: River, limit: int, readable: int) -> None:
        self.river = river
        self._limit = limit
        self.readable = readable
        self.stored = 0
        self.whole = True

    def read(self, takings: Iterator[Taken], staging: Staging[list[NewItem]]) -> None:
        """Stage what comes, in batches; what came before the source broke off is not read again."""
        new: list[NewItem] = []
        batch, size = self.river.stage.batch(), 0
        try:
            for taken in takings:
                if taken.chunks is not None:  # else gone meanwhile: not ours any more, and never the same as empty
                    size += self._stage_one(batch, taken, new)
                if len(new) >= BATCH_ITEMS or size >= BATCH_BYTES:
                    full, batch = batch, self.river.stage.batch()
                    given, new, size = new, [], 0
                    staging.give(full, given)
        except SourceUnavailable:
            staging.give(batch, new)
            raise
        except BaseException:
            batch.drop()
            raise
        staging.give(batch, new)

    def store(self, new: list[NewItem]) -> None:
        """Write down what is durable."""
        if not new:
            return
        river = self.river
        with river.ledger.transaction("fetch.staged") as conn:
            by_content, files = river.launcher.duplicates == "content", not river.launcher.is_mail
            items.stage(river.ledger, conn, river.run_id, river.id, new, by_content, files)
        self.stored += len(new)
        river.progress("fetch", min(self.stored, self.readable), self.readable)
        river.meanwhile()

    def _stage_one(self, batch: Batch, taken: Taken, new: list[NewItem]) -> int:
        """Add one item to `new`; its bytes."""
        try:
            blob = batch.put(_bounded(taken, self._limit))
        except ItemChanged:
            self.whole = False
        except _TooLarge:
            new.append(_too_large(taken.listed, self._limit))
        except ItemFailed as exc:
            self.river.failed(exc)
            new.append(_new(taken.listed, None, str(exc)))
            self.whole = False
        else:
            new.append(_new(taken.listed, blob.sha256, size=blob.size))
            return blob.size
        return 0


class _TooLarge(Exception):
    pass


def _bounded(taken: Taken, limit: int) -> Iterator[bytes]:
    """An announced size may be a lie."""
    size = 0
    for chunk in taken.chunks or ():
        size += len(chunk)
        if size > limit:
            raise _TooLarge
        yield chunk


def _too_large(listed: Listed, limit: int) -> NewItem:
    reason = _("larger than max_item_mb ({limit} MB): raise the limit in the launcher, then replay it")
    return _new(listed, None, reason.format(limit=limit // 1_000_000), quarantined=True)


def _new(listed: Listed, sha256: str | None, reason: str = "", size: int = -1, quarantined: bool = False) -> NewItem:
    return NewItem(
        key=listed.key,
        fingerprint=listed.fingerprint,
        place=listed.place,
        name=listed.name,
        size=size if size >= 0 else listed.size,
        handle={**listed.handle, "_size": listed.size},
        received=listed.date,
        sha256=sha256,
        reason=reason,
        quarantined=quarantined,
    )
