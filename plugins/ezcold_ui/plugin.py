"""What Airflow's plugin manager registers: where the pages stand, and their places in its menu and on its DAGs.

The pages are imported by the first request, so by API servers alone: a worker that loads its plugins pays nothing.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

PREFIX = "/ezcold"
BASE = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
ICON = f"{BASE}{PREFIX}/static/icon.svg"


class Pages:
    """The pages' ASGI application; its routes, too, are there to be asked for, as a FastAPI's are."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from ezcold_ui.app import site

        await site()(scope, receive, send)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        from ezcold_ui.app import application

        return getattr(application(), name)


def view(name: str, path: str, route: str, destination: str) -> dict[str, Any]:
    """One of Airflow's external views: a page of ours in a frame."""
    href = f"{BASE}{PREFIX}{path}"
    return {"name": name, "href": href, "url_route": route, "destination": destination, "icon": ICON}


class EzcoldPlugin(AirflowPlugin):
    """The name under which `airflow plugins` lists this project."""

    name = "ezcold"
    fastapi_apps = [{"app": Pages(), "url_prefix": PREFIX, "name": "ezcold"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        view("EzGED COLD", "/launchers", "ezcold", "nav"),
        view("Documents", "/dags/{DAG_ID}/documents", "documents", "dag"),
        view("Documents", "/dags/{DAG_ID}/runs/{RUN_ID}/documents", "run_documents", "dag_run"),
    ]
