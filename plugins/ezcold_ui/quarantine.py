"""Quarantine: what waits for a person; replay it, dismiss it with a reason, send it to another scenario."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, Response

from ezcold_operators.errors import EzcoldError
from ezcold_operators.ledger import pages, people
from ezcold_operators.ledger.events import clean
from ezcold_operators.ledger.pages import PAGE
from ezcold_operators.ledger.people import Decision
from ezcold_operators.rooms import replay as rooms
from ezcold_ui import data
from ezcold_ui.documents import readable
from ezcold_ui.language import t
from ezcold_ui.render import back, page
from ezcold_ui.security import FormDep, Person, PersonDep, need

router = APIRouter()
MAX_AT_ONCE = 1000
NUMBER = re.compile("[0-9]{1,18}")


@router.get("/quarantine")
def waiting(request: Request, who: PersonDep, launcher: str = "", before: int | None = None) -> HTMLResponse:
    """What waits, newest first."""
    return show(request, who, launcher, before)


def show(
    request: Request, who: Person, launcher: str = "", before: int | None = None, status: int = 200, error: str = ""
) -> HTMLResponse:
    """The page, with what went wrong in the change before."""
    known, mine = readable(who)
    launcher = clean(launcher[:200])
    bound = before if before is not None and 0 < before < 2**62 else None
    with data.ledger().read() as conn:
        ids = pages.quarantine(conn, None if mine >= set(known) else mine, launcher, bound, PAGE + 1)
        found = {one["id"]: one for one in people.describe(conn, ids[:PAGE])}
        inside = pages.contents(conn, ids[:PAGE])
    items = [
        found[i] | {"advice": advice(found[i]), "reason": own_reason(found[i]), "inside": inside.get(i, [])}
        for i in ids[:PAGE]
        if i in found
    ]
    editable = {name: who.may_edit(name) for name in {one["launcher"] for one in items}}
    return page(
        request, who, "quarantine.html", status, items=items, editable=editable, names=sorted(mine), error=error,
        launcher=launcher, following=ids[PAGE - 1] if len(ids) > PAGE else None, first=bound is None,
        scenarios=sorted(data.shelf().scenarios), said=request.query_params.get("said", ""),
        done=_number(request, "done"), left=_number(request, "left"),
    )  # fmt: skip


def _number(request: Request, name: str) -> int:
    """A number that stands in the address."""
    said = request.query_params.get(name, "")
    return int(said) if NUMBER.fullmatch(said) else 0


def own_reason(one: dict[str, Any]) -> str:
    """The item's reason, where no document of it says the same."""
    reason = str(one["reason"])
    return "" if reason in {d["reason"] for d in one["documents"]} else reason


def advice(one: dict[str, Any]) -> str:
    """What to do, by what is in quarantine."""
    if one["deliveries"]:
        return t("A scenario refused it. Put right what the reason names, then replay; or send it to another scenario.")
    if one["documents"]:
        return t("A document could not be judged. Change the launcher (its filters, its mismatch), then replay.")
    return t("It could not be read. Look at it at its source; replay after an upgrade or a change, or dismiss it.")


@router.post("/quarantine")
def decide(request: Request, who: PersonDep, form: FormDep) -> Response:
    """Replay, dismiss or send many at once."""
    action = str(form.get("action", ""))
    ids = sorted({int(one) for one in map(str, form.getlist("item")) if NUMBER.fullmatch(one)})[:MAX_AT_ONCE]
    if not ids:
        return show(request, who, status=422, error=t("Nothing was chosen: tick what is meant, then press the button."))
    by = decision(who, str(form.get("reason", "")))
    where = data.settings()
    book, stage = data.ledger(where), data.stage(where)
    allowed = _editable(who, ids)
    if action == "replay":
        done = rooms.replay(book, stage, by, allowed)
    elif action == "dismiss":
        if not by.reason:
            return show(request, who, status=422, error=t("Say why it is dismissed: write it in Reason."))
        done = rooms.dismiss(book, by, allowed)
    elif action == "send":
        done, error = _send(where, by, allowed, str(form.get("scenario", "")))
        if error:
            error = f"{t('Sent: {n}.', n=len(done))} {error}" if done else error
            return show(request, who, status=409, error=error)
    else:
        raise HTTPException(422)
    target = str(form.get("back", ""))
    path = f"/items/{target}" if NUMBER.fullmatch(target) else "/quarantine"
    return back(request, path, said=action, done=len(done), left=len(ids) - len(done))


def _editable(who: Person, ids: list[int]) -> list[int]:
    """Those of launchers that they may edit; 403 if there are items, and none is."""
    with data.ledger().read() as conn:
        owners = pages.launcher_of(conn, ids)
    may = {launcher: who.may_edit(launcher) for launcher in set(owners.values())}
    allowed = [i for i in ids if may.get(owners.get(i, ""), False)]
    need(bool(allowed) or not owners)
    return allowed


def _send(where: Any, by: Decision, ids: list[int], scenario: str) -> tuple[list[int], str]:
    """(items whose documents were sent to another scenario, what went wrong)."""
    scenarios = data.shelf(where).scenarios
    if scenario not in scenarios:
        return [], t("Choose a scenario.")
    book, stage = data.ledger(where), data.stage(where)
    done: list[int] = []
    for item_id in ids:
        with book.read() as conn:
            found = people.documents(conn, item_id=item_id)
        rows = [row for row in found if row.verdict != "rejected" and row.role != "index"]
        if not rows:
            return done, t("Nothing was found in item {id}: there is nothing to send.", id=item_id)
        try:
            answer = rooms.resend(book, stage, where, by, rows, scenarios[scenario])
        except EzcoldError as error:
            return done, str(error)
        if answer["errors"]:
            return done, " ".join(answer["errors"])
        done.append(item_id)
    return done, ""


def decision(who: Person, reason: str) -> Decision:
    """A decision taken on the pages."""
    run = f"pages__{datetime.now(tz=UTC):%Y-%m-%dT%H:%M:%S}__{secrets.token_hex(4)}"
    return Decision(run, who.name, clean(reason.strip()[:500]))
