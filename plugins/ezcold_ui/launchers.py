"""Launchers: the list with their state in words; one launcher with its configuration, a try-it box, its YAML."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from ezcold_operators import filtering
from ezcold_operators.config.launcher import ENVELOPE_TYPES, Launcher
from ezcold_operators.config.words import in_words
from ezcold_operators.filtering import Candidate
from ezcold_operators.ledger import pages
from ezcold_operators.ledger.pages import Counts, Search
from ezcold_ui import data, scheduler, troubles
from ezcold_ui.language import t, tn
from ezcold_ui.render import ZONE, back, page
from ezcold_ui.scheduler import Timing
from ezcold_ui.security import Person, PersonDep, need_read
from ezcold_ui.troubles import Failing

router = APIRouter()
DAYS = 30
PER_PAGE = 100
PROTOCOLS = {"imap": "IMAP", "o365": "O365", "pop": "POP", "folder": "Folder", "adullact": "Adullact", "": "Not valid"}
_past: dict[tuple[Any, ...], dict[str, int]] = {}
_guard = threading.Lock()


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list."""

    id: str
    title: str
    protocol: str
    path: str
    scenarios: Sequence[str]
    state: str
    mood: str
    """good, busy, bad or off: the colour beside the words."""
    timing: Timing
    counts: Counts
    bars: Sequence[int]
    can_edit: bool
    can_run: bool
    valid: bool


@router.get("/")
def start(request: Request, who: PersonDep) -> RedirectResponse:
    """The first page is the list."""
    return back(request, "/launchers")


@router.get("/launchers")
def all_launchers(request: Request, who: PersonDep, q: str = "", p: int = 1) -> HTMLResponse:
    """The list, by protocol."""
    shelf = data.shelf()
    book = data.ledger()
    with book.read() as conn:
        counts = pages.counts(conn)
        gone = [name for name in pages.known(conn) if name not in shelf.entries]
    readable = who.readable([*shelf.entries, *gone])
    ids = [name for name in _ordered(shelf) if name in readable and _matches(shelf, name, q)]
    ids += [name for name in gone if name in readable and q.casefold() in name.casefold() and name in counts]
    number = max(1, min(p, -(-len(ids) // PER_PAGE)))
    shown = ids[(number - 1) * PER_PAGE : number * PER_PAGE]
    timings = scheduler.timings(shown)
    failing = troubles.failing(timings)
    bars = sent_by_day(shown)
    rows = [
        _row(who, name, shelf.entries.get(name), timings.get(name), counts.get(name, Counts()), bars[name], failing)
        for name in shown
    ]
    groups = [(key, [row for row in rows if row.protocol == key]) for key in (*PROTOCOLS, "gone")]
    return page(
        request, who, "launchers.html", groups=[group for group in groups if group[1]], q=q, total=len(ids), p=number,
        pages=-(-len(ids) // PER_PAGE), trouble=shelf.trouble, names={**PROTOCOLS, "gone": "File gone"},
        folder=shelf.folder, said=request.query_params.get("said", ""),
    )  # fmt: skip


def _ordered(shelf: data.Shelf) -> list[str]:
    order = list(PROTOCOLS)
    return sorted(
        shelf.entries,
        key=lambda name: (order.index(shelf.entries[name].protocol), shelf.entries[name].title.casefold(), name),
    )


def _matches(shelf: data.Shelf, name: str, q: str) -> bool:
    if not q:
        return True
    entry = shelf.entries[name]
    path = (entry.launcher.source.path or "") if entry.launcher else ""
    return any(q.casefold() in text.casefold() for text in (name, entry.title, path))


def _row(
    who: Person, name: str, entry: data.Entry | None, timing: Timing | None, counts: Counts, bars: Sequence[int],
    failing: Mapping[str, Failing],
) -> Row:  # fmt: skip
    launcher = entry.launcher if entry else None
    state, mood = in_state(entry, timing, counts, failing.get(name))
    return Row(
        name, entry.title if entry else name, entry.protocol if entry else "gone",
        (launcher.source.path or launcher.source.mailbox or "") if launcher else "",
        launcher.scenarios if launcher else (), state, mood, timing or Timing(), counts, bars,
        who.may_edit(name), who.may_run(name), launcher is not None,
    )  # fmt: skip


def in_state(
    entry: data.Entry | None, timing: Timing | None, counts: Counts, failing: Failing | None
) -> tuple[str, str]:
    """(the state in words, its mood)."""
    owed = tn("{n} document owed", "{n} documents owed", counts.owed) if counts.owed else ""
    if entry is None:
        return ", ".join(part for part in (t("its file is gone"), owed) if part), "bad"
    if entry.launcher is None:
        problem = entry.loaded.errors[0] if entry.loaded.errors else None
        return t("invalid YAML, line {line}", line=problem.line if problem else 1), "bad"
    if timing is None:
        return t("not read by Airflow yet"), "off"
    held = tn("{n} in quarantine", "{n} in quarantine", counts.quarantined) if counts.quarantined else ""
    if failing is not None:
        why = troubles.in_words(failing, entry.launcher, ago(failing.since))
        return (held if held and not failing.kind else why), "bad"
    if held:
        return held, "bad"
    if timing.paused:
        return ", ".join(part for part in (t("paused"), owed) if part), "off"
    if timing.last_state in ("running", "queued"):
        return t("at work"), "busy"
    return (owed, "busy") if owed else (t("up to date"), "good")


def ago(moment: datetime, now: datetime | None = None) -> str:
    """How long ago, roughly."""
    minutes = max(0, int(((now or datetime.now(UTC)) - moment).total_seconds() // 60))
    if minutes < 60:
        return t("{n} min", n=minutes)
    return t("{n} h", n=minutes // 60) if minutes < 2880 else t("{n} days", n=minutes // 1440)


def sent_by_day(launchers: Iterable[str]) -> dict[str, list[int]]:
    """Documents sent on each of the last 30 days, today last. Days that are over do not change: they are kept."""
    today = datetime.now(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    starts = [today - timedelta(days=n) for n in range(DAYS - 1, -2, -1)]
    book = data.ledger()
    counts: list[Mapping[str, int]] = []
    with book.read() as conn:
        for start, end in itertools.pairwise(starts):
            key = (str(book.engine.url), start.timestamp())
            with _guard:
                found = _past.get(key)
            if found is None:
                found = pages.sent_between(conn, start.timestamp(), end.timestamp())
                if end < datetime.now(ZONE) - timedelta(minutes=10):
                    with _guard:
                        _past[key] = found
            counts.append(found)
    return {name: [day.get(name, 0) for day in counts] for name in launchers}


def entry_of(who: Person, launcher: str) -> tuple[data.Shelf, data.Entry]:
    """A launcher file that they may read; else 404."""
    need_read(who, launcher)
    shelf = data.shelf()
    entry = shelf.entries.get(launcher)
    if entry is None:
        raise HTTPException(404, t("There is no launcher {id}.", id=launcher))
    return shelf, entry


@router.get("/launchers/{launcher}")
def one_launcher(request: Request, who: PersonDep, launcher: str, name: str = "") -> HTMLResponse:
    """One launcher."""
    shelf, entry = entry_of(who, launcher)
    return show(request, who, shelf, entry, name=name[:1000])


def show(
    request: Request, who: Person, shelf: data.Shelf, entry: data.Entry, name: str = "", **more: Any
) -> HTMLResponse:
    """Its page, with what was just tried on it."""
    timing = scheduler.timings([entry.id]).get(entry.id)
    with data.ledger().read() as conn:
        counts = pages.counts(conn).get(entry.id, Counts())
        rows = pages.documents(conn, None, Search(launcher=entry.id), limit=10)
    failing = troubles.failing({entry.id: timing}) if timing else {}
    row = _row(who, entry.id, entry, timing, counts, sent_by_day([entry.id])[entry.id], failing)
    words = in_words(entry.launcher, shelf.scenarios) if entry.launcher else ""
    values: dict[str, Any] = {
        "entry": entry, "row": row, "words": words, "rows": rows, "yaml": source_text(entry), "name": name,
        "verdict": tried(entry.launcher, name) if entry.launcher and name else None, "probe": None, "plan": None,
        "said": request.query_params.get("said", ""), "scenarios": shelf.scenarios,
        "failing": failing.get(entry.id), "why": troubles.in_full(entry.id, timing, failing.get(entry.id)),
    }  # fmt: skip
    return page(request, who, "launcher.html", **(values | more))


def source_text(entry: data.Entry) -> str:
    """The file as it is."""
    try:
        return entry.loaded.path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


@router.get("/launchers/{launcher}/try")
def try_name(who: PersonDep, launcher: str, name: str = "") -> JSONResponse:
    """What would become of a file of this name."""
    _shelf, entry = entry_of(who, launcher)
    if entry.launcher is None or not name:
        return JSONResponse({"verdict": "", "text": ""})
    verdict, text = tried(entry.launcher, name[:1000])
    return JSONResponse({"verdict": verdict, "text": text})


def tried(launcher: Launcher, name: str) -> tuple[str, str]:
    """(verdict, sentence) of the same judgement that the filter room makes, on a name alone."""
    envelope = None
    if launcher.source.protocol == "adullact":
        envelope = next((kind for route in launcher.routes for kind in route.extensions), next(iter(ENVELOPE_TYPES)))
    kind = "application/pdf" if filtering.extension(name) == "pdf" else None
    found = filtering.judge(launcher, Candidate(name, "", kind, "file", False, 1_000_000, envelope))
    if found.verdict == "accepted":
        return found.verdict, t("Passes: goes to {to}", to=", ".join(found.scenarios))
    return found.verdict, t("Does not pass: {why}", why=found.reason)
