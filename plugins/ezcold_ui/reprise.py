"""Reprise: how far the backfill of a legacy archive is, interval by interval."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse

from ezcold_operators.ledger import pages
from ezcold_ui import data, launchers, scheduler
from ezcold_ui.language import t
from ezcold_ui.render import page
from ezcold_ui.security import PersonDep

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Share:
    """One interval of the archive."""

    start: datetime | None
    end: datetime | None
    state: str
    run_id: str
    done: int
    left: int
    quarantined: int


@router.get("/launchers/{launcher}/reprise")
def progress(request: Request, who: PersonDep, launcher: str) -> HTMLResponse:
    """Per interval: done, left, in quarantine."""
    _shelf, entry = launchers.entry_of(who, launcher)
    if entry.launcher is None or entry.launcher.reprise is None:
        raise HTTPException(404, t("This launcher is not for a reprise."))
    runs = scheduler.backfills(launcher)
    with data.ledger().read() as conn:
        counts = pages.by_run(conn, launcher, [run.run_id for run in runs])
    shares = []
    for run in runs:
        taken = counts.get(run.run_id, {})
        held, settled = taken.get("quarantined", 0), taken.get("settled", 0)
        left = sum(taken.values()) - settled - held
        shares.append(
            Share(run.data_interval_start, run.data_interval_end, str(run.state), run.run_id, settled, left, held)
        )
    over = sum(share.state in ("success", "failed") for share in shares)
    return page(request, who, "reprise.html", entry=entry, shares=shares, over=over)
