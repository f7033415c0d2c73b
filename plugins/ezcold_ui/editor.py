"""Add or change a launcher: EzGED's form, checked as one types; its YAML and difference; Connections; delete."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from ezcold_operators.config.rules import MAIL
from ezcold_operators.ledger import pages
from ezcold_operators.ledger.pages import Counts
from ezcold_ui import composing, data, launchers, scheduler
from ezcold_ui.composing import Changed
from ezcold_ui.language import t
from ezcold_ui.render import back, page
from ezcold_ui.security import FormDep, Person, PersonDep, need

router = APIRouter()
ID = re.compile(r"[a-z][a-z0-9_]{0,199}")
GONE = "Somebody deleted this launcher meanwhile: nothing was written. Write it to make it anew."
CONN_ID = re.compile(r"[A-Za-z0-9_.-]{1,200}")
CONNECTION_TYPES = {"imap": "imap", "o365": "o365", "pop": "pop"}


@router.get("/new")
def new(request: Request, who: PersonDep) -> HTMLResponse:
    """An empty form."""
    need(_may_add(who))
    values = composing.fields({"source": {"protocol": "imap", "path": "INBOX"}})
    return _form(request, who, None, values, "", "")


@router.get("/launchers/{launcher}/edit")
def edit(request: Request, who: PersonDep, launcher: str) -> HTMLResponse:
    """The form of a launcher."""
    _shelf, entry = launchers.entry_of(who, launcher)
    need(who.may_edit(launcher))
    before, text = composing.state(entry.loaded.path), launchers.source_text(entry)
    return _form(request, who, entry, composing.fields(_data(entry)), text, before)


def _data(entry: data.Entry | None) -> Any:
    """The YAML's data, as far as there is any."""
    return entry.loaded.parsed.data if entry and entry.loaded.parsed else {}


def _may_add(who: Person) -> bool:
    """A new launcher is a new DAG: whoever may edit DAGs in general may add one."""
    return who.may_edit("")


def _form(
    request: Request, who: Person, entry: data.Entry | None, values: dict[str, Any], text: str, before: str,
    status: int = 200, **more: Any,
) -> HTMLResponse:  # fmt: skip
    shelf = data.shelf()
    shown: dict[str, Any] = {
        "entry": entry, "values": values, "text": text, "before": before, "truth": "form",
        "scenarios": shelf.scenarios, "actions": composing.actions(), "writable": _writable(shelf.folder, entry),
        "mail": sorted(MAIL), "routes": composing.ROUTES, "problems": [], "warnings": [], "changed": False,
        "error": "", "refused": False, "difference": [], "folder": shelf.folder,
        "said": request.query_params.get("said", ""),
    }  # fmt: skip
    return page(request, who, "form.html", status, **(shown | more))


def _writable(folder: Path, entry: data.Entry | None) -> bool:
    if not os.access(folder, os.W_OK):
        return False
    return entry is None or not entry.loaded.path.is_symlink()


def _entry(who: Person, launcher: str) -> data.Entry | None:
    """The launcher that is edited; None for a new one. 403 without the right to change it."""
    if not launcher:
        need(_may_add(who))
        return None
    _shelf, entry = launchers.entry_of(who, launcher)
    need(who.may_edit(launcher))
    return entry


def _composed(form: FormDep, entry: data.Entry | None) -> str:
    base = _data(entry)
    return composing.text_of(composing.compose(form, base if isinstance(base, dict) else {}))


@router.post("/check")
def check(who: PersonDep, form: FormDep) -> JSONResponse:
    """What is wrong with the form, or with the YAML, as it stands; its YAML, and the difference to the file."""
    entry = _entry(who, str(form.get("editing", "")))
    shelf = data.shelf()
    text = str(form.get("yaml", "")) if form.get("source_of_truth") == "yaml" else _composed(form, entry)
    text = text.replace("\r\n", "\n")
    before = launchers.source_text(entry) if entry else ""
    found = composing.problems(text, shelf.scenarios)
    return JSONResponse(
        {
            "yaml": text,
            "problems": [{"line": line, "text": what} for line, what in found],
            "difference": [{"kind": kind, "line": line} for kind, line in composing.difference(before, text)],
        }
    )


@router.post("/save")
def save(request: Request, who: PersonDep, form: FormDep) -> Response:
    """Write the file, if it is right and nobody else changed it; else show why not."""
    shelf = data.shelf()
    editing = str(form.get("editing", ""))
    gone = bool(editing) and editing not in shelf.entries and who.may_edit(editing) and _may_add(who)
    entry = None if gone else _entry(who, editing)
    as_yaml = form.get("source_of_truth") == "yaml"
    text = (str(form.get("yaml", "")) if as_yaml else _composed(form, entry)).replace("\r\n", "\n")
    parsed = _parsed(text)
    name = parsed.get("launcher") if isinstance(parsed, dict) else None
    before, now = str(form.get("before", "")), composing.state(entry.loaded.path) if entry else ""
    # What others changed is told at the next look, whatever else there is to tell: `before` is then what it is now.
    shown: dict[str, Any] = {
        "difference": composing.difference(launchers.source_text(entry) if entry else "", text),
        "truth": "yaml" if as_yaml else "form", "changed": entry is not None and before != now,
    }  # fmt: skip

    def show(status: int = 200, **more: Any) -> HTMLResponse:
        return _form(request, who, entry, composing.fields(parsed), text, now, status, **(shown | more))

    if gone:
        return show(409, error=t(GONE))
    if entry is None and not (isinstance(name, str) and ID.fullmatch(name)):
        found = composing.problems(text, shelf.scenarios) or [(1, t("The id is missing."))]
        return show(422, problems=found, refused=True)
    _need_names(who, name, composing.heirlooms(parsed) - composing.heirlooms(_data(entry)))
    path = entry.loaded.path if entry else shelf.folder / f"{name}.yaml"
    errors, warnings = composing.among_others(text, path, shelf.scenarios)
    if errors:
        return show(422, problems=errors, warnings=warnings, refused=True)
    if form.get("action") != "write":
        return show(warnings=warnings)
    try:
        composing.write(path, text, before)
    except Changed:
        return show(409, changed=True, warnings=warnings)
    except OSError as error:
        return show(409, error=composing.sentence_of(error), warnings=warnings)
    scheduler.note(who, "ezcold.write_launcher", str(name), {"file": str(path), "sha256": composing.digest(text)})
    return back(request, f"/launchers/{name}", said="saved")


def _need_names(who: Person, name: Any, claimed: set[str]) -> None:
    """403 without the right to the id that is written, and to the launchers whose past, so documents, is claimed."""
    need(not isinstance(name, str) or who.may_edit(name))
    need(all(who.may_edit(old) for old in claimed))


def _parsed(text: str) -> Any:
    from ezcold_operators.config.yaml import YamlError, parse

    try:
        return parse(text.encode()).data
    except YamlError:
        return {}


@router.get("/launchers/{launcher}/delete")
def delete_page(request: Request, who: PersonDep, launcher: str) -> HTMLResponse:
    """What it still owes, before it is deleted."""
    _shelf, entry = launchers.entry_of(who, launcher)
    need(who.may_edit(launcher))
    with data.ledger().read() as conn:
        counts = pages.counts(conn).get(launcher, Counts())
        sample = pages.unsettled_sample(conn, launcher)
    return page(
        request, who, "delete.html", entry=entry, counts=counts, sample=sample,
        before=composing.state(entry.loaded.path),
        writable=_writable(data.shelf().folder, entry),
    )  # fmt: skip


@router.post("/launchers/{launcher}/delete")
def delete(request: Request, who: PersonDep, form: FormDep, launcher: str) -> Response:
    """Delete the file. Its history stays in the ledger, and what it owes stays owed."""
    _shelf, entry = launchers.entry_of(who, launcher)
    need(who.may_edit(launcher))
    text = launchers.source_text(entry)
    try:
        composing.remove(entry.loaded.path, str(form.get("before", "")))
    except Changed:
        raise HTTPException(409, t("Somebody changed this file meanwhile: look at it again first.")) from None
    except OSError as error:
        why = t("The file could not be deleted ({why}): delete it yourself, or ask for the right.", why=error.strerror)
        raise HTTPException(409, why) from None
    scheduler.note(who, "ezcold.delete_launcher", launcher, {"file": str(entry.loaded.path), "was": text[:20_000]})
    return back(request, "/launchers", said="deleted")


@router.get("/connections/new")
def connection_page(request: Request, who: PersonDep, conn_id: str = "", protocol: str = "imap") -> HTMLResponse:
    """Server, account and password, for Airflow to keep."""
    need(who.may_add_connection(conn_id[:200]))
    return _connection(request, who, conn_id[:200], protocol, {})


def _connection(
    request: Request, who: Person, conn_id: str, protocol: str, values: dict[str, str], status: int = 200,
    error: str = "",
) -> HTMLResponse:  # fmt: skip
    return page(
        request, who, "connection.html", status, conn_id=conn_id, protocol=protocol, values=values, error=error,
        exists=bool(CONN_ID.fullmatch(conn_id)) and scheduler.has_connection(conn_id),
        said=request.query_params.get("said", ""),
    )  # fmt: skip


@router.post("/connections")
def connection(request: Request, who: PersonDep, form: FormDep) -> Response:
    """Write the Connection. No answer ever shows a password."""
    conn_id = str(form.get("conn_id", "")).strip()
    protocol = str(form.get("protocol", ""))
    if protocol not in CONNECTION_TYPES:
        raise HTTPException(422)
    known = bool(CONN_ID.fullmatch(conn_id)) and scheduler.has_connection(conn_id)
    need(who.may_link(conn_id) if known else who.may_add_connection(conn_id[:200]))
    names = ("host", "login", "port", "security", "ca_file", "tenant", "client_id")
    typed = {name: str(form.get(name, "")).strip() for name in names}
    if error := _wrong(conn_id, typed["port"], [str(one) for one in form.values()]):
        return _connection(request, who, conn_id, protocol, typed, 422, error)
    values = {"host": typed["host"], "login": typed["login"], "password": str(form.get("password", ""))}
    values["conn_type"] = CONNECTION_TYPES[protocol]
    extras = {name: typed[name] for name in ("security", "ca_file", "tenant", "client_id")}
    port = {"port": int(typed["port"])} if typed["port"] else {}
    scheduler.write_connection(who, conn_id, values | port, extras)
    return back(request, "/connections/new", said="connection", conn_id=conn_id, protocol=protocol)


def _wrong(conn_id: str, port: str, texts: list[str]) -> str:
    """What is wrong with the fields of a Connection, in a sentence; '' if nothing is."""
    if not CONN_ID.fullmatch(conn_id):
        return t("The Connection's name may have letters, digits, points, _ and - only, 200 at most: change it.")
    if port and not (re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 65536):
        return t("The port must be a number from 1 to 65535: change it.")
    if any(ord(letter) < 32 for text in texts for letter in text):  # databases refuse NUL, servers a line's end
        return t("A field has a control character, or a line's end: type it again.")
    return ""
