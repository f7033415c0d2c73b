"""Who asks, what they may, and whether a change was asked for by our own page.

Airflow's auth manager decides everything: a launcher is the DAG of the same id.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import Annotated, Any
from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import ConnectionDetails, DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.configuration import conf
from airflow.models.dag import DagModel
from fastapi import Depends, HTTPException, Request
from starlette.datastructures import FormData

from ezcold_ui.language import t

COOKIE = "ezcold_session"
FIELD = "csrf"
HEADER = "x-ezcold-csrf"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_FORM_BYTES = 2_000_000


class Person:
    """The signed-in person of one request."""

    def __init__(self, user: Any) -> None:
        self.user = user
        self.id = str(user.get_id())
        self.name = str(user.get_name())

    def may_read(self, launcher: str) -> bool:
        """Whether they may read the launcher's DAG, so its documents."""
        return self._dag("GET", launcher)

    def may_edit(self, launcher: str) -> bool:
        """Whether they may change the launcher's DAG: its file, its quarantine, its pause."""
        return self._dag("PUT", launcher)

    def may_run(self, launcher: str) -> bool:
        """Whether they may start a run of it."""
        return self._dag("POST", launcher, DagAccessEntity.RUN)

    def may_link(self, conn_id: str) -> bool:
        """Whether they may write this Connection."""
        details = ConnectionDetails(conn_id=conn_id)
        return bool(get_auth_manager().is_authorized_connection(method="PUT", details=details, user=self.user))

    def may_add_connection(self, conn_id: str) -> bool:
        """Whether they may make this Connection."""
        details = ConnectionDetails(conn_id=conn_id)
        return bool(get_auth_manager().is_authorized_connection(method="POST", details=details, user=self.user))

    def readable(self, launchers: Iterable[str]) -> set[str]:
        """Those that they may read."""
        wanted = set(launchers)
        if conf.getboolean("core", "multi_team", fallback=False):
            return {one for one in wanted if self.may_read(one)}
        return set(get_auth_manager().filter_authorized_dag_ids(dag_ids=wanted, user=self.user, method="GET"))

    def _dag(self, method: Any, launcher: str, entity: DagAccessEntity | None = None) -> bool:
        details = DagDetails(id=launcher, team_name=_team(launcher))
        manager = get_auth_manager()
        return bool(manager.is_authorized_dag(method=method, access_entity=entity, details=details, user=self.user))


def _team(launcher: str) -> str | None:
    if not conf.getboolean("core", "multi_team", fallback=False):
        return None
    return DagModel.get_team_name(launcher)


def person(user: GetUserDep) -> Person:
    """The signed-in person. Anonymous: 401, by Airflow's own dependency."""
    return Person(user)


PersonDep = Annotated[Person, Depends(person)]


def need(allowed: bool) -> None:
    """403 unless allowed."""
    if not allowed:
        raise HTTPException(403, t("You have no right to do this: ask an administrator of Airflow for it."))


def need_read(who: Person, launcher: str) -> None:
    """404 unless they may read it: that it exists is not told either."""
    if not who.may_read(launcher):
        raise HTTPException(404, t("There is no such page."))


def new_cookie() -> str:
    """A value for the session's cookie."""
    return secrets.token_urlsafe(24)


def token(cookie: str, person_id: str) -> str:
    """What a form of this session and person must bear."""
    key = conf.get_mandatory_value("api", "secret_key").encode()
    return hmac.new(key, f"ezcold|{cookie}|{person_id}".encode(), hashlib.sha256).hexdigest()


async def form(request: Request, who: PersonDep) -> FormData:
    """The fields of a change, proved to come from our own page in this person's own session; else 403."""
    _same_origin(request)
    length = request.headers.get("content-length", "")
    if not length.isdigit() or int(length) > MAX_FORM_BYTES:
        raise HTTPException(413, t("The form is too large."))
    fields = await request.form(max_files=0, max_fields=5000)
    given = request.headers.get(HEADER) or fields.get(FIELD)
    cookie = request.cookies.get(COOKIE, "")
    expected = token(cookie, who.id)
    if not cookie or not isinstance(given, str) or not hmac.compare_digest(given.encode(), expected.encode()):
        raise HTTPException(403, t("This form has expired, or does not come from this page: open the page again."))
    return fields


FormDep = Annotated[FormData, Depends(form)]


def _same_origin(request: Request) -> None:
    """403 for what another site sends: Fetch Metadata where the browser has it, and Origin."""
    refused = HTTPException(403, t("This change was asked for by another site: nothing was done."))
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise refused
    origin = request.headers.get("origin")
    ours = {request.headers.get("host", ""), urlsplit(conf.get("api", "base_url", fallback="") or "").netloc} - {""}
    if origin is not None and urlsplit(origin).netloc not in ours:
        raise refused
