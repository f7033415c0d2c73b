"""Exactly once into a waiting directory.

A part is written, durably, in a parts folder on the same file system. The rename to its final name is the one visible
effect. After a crash: the part is there, so rename it now; it is gone and the parts folder still bears the identity
that the ledger noted, so the rename happened, even if EzGED already ate the file; anything else proves nothing, and a
person must look. The final name always holds the token: rename replaces, and an earlier file of the same name may not
have been eaten yet.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from ezcold_operators.cold.base import Delivered, Outgoing, Prepared
from ezcold_operators.cold.folder_places import Places, apart, entrance_errors, sentence
from ezcold_operators.cold.names import check_template, final_name, new_token
from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.scenario import Scenario
from ezcold_operators.errors import ConfigurationError, EzcoldError, InDoubt, ScenarioUnavailable, StageUnavailable
from ezcold_operators.i18n import _
from ezcold_operators.steps import step

STRAY_SECONDS = 24 * 3600.0


def create(scenario: Scenario) -> FolderDriver:
    """:raises ConfigurationError: the scenario has no path, or a name template that cannot be read."""
    return FolderDriver(scenario)


class FolderDriver:
    """The waiting directory of one scenario."""

    def __init__(self, scenario: Scenario) -> None:
        if not scenario.path:
            raise ConfigurationError(
                _("scenario {id}: driver folder needs `path`, its waiting directory").format(id=scenario.id)
            )
        check_template(scenario.name)
        self.scenario = scenario
        self.fields = {"scenario": scenario.id, "number": scenario.number}
        self.waiting = scenario.path.rstrip("/") or "/"
        self.parts = (scenario.parts or default_parts(self.waiting)).rstrip("/")
        if os.path.normpath(self.parts) == os.path.normpath(self.waiting):
            raise ConfigurationError(
                _("scenario {id}: `parts` and `path` are one folder: EzGED would take half a file").format(
                    id=scenario.id
                )
            )

    def __repr__(self) -> str:
        return f"FolderDriver({self.waiting!r})"

    @contextmanager
    def open(self, credentials: Credentials | None) -> Iterator[FolderEntrance]:
        """Enter; the parts folder and its identity are made if they are not there yet."""
        with Places(credentials) as places:
            identity = places.establish(self.parts, self.waiting)
            yield FolderEntrance(self, places, identity)

    def probe(self, credentials: Credentials | None) -> Iterable[str]:
        """:raises ScenarioUnavailable: :raises ConfigurationError: as `open`."""
        with Places(credentials) as places:
            places.trial(self.parts, self.waiting)
            yield _("waiting directory {path} takes files").format(path=self.waiting)
            yield from places.warnings(self.waiting)


def default_parts(waiting: str) -> str:
    """The parts folder of a scenario that names none: a hidden sibling of its waiting directory.

    :raises ConfigurationError: it has no sibling: it is a whole share, or a whole disk.
    """
    head, slash, name = waiting.rpartition("/")
    scheme, separator, rest = waiting.partition("://")
    if not name or rest.count("/") < (2 if scheme == "smb" else bool(separator)):
        raise ConfigurationError(
            _("{path} has no folder beside it: set the scenario's `parts`, on the same file system").format(
                path=waiting
            )
        )
    return f"{head}{slash}.{name}.ezcold-parts"


class FolderEntrance:
    """An open waiting directory with its parts folder."""

    def __init__(self, driver: FolderDriver, places: Places, identity: str) -> None:
        self._driver = driver
        self._places = places
        self._identity = identity

    def prepare(self, batch: Sequence[Outgoing]) -> Iterator[Prepared | tuple[Outgoing, EzcoldError]]:
        """Write the parts of a batch together; nothing of it remains if the disk cannot take it all."""
        ready = [(outgoing, self._named(outgoing)) for outgoing in batch]
        with entrance_errors(self._driver.parts):
            tree = self._places.tree(self._driver.parts)
            with step("waitdir.write"):
                answers = tree.put([(outgoing.file, outgoing.size, prepared.token) for outgoing, prepared in ready])
            broken = next((exc for exc in answers if exc and not _is_ours(exc, ready)), None)
            if broken is not None:
                for _outgoing, prepared in ready:
                    with suppress(OSError):
                        tree.unlink(prepared.token)
                raise broken
            with step("waitdir.sync_parts"):
                tree.sync([""])
        for (outgoing, prepared), exc in zip(ready, answers, strict=True):
            yield (outgoing, _lost(outgoing)) if exc else prepared

    def _named(self, outgoing: Outgoing) -> Prepared:
        driver, token = self._driver, new_token()
        name = final_name(driver.scenario.name, outgoing, token, driver.fields)
        part, final = f"{driver.parts}/{token}", f"{driver.waiting}/{name}"
        return Prepared(outgoing.delivery_id, token, part, final, self._identity)

    def deliver(self, batch: Sequence[tuple[Prepared, Outgoing]]) -> Iterator[Delivered]:
        """Rename each, then make all the names durable at once."""
        ways = {(apart(one.part)[0], apart(one.final)[0]) for one, _outgoing in batch}
        workers = min([self._places.workers(*way) for way in ways] or [1])
        if workers == 1:
            renamed = [self._rename(one) for one, _outgoing in batch]
        else:  # each rename waits for a server's answer
            with ThreadPoolExecutor(workers) as pool:
                renamed = list(pool.map(self._rename, [one for one, _outgoing in batch]))
        answers = [answer or self._prove(one) for answer, (one, _outgoing) in zip(renamed, batch, strict=True)]
        for folder in {folder for way in ways for folder in way}:
            try:
                with step("waitdir.sync"):
                    self._places.tree(folder).sync([""])
            except OSError as exc:  # not certain yet: the next run finds by the identity that it happened
                error = ScenarioUnavailable(sentence(exc, folder))
                answers = [Delivered(a.prepared, error=a.error or error) for a in answers]
        yield from answers

    def _rename(self, prepared: Prepared) -> Delivered | None:
        """The one visible effect; None when there was nothing to rename."""
        parts, part = apart(prepared.part)
        waiting, final = apart(prepared.final)
        try:
            with entrance_errors(waiting):
                target = self._places.tree(waiting)
            with entrance_errors(parts):
                source = self._places.tree(parts)
                try:
                    with step("waitdir.rename"):
                        source.rename(part, target, final)
                except FileNotFoundError:
                    return None
        except EzcoldError as exc:
            return Delivered(prepared, error=exc)
        return Delivered(prepared, receipt=prepared.final)

    def _prove(self, prepared: Prepared) -> Delivered:
        """Nothing to rename: if the part is gone from the very same parts folder, then it was renamed before."""
        parts, part = apart(prepared.part)
        waiting, final = apart(prepared.final)
        try:
            with entrance_errors(waiting):
                target = self._places.fresh(waiting)
            with entrance_errors(parts):
                source = self._places.fresh(parts)
                with suppress(FileNotFoundError), step("waitdir.rename_again"):
                    source.rename(part, target, final)  # it was a folder that had been replaced, not the part
                    return Delivered(prepared, receipt=prepared.final)
                identity = self._places.known_identity(source)
        except EzcoldError as exc:
            return Delivered(prepared, error=exc)
        if prepared.identity and identity == prepared.identity:
            return Delivered(prepared, receipt=prepared.final)
        text = _(
            "{parts} is not the folder that it was when {final} was sent, so nobody knows whether it was: "
            "mount or restore the old one, or look for the file in EzGED and decide"
        )
        return Delivered(prepared, error=InDoubt(text.format(parts=parts, final=final)))

    def recover(self, prepared: Prepared, outgoing: Outgoing) -> Delivered:
        """Finish the rename, or find it finished."""
        parts, part = apart(prepared.part)
        try:
            with entrance_errors(parts):
                tree = self._places.tree(parts)
                with suppress(FileNotFoundError):
                    if tree.stat(part).size != outgoing.size:
                        self._mend(prepared, outgoing)
        except EzcoldError as exc:
            return Delivered(prepared, error=exc)
        return next(self.deliver([(prepared, outgoing)]))

    def _mend(self, prepared: Prepared, outgoing: Outgoing) -> None:
        """A part that a dying disk cut short is written again; it was never shown."""
        parts, part = apart(prepared.part)
        tree = self._places.tree(parts)
        spare = f"{part}-{new_token()}"
        with step("waitdir.mend"):
            (exc,) = tree.put([(outgoing.file, outgoing.size, spare)])
            if exc is not None:
                raise _lost(outgoing) if exc.filename == outgoing.file else exc
            tree.rename(spare, tree, part)

    def discard(self, prepared: Prepared) -> None:
        """Remove the part, if it is still there."""
        parts, part = apart(prepared.part)
        with entrance_errors(parts), suppress(FileNotFoundError), step("waitdir.discard"):
            self._places.tree(parts).unlink(part)

    def sweep(self, owed: Callable[[str], bool], now: float | None = None) -> int:
        """Remove parts that a crash left before the ledger knew of them; the number removed.

        :param owed: asked with a part's path, for old ones only: does any delivery name it?
        """
        before = (time.time() if now is None else now) - STRAY_SECONDS
        parts, removed = self._driver.parts, 0
        with entrance_errors(parts):
            tree = self._places.tree(parts)
            for name, stat in tree.scan(""):
                if name.startswith(".") or stat.kind != "file" or stat.mtime_ns / 1e9 >= before:
                    continue
                if not owed(f"{parts}/{name}"):
                    with step("waitdir.sweep"):
                        tree.unlink(name)
                    removed += 1
        return removed


def _lost(outgoing: Outgoing) -> StageUnavailable:
    return StageUnavailable(
        _("the stage no longer has {name} ({sha256}) as it was fetched").format(
            name=outgoing.name or "?", sha256=outgoing.sha256[:16]
        )
    )


def _is_ours(exc: OSError, ready: list[tuple[Outgoing, Prepared]]) -> bool:
    """Whether the stage's file, and not the entrance, is at fault."""
    return isinstance(exc.filename, os.PathLike) and any(exc.filename == outgoing.file for outgoing, _p in ready)
