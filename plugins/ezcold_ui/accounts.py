"""Accounts of Microsoft 365: whether and until when they are linked; select one by device code; unlink."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from ezcold_operators import i18n
from ezcold_operators.config.credentials import Credentials, resolve
from ezcold_operators.config.launcher import Launcher
from ezcold_operators.errors import EzcoldError
from ezcold_operators.ledger import pages
from ezcold_operators.ledger.accounts import AccountStore
from ezcold_ui import data, scheduler
from ezcold_ui.language import current, t
from ezcold_ui.launchers import entry_of
from ezcold_ui.render import back, page
from ezcold_ui.security import FormDep, Person, PersonDep, need

router = APIRouter()
WAIT_SECONDS = 20.0
KEEP_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Line:
    """One launcher's account."""

    id: str
    title: str
    connection: str
    app_only: bool
    key: str
    login: str
    state: str
    ends: float | None
    trouble: str
    can_edit: bool


@router.get("/accounts")
def accounts(request: Request, who: PersonDep) -> HTMLResponse:
    """Every O365 launcher with its account."""
    shelf = data.shelf()
    names = [name for name, entry in shelf.entries.items() if entry.protocol == "o365"]
    mine = who.readable(names)
    with data.ledger().read() as conn:
        linked = {one["key"]: one for one in pages.accounts(conn)}
    lines = [_line(who, shelf.entries[name], linked) for name in names if name in mine]
    return page(request, who, "accounts.html", lines=lines, said=request.query_params.get("said", ""))


def _line(who: Person, entry: data.Entry, linked: dict[str, Any]) -> Line:
    from ezcold_operators.sources.graph.settings import settings

    launcher = entry.launcher
    assert launcher is not None
    conn = launcher.source.connection or ""
    can = who.may_edit(entry.id) and who.may_link(conn)
    try:
        wanted = settings(_credentials(launcher), launcher.source.mailbox)
    except EzcoldError as error:
        return Line(entry.id, entry.title, conn, False, "", "", "", None, str(error), can)
    row = linked.get(wanted.account_key, {})
    return Line(
        entry.id, entry.title, conn, wanted.app_only, wanted.account_key, row.get("login", ""), row.get("state", ""),
        row.get("expires_at"), "", can,
    )  # fmt: skip


def _credentials(launcher: Launcher) -> Credentials:
    data.settings()
    return resolve(launcher.source.connection) if launcher.source.connection else Credentials()


def _of(who: Person, launcher: str) -> Launcher:
    _shelf, entry = entry_of(who, launcher)
    if entry.launcher is None or entry.protocol != "o365":
        raise HTTPException(404, t("There is no such page."))
    return entry.launcher


@router.post("/launchers/{launcher}/account")
def select(request: Request, who: PersonDep, form: FormDep, launcher: str) -> Response:
    """Begin a sign-in: a page with the address and the code."""
    found = _of(who, launcher)
    need(who.may_edit(launcher) and who.may_link(found.source.connection or ""))
    ticket = secrets.token_urlsafe(18)
    signing = SignIn(found, ticket, current(), who.id)
    signing.start()
    signing.shown.wait(WAIT_SECONDS)
    scheduler.note(who, "ezcold.select_account", launcher)
    return back(request, f"/launchers/{launcher}/account", ticket=ticket)


@router.get("/launchers/{launcher}/account")
def code_page(request: Request, who: PersonDep, launcher: str, ticket: str = "") -> HTMLResponse:
    """The code to enter, and how it stands."""
    found = _of(who, launcher)
    need(who.may_edit(launcher) and who.may_link(found.source.connection or ""))
    return page(
        request, who, "account.html", launcher=launcher, title=found.title, ticket=ticket, now=_read(ticket, who.id)
    )


@router.get("/launchers/{launcher}/account/state")
def code_state(who: PersonDep, launcher: str, ticket: str = "") -> JSONResponse:
    """How it stands, for the page that waits."""
    _of(who, launcher)
    return JSONResponse(_read(ticket, who.id))


@router.post("/launchers/{launcher}/account/unlink")
def unlink(request: Request, who: PersonDep, form: FormDep, launcher: str) -> Response:
    """Forget the account and its tokens. Microsoft is not told: a person revokes the consent there."""
    from ezcold_operators.sources.graph.settings import settings

    found = _of(who, launcher)
    need(who.may_edit(launcher) and who.may_link(found.source.connection or ""))
    wanted = settings(_credentials(found), found.source.mailbox)
    pages.unlink(data.ledger(), wanted.account_key)
    scheduler.note(who, "ezcold.unlink_account", launcher)
    return back(request, "/accounts", said="unlinked")


class SignIn(threading.Thread):
    """Waits for Microsoft while the person types the code; its state is a file, which every API server here reads."""

    def __init__(self, launcher: Launcher, ticket: str, language: str, person: str) -> None:
        super().__init__(daemon=True, name=f"ezcold-sign-in-{launcher.launcher}")
        self.launcher, self.ticket, self.language = launcher, ticket, language
        self.shown = threading.Event()
        self.now: dict[str, Any] = {"state": "waiting", "person": person, "address": "", "code": "", "text": ""}

    def run(self) -> None:
        """:raises: nothing: what goes wrong is the state that is shown."""
        from ezcold_operators.sources.o365 import device_login

        with i18n.speaking(self.language):
            try:
                self._write(state="waiting")
                where = data.settings()
                store = AccountStore(data.ledger(where), where.fernet_key)
                login = device_login(self.launcher, _credentials(self.launcher), store, self._tell, self._code)
                self._write(state="done", login=login, code="")
            except EzcoldError as error:
                self._write(state="failed", text=str(error), code="")
            except Exception:
                self._write(state="failed", text=t("The sign-in ended unexpectedly: try again."), code="")
                raise
            finally:
                self.shown.set()

    def _code(self, address: str, code: str, seconds: float) -> None:
        self._write(address=address, code=code, until=time.time() + seconds)
        self.shown.set()

    def _tell(self, text: str) -> None:
        self._write(text=text)

    def _write(self, **values: Any) -> None:
        self.now |= values
        file = _file(self.ticket)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = file.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            json.dump(self.now, out)
        fresh.replace(file)
        for old in file.parent.glob("*.json"):
            with contextlib.suppress(OSError):
                if time.time() - old.stat().st_mtime > KEEP_SECONDS:
                    old.unlink()


def _file(ticket: str) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9_-]{24}", ticket):
        raise HTTPException(404, t("There is no such page."))
    return data.settings().home / "sign-in" / f"{ticket}.json"


def _read(ticket: str, person: str) -> dict[str, Any]:
    """The state of a sign-in that this person began."""
    try:
        now: dict[str, Any] = json.loads(_file(ticket).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise HTTPException(404, t("This sign-in is over: begin again.")) from None
    if now.pop("person") != person:
        raise HTTPException(404, t("There is no such page."))
    if not re.match(r"https://|http://(127\.0\.0\.1|localhost)[:/]", now["address"]):
        now["address"] = ""
    return now
