"""Names that Airflow wants behind a Connection form. Rooms do not use them: they take Credentials (config/)."""

from __future__ import annotations

from airflow.sdk import BaseHook


class EzgedHook(BaseHook):
    """The form of an EzGED server."""

    conn_name_attr = "connection"
    default_conn_name = "ezged"
    conn_type = "ezged"
    hook_name = "EzGED"


class O365Hook(BaseHook):
    """The form of a Microsoft 365 mailbox."""

    conn_name_attr = "connection"
    default_conn_name = "o365"
    conn_type = "o365"
    hook_name = "Microsoft 365 (ezcold)"


class PopHook(BaseHook):
    """The form of a POP3 mailbox."""

    conn_name_attr = "connection"
    default_conn_name = "pop"
    conn_type = "pop"
    hook_name = "POP3 (ezcold)"
