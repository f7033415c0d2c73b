"""Documents: search, history ("why?"), download; and the tabs on Airflow's pages of a DAG and of a run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from ezcold_operators.filtering import Candidate, effective_name
from ezcold_operators.ledger import history, pages, people
from ezcold_operators.ledger.events import clean
from ezcold_operators.ledger.pages import PAGE, Search
from ezcold_operators.ledger.people import Decision
from ezcold_operators.rooms.replay import kept_bytes
from ezcold_ui import data
from ezcold_ui.language import t
from ezcold_ui.render import ZONE, page, visible
from ezcold_ui.security import Person, PersonDep, need_read

router = APIRouter()
PIECE = 1 << 18
NAME_BYTES = 200


def readable(who: Person) -> tuple[list[str], set[str]]:
    """(every launcher with documents or a file, those that they may read)."""
    with data.ledger().read() as conn:
        known = sorted({*pages.known(conn), *data.shelf().entries})
    return known, who.readable(known)


def day(text: str, after: int = 0) -> float | None:
    """The start of a day (YYYY-MM-DD) in seconds since the epoch, so many days after it; None if there is none."""
    try:
        found = date.fromisoformat(text) + timedelta(days=after)
        return datetime(found.year, found.month, found.day, tzinfo=ZONE).timestamp()
    except (ValueError, OverflowError):
        return None


@router.get("/documents")
def search(
    request: Request, who: PersonDep, text: str = "", launcher: str = "", scenario: str = "", since: str = "",
    until: str = "", before: int | None = None,
) -> HTMLResponse:  # fmt: skip
    """Search, newest first."""
    known, mine = readable(who)
    wanted = Search(text.strip()[:200], clean(launcher[:200]), clean(scenario[:200]), "", day(since), day(until, 1))
    values = {"text": text, "launcher": launcher, "scenario": scenario, "since": since, "until": until}
    return listing(request, who, wanted, None if mine >= set(known) else mine, values, before, sorted(mine))


def listing(
    request: Request, who: Person, wanted: Search, mine: set[str] | None, values: dict[str, str], before: int | None,
    names: list[str], template: str = "documents.html", **more: Any,
) -> HTMLResponse:  # fmt: skip
    """A page of documents."""
    bound = before if before is not None and 0 < before < 2**62 else None
    with data.ledger().read() as conn:
        rows = pages.documents(conn, mine, wanted, bound, PAGE + 1)
    following = rows[PAGE - 1]["id"] if len(rows) > PAGE else None
    return page(
        request, who, template, rows=rows[:PAGE], values=values, following=following, names=names, first=bound is None,
        scenarios=sorted(data.shelf().scenarios), **more,
    )  # fmt: skip


@router.get("/dags/{dag_id}/documents")
def of_dag(request: Request, who: PersonDep, dag_id: str, before: int | None = None) -> HTMLResponse:
    """The tab on a DAG's page."""
    need_read(who, dag_id)
    wanted = Search(launcher=clean(dag_id))
    return listing(request, who, wanted, {wanted.launcher}, {}, before, [], "tab.html", dag_id=dag_id, run_id="")


@router.get("/dags/{dag_id}/runs/{run_id:path}/documents")
def of_run(request: Request, who: PersonDep, dag_id: str, run_id: str, before: int | None = None) -> HTMLResponse:
    """The tab on a run's page."""
    need_read(who, dag_id)
    wanted = Search(launcher=clean(dag_id), run_id=clean(run_id))
    return listing(request, who, wanted, {wanted.launcher}, {}, before, [], "tab.html", dag_id=dag_id, run_id=run_id)


@router.get("/items/{item_id}")
def why(request: Request, who: PersonDep, item_id: int) -> HTMLResponse:
    """Everything known of one item, in order."""
    found = _history(who, item_id)
    item = found["item"]
    where = data.settings()
    stage = data.stage(where)
    kept = {d["id"]: stage.has(d["sha256"]) for d in found["documents"]}
    return page(
        request, who, "item.html", **found, names={d["id"]: d["name"] or t("(no name)") for d in found["documents"]},
        kept=kept, mail=bool(item["sha256"] and stage.has(item["sha256"])),
        envelope=json.loads(item["envelope"]) if item["envelope"] else None, can_edit=who.may_edit(item["launcher"]),
        scenarios=sorted(data.shelf(where).scenarios), said=request.query_params.get("said", ""),
    )  # fmt: skip


def _history(who: Person, item_id: int) -> dict[str, Any]:
    missing = HTTPException(404, t("There is no such page."))
    if not 0 < item_id < 2**62:
        raise missing
    with data.ledger().read() as conn:
        launcher = pages.launcher_of(conn, [item_id]).get(item_id)
        if launcher is None or not who.may_read(launcher):
            raise missing
        return history.item_history(conn, item_id)


@router.get("/documents/{document_id}/download")
def download(who: PersonDep, document_id: int) -> Response:
    """A document's bytes, as an attachment of no type that a browser opens."""
    missing = HTTPException(404, t("There is no such page."))
    if not 0 < document_id < 2**62:
        raise missing
    with data.ledger().read() as conn:
        rows = people.documents(conn, document_id=document_id)
    if not rows or not who.may_read(rows[0].launcher):
        raise missing
    row = rows[0]
    where = data.settings()
    path = kept_bytes(data.stage(where), where.home, row)
    named = Candidate(row.name, row.media_type, row.sniffed, row.role, False, 0)
    opened = _opened(path)
    pages.downloaded(data.ledger(where), Decision("pages", who.name), row)
    return attachment(opened, effective_name(named))


@router.get("/items/{item_id}/download")
def download_item(who: PersonDep, item_id: int) -> Response:
    """The mail, the envelope or the file itself, as it came."""
    found = _history(who, item_id)["item"]
    where = data.settings()
    path = data.stage(where).path(found["sha256"]) if found["sha256"] else None
    name = found["name"].rsplit("/", 1)[-1] or f"{found['subject'] or item_id}.eml"
    opened = _opened(path)
    row = _Audited(item_id, None, found["launcher"])
    pages.downloaded(data.ledger(where), Decision("pages", who.name), row)
    return attachment(opened, name)


class _Audited:
    def __init__(self, item_id: int, document_id: int | None, launcher: str) -> None:
        self.item_id, self.id, self.launcher = item_id, document_id, launcher


def _opened(path: Path | None) -> BinaryIO:
    try:
        if path is not None:
            return path.open("rb")
    except OSError:
        pass
    raise HTTPException(410, t("These bytes are kept no longer: they were delivered, and no backup has them."))


def attachment(file: BinaryIO, name: str) -> StreamingResponse:
    """Bytes to save, never to show: RFC 6266, and in a sandbox if they are shown after all."""
    size = file.seek(0, 2)
    file.seek(0)
    flat = saved_as(name)
    plain = re.sub(r"[^A-Za-z0-9 ._()-]", "_", flat)
    headers = {
        "content-disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(flat, safe='')}",
        "content-length": str(size),
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    }
    return StreamingResponse(_pieces(file), media_type="application/octet-stream", headers=headers)


def saved_as(name: str) -> str:
    """A name that stays in its header and in its folder, is short enough for any disk, and shows its true extension:
    without control characters and without those that turn the direction of writing.
    """
    text = re.sub(r'[\t\n\\/:*?"<>|]', "_", visible(name.encode("utf-8", "replace").decode("utf-8"), "_")).strip(" .")
    stem, dot, end = text.rpartition(".")
    end = dot + end if stem and len(end.encode()) <= 20 else ""
    room = NAME_BYTES - len(end.encode())
    return text.removesuffix(end).encode()[:room].decode("utf-8", "ignore") + end or "document"


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE):
            yield piece
