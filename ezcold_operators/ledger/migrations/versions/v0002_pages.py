"""Indexes for the pages: what is open, what was sent per day, and search by part of a name, sender or subject."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import DBAPIError

revision = "0002"
down_revision = "0001"

TRIGRAMS = (("document", "name"), ("item", "name"), ("item", "subject"), ("item", "sender"))


def upgrade() -> None:
    for table, name, columns, where in (
        ("item", "ix_item_open", ["launcher", "state"], "state <> 'settled'"),
        ("delivery", "ix_delivery_open", ["launcher", "state", "item_id"], "state <> 'sent'"),
        ("document", "ix_document_quarantined", ["launcher", "item_id"], "verdict = 'quarantined'"),
        ("document", "ix_document_launcher_id", ["launcher", "id"], None),
        ("delivery", "ix_delivery_scenario_document", ["scenario", "document_id"], None),
        ("event", "ix_event_what_at", ["what", "at", "launcher"], None),
    ):
        predicate = sa.text(where) if where else None
        op.create_index(name, table, columns, sqlite_where=predicate, postgresql_where=predicate)
    if op.get_bind().dialect.name == "postgresql":
        _trigrams()


def _trigrams() -> None:
    """pg_trgm is trusted since PostgreSQL 13: a database's owner may create it. Without it, search reads every row."""
    bind = op.get_bind()
    try:
        with bind.begin_nested():
            bind.execute(sa.text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
            for table, column in TRIGRAMS:
                op.create_index(
                    f"ix_{table}_{column}_trigrams", table, [column], postgresql_using="gin",
                    postgresql_ops={column: "gin_trgm_ops"},
                )  # fmt: skip
    except DBAPIError:
        return
