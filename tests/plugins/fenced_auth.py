"""Airflow's SimpleAuthManager with one more rule: whoever is called `fenced` sees no launcher of the other service."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

HIDDEN = "paie_"


class FencedAuthManager(SimpleAuthManager):
    """Denies DAGs by their name, as FAB or Keycloak do by their tables."""

    def is_authorized_dag(self, *, user: Any, details: Any = None, **rest: Any) -> bool:
        if user.get_name() == "fenced" and details is not None and str(details.id or "").startswith(HIDDEN):
            return False
        return super().is_authorized_dag(user=user, details=details, **rest)
