"""`ezcold plan FILE`: a dry run on the real source. Reads, decodes, judges; writes nothing but a temporary folder."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

from ezcold_operators import filtering
from ezcold_operators.cli.context import load, progress
from ezcold_operators.cli.output import labelled, print_json
from ezcold_operators.config.credentials import Credentials, resolve
from ezcold_operators.config.launcher import Launcher
from ezcold_operators.config.settings import Settings
from ezcold_operators.decoding.base import Decoded
from ezcold_operators.decoding.guard import DecoderProcess
from ezcold_operators.decoding.requests import Failure, Request
from ezcold_operators.errors import ItemFailed
from ezcold_operators.filtering import Candidate
from ezcold_operators.i18n import _
from ezcold_operators.ledger import items
from ezcold_operators.ledger.engine import normalise
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.rooms.base import decode_options, ledger_url, make_source
from ezcold_operators.sources.base import Listed, Session

BATCH = 50
WORDS = {"rejected": _("left out"), "quarantined": _("quarantined")}


def plan(file: Path, as_json: bool) -> int:
    """Print, per document, what would be sent where, or why not."""
    launcher, _scenarios, settings = load(file)
    credentials = resolve(launcher.source.connection) if launcher.source.connection else Credentials()
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        show = stack.enter_context(progress())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ezcold-plan-")))
        ledger = stack.enter_context(Ledger.open(_ledger(settings, folder)))
        session = stack.enter_context(make_source(launcher, ledger, settings).open(credentials))
        decoder = stack.enter_context(DecoderProcess())
        new = list(_unknown(launcher, ledger, session.list({})))
        for row in _rows(launcher, session, decoder, new, folder):
            rows.append(row)
            show("plan", len(rows), len(new))
            if not as_json:
                _show(row)
    if as_json:
        print_json({"launcher": launcher.launcher, "items": rows})
    elif not rows:
        print(_("nothing new at the source"))
    return 0


def _ledger(settings: Settings, folder: Path) -> str:
    """The ledger's URL; an empty one of our own where there is none yet: a dry run makes none."""
    url = ledger_url(settings, resolve)
    parsed = normalise(url)
    absent = parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").exists()
    return f"sqlite:///{folder / 'ledger.db'}" if absent else url


def _unknown(launcher: Launcher, ledger: Ledger, listing: Iterator[Listed]) -> Iterator[Listed]:
    """What the ledger does not have yet."""
    while chunk := list(islice(listing, 500)):
        with ledger.read() as conn:
            known = items.known(conn, launcher.launcher, [one.key for one in chunk])
        yield from (one for one in chunk if (one.key, one.fingerprint) not in known)


def _rows(
    launcher: Launcher, session: Session, decoder: DecoderProcess, new: list[Listed], folder: Path
) -> Iterator[dict[str, Any]]:
    limit = launcher.limits.max_item_mb * 1_000_000
    large = [one for one in new if one.size > limit]
    for listed in large:
        yield _row(listed, _("larger than max_item_mb ({limit} MB)").format(limit=launcher.limits.max_item_mb))
    small = [one for one in new if one.size <= limit]
    for start in range(0, len(small), BATCH):
        requests: list[Request] = []
        for taken in session.read(small[start : start + BATCH]):
            if taken.chunks is None:
                continue
            work = folder / str(len(requests))
            work.mkdir()
            try:
                with (folder / f"{len(requests)}.raw").open("wb") as out:
                    out.writelines(taken.chunks)
            except ItemFailed as exc:
                work.rmdir()
                yield _row(taken.listed, str(exc))
                continue
            options = decode_options(launcher, taken.listed.name)
            requests.append(Request(folder / f"{len(requests)}.raw", work, options, tag=taken.listed))
        for request, answer in decoder.map(requests):
            yield _decoded(launcher, request.tag, answer)
        for request in requests:
            shutil.rmtree(request.workdir)
            request.raw.unlink()


def _row(listed: Listed, quarantined: str | None = None) -> dict[str, Any]:
    return {
        "item": listed.name or listed.key, "size": listed.size, "subject": "", "sender": "", "documents": [],
        "envelope": None, "quarantined": quarantined,
    }  # fmt: skip


def _decoded(launcher: Launcher, listed: Listed, answer: Decoded | Failure) -> dict[str, Any]:
    if isinstance(answer, Failure):
        return _row(listed, answer.reason)
    row = _row(listed, answer.quarantined)
    if answer.headers:
        row |= {"subject": answer.headers.subject, "sender": answer.headers.sender}
    if answer.envelope:
        row["envelope"] = {"type": answer.envelope.type, "metadata": dict(answer.envelope.metadata)}
    for one in answer.documents:
        kind = answer.envelope.type if answer.envelope else None
        candidate = Candidate(
            one.name, one.media_type, one.sniffed, one.role, one.inline, one.size, kind,
            filtering.link_of(one.metadata),
        )  # fmt: skip
        judged = filtering.judge(launcher, candidate)
        row["documents"].append(
            {"name": one.name, "size": one.size, "sha256": one.sha256, "role": one.role, "verdict": judged.verdict,
             "send_to": list(judged.scenarios), "reason": judged.reason}
        )  # fmt: skip
    return row


def _show(row: dict[str, Any]) -> None:
    print("  ".join(one for one in (row["subject"] or row["item"], row["sender"]) if one))
    if row["envelope"]:
        facts = json.dumps(row["envelope"]["metadata"], ensure_ascii=False)
        print(f"  {row['envelope']['type']}: {facts[:300]}")
    for one in row["documents"]:
        name = one["name"] or _("(no name)")
        what = " + ".join(one["send_to"]) if one["send_to"] else labelled(WORDS[one["verdict"]], one["reason"])
        print(f"  {name} -> {what}")
    if row["quarantined"]:
        print("  " + labelled(_("quarantined"), row["quarantined"]))
    elif not row["documents"]:
        print("  " + _("no document in it"))
