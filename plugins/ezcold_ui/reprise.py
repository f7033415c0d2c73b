"""Reprise: how far the backfill of a legacy archive is, interval by interval; and what is left, once it was counted.

A run knows what it took. What lies at the source untaken is known by listing it: `ezcold reprise` does so when it makes
the backfill, and a person may count again here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, Response

from ezcold_operators.config.launcher import Launcher
from ezcold_operators.ledger import counted, pages
from ezcold_operators.ledger.counted import Count
from ezcold_ui import data, launchers, scheduler, work
from ezcold_ui.language import t
from ezcold_ui.render import back, page
from ezcold_ui.security import FormDep, Person, PersonDep, need

router = APIRouter()
COUNT_SECONDS = 120.0
PER_PAGE = 120


@dataclass(frozen=True, slots=True)
class Share:
    """One interval of the archive."""

    start: datetime | None
    end: datetime | None
    state: str
    """Of its run; empty where it was counted, and has none."""
    run_id: str = ""
    done: int = 0
    coming: int = 0
    """Taken, and not settled yet."""
    quarantined: int = 0
    left: int | None = None
    """Not taken yet; None where nobody counted."""


def _archive(who: Person, launcher: str) -> tuple[data.Entry, Launcher]:
    """A launcher for a reprise that they may read; else 404."""
    _shelf, entry = launchers.entry_of(who, launcher)
    if entry.launcher is None or entry.launcher.reprise is None:
        raise HTTPException(404, t("This launcher is not for a reprise."))
    return entry, entry.launcher


@router.get("/launchers/{launcher}/reprise")
def progress(request: Request, who: PersonDep, launcher: str, p: int = 1) -> HTMLResponse:
    """Per interval: done, on its way, left, in quarantine."""
    entry, found = _archive(who, launcher)
    return _show(request, who, entry, found, p=p)


def _show(
    request: Request, who: Person, entry: data.Entry, found: Launcher, status: int = 200, p: int = 1, **more: Any
) -> HTMLResponse:
    runs = scheduler.backfills(entry.id)
    ids = [run.run_id for run in runs]
    with data.ledger().read() as conn:
        taken = pages.by_run(conn, entry.id, ids)
        count = counted.latest(conn, entry.id)
        since = counted.taken_since(conn, entry.id, ids, count.at) if count else {}
    shares = [_share(run, taken.get(run.run_id, {}), count, since) for run in runs]
    known = {share.start.timestamp() for share in shares if share.start}
    zone = ZoneInfo(found.timezone)
    shares += [
        Share(datetime.fromtimestamp(start, UTC), None, "", left=n)
        for start, n in sorted((count.left if count else {}).items())
        if start not in known
    ]
    over = sum(share.state in ("success", "failed") for share in shares)
    made = [share for share in shares if share.run_id]
    first, last = _days(made, count, zone)
    number = -(-len(shares) // PER_PAGE)
    p = max(1, min(p, number))
    values: dict[str, Any] = {
        "entry": entry, "shares": shares[(p - 1) * PER_PAGE : p * PER_PAGE], "p": p, "pages": number,
        "over": over, "made": len(made), "count": count, "first": first,
        "last": last, "error": "", "may_count": who.may_run(entry.id), "said": request.query_params.get("said", ""),
        "total": sum(share.left or 0 for share in shares),
    }  # fmt: skip
    return page(request, who, "reprise.html", status, **(values | more))


def _share(run: Any, taken: Mapping[str, int], count: Count | None, since: Mapping[str, int]) -> Share:
    held, settled = taken.get("quarantined", 0), taken.get("settled", 0)
    coming = sum(taken.values()) - settled - held
    start, end, state = run.data_interval_start, run.data_interval_end, str(run.state)
    left = 0 if state == "success" else None
    if left is None and count and start and count.first <= start.timestamp() < count.last:
        left = max(0, count.left.get(start.timestamp(), 0) - since.get(run.run_id, 0))
    return Share(start, end, state, run.run_id, settled, coming, held, left)


def _days(made: Sequence[Share], count: Count | None, zone: ZoneInfo) -> tuple[str, str]:
    """The first and the last day that a count is offered for: of the backfill, else of the last count."""
    starts = [share.start for share in made if share.start]
    ends = [share.end for share in made if share.end]
    if starts and ends:
        first, end = min(starts), max(ends)
    elif count:
        first, end = datetime.fromtimestamp(count.first, UTC), datetime.fromtimestamp(count.last, UTC)
    else:
        return "", ""
    return first.astimezone(zone).date().isoformat(), (end.astimezone(zone) - timedelta(days=1)).date().isoformat()


@router.post("/launchers/{launcher}/reprise")
def count_again(request: Request, who: PersonDep, form: FormDep, launcher: str) -> Response:
    """List the archive by the command line's own survey, which changes nothing, and keep its numbers."""
    entry, found = _archive(who, launcher)
    need(who.may_run(launcher))
    days = [_day(str(form.get(name, ""))) for name in ("first", "last")]
    began = time.time()
    words = ["reprise", str(entry.loaded.path), *days, "--dry-run", "--json"]
    code, out, err = work.call(words, COUNT_SECONDS)
    if code:
        why = err.strip() or t("The count ended without an answer.")
        return _show(request, who, entry, found, 409, error=why, first=days[0], last=days[1])
    answer = json.loads(out)
    spans = [(_seconds(one["start"]), _seconds(one["end"]), int(one["left"])) for one in answer["intervals"]]
    left = {start: n for start, _end, n in spans}
    kept = Count(spans[0][0], spans[-1][1], left, len(answer["uncovered"]), began)
    counted.note(data.ledger(), launcher, f"pages__{who.name}", kept)
    return back(request, f"/launchers/{launcher}/reprise", said="counted")


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise HTTPException(422) from None
