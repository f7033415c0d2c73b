"""The application: every route, with or without a name of its own, asks Airflow's auth manager first."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException as AnyHTTPException

from ezcold_operators import i18n
from ezcold_operators.errors import EzcoldError
from ezcold_ui import accounts, documents, editor, launchers, quarantine, render, reprise, security, work
from ezcold_ui.language import choose, t

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
OWN = frozenset({"cache-control", "content-security-policy"})
"""What an answer may say otherwise: static files are kept a while, downloads are put in a sandbox, too."""
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Surroundings:
    """ASGI middleware: the request's language, and headers that every answer bears, errors included."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        accept = next((value for name, value in scope["headers"] if name == b"accept-language"), b"")

        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                kept = [pair for pair in message["headers"] if pair[0].decode().lower() not in HEADERS]
                own = {k.decode().lower(): v for k, v in message["headers"]}
                for name, value in HEADERS.items():
                    keep = name in own and name in OWN
                    kept.append((name.encode(), own[name] if keep else value.encode()))
                message = {**message, "headers": kept}
            await send(message)

        with i18n.speaking(choose(accept.decode("latin-1"))):
            await self.app(scope, receive, guarded)


@cache
def site() -> Surroundings:
    """What is mounted: the application in its surroundings."""
    return Surroundings(application())


@cache
def application() -> FastAPI:
    """The routes, made once."""
    app = FastAPI(
        title="ezcold", openapi_url=None, docs_url=None, redoc_url=None, dependencies=[Depends(security.person)]
    )
    app.add_exception_handler(AnyHTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _refused)
    app.add_exception_handler(EzcoldError, _troubled)
    app.add_exception_handler(OperationalError, _busy)
    app.add_exception_handler(Exception, _failed)
    app.add_api_route("/static/{name}", static, methods=["GET"])
    for module in (launchers, editor, work, documents, quarantine, accounts, reprise):
        app.include_router(module.router)
    # Whatever else is asked for, by whatever method, meets the same door: 401 before 404.
    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    app.add_api_route("/{rest:path}", _nothing, methods=methods)
    return app


def static(name: str) -> Response:
    """One of our own static files."""
    file = render.HERE / "static" / name
    if "/" in name or file.suffix not in TYPES or not file.is_file():
        raise HTTPException(404, t("There is no such page."))
    return FileResponse(file, media_type=TYPES[file.suffix], headers={"cache-control": "private, max-age=300"})


def _nothing(rest: str) -> Response:
    raise HTTPException(404, t("There is no such page."))


async def _refused(request: Request, error: Exception) -> Response:
    """401, 403, 404...: the status stays what it is, the body is a page that says so."""
    status = getattr(error, "status_code", 422)
    detail = str(getattr(error, "detail", "")) or HTTPStatus(status).phrase
    if status == 401:
        detail = t("Sign in to Airflow to see this page.")
    elif status == 422:
        detail = t("This address, or this form, is not complete.")
    return _sorry(request, status, detail, getattr(error, "headers", None))


async def _troubled(request: Request, error: Exception) -> Response:
    """An error of ours: one sentence that says what to do."""
    return _sorry(request, 503, str(error), None)


async def _busy(request: Request, error: Exception) -> Response:
    """Airflow's own database is locked or down; ours is told of by LedgerUnavailable."""
    return _sorry(request, 503, t("Airflow's database does not answer now: try again in a moment."), None)


async def _failed(request: Request, error: Exception) -> Response:
    """A fault of ours: it is in the server's log, and is not shown."""
    return _sorry(request, 500, t("Something went wrong here: the API server's log says what."), None)


def _sorry(request: Request, status: int, text: str, headers: Any) -> Response:
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse({"error": text}, status, headers)
    return HTMLResponse(render.html(request, "sorry.html", status=status, text=text), status, headers)
