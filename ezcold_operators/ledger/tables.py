"""The ledger's tables. Times are seconds since the epoch (UTC) as floats; JSON columns hold plain text JSON.

item:     staged -> decoded -> settled, or quarantined; `missing` = its bytes must be fetched (again)
document: verdict is NULL until the filter room has judged it: accepted, rejected or quarantined
delivery: owed -> sending -> sent, or quarantined; a person may make it `dismissed`
event:    append-only; the answer to "why?"
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

NAMING = {"ix": "ix_%(column_0_label)s", "uq": "uq_%(table_name)s_%(column_0_name)s", "pk": "pk_%(table_name)s"}
metadata = MetaData(naming_convention=NAMING)
Id = BigInteger().with_variant(Integer, "sqlite")


def _partial(name: str, *columns: str, where: str) -> Index:
    """A partial index; a query that wants it says the same words.

    `where` is told to people and tests alone: the migrations make the indexes, and to say it in each database's words
    would load the dialects of both wherever a table is named.
    """
    return Index(name, *columns, info={"where": where})


item = Table(
    "item",
    metadata,
    Column("id", Id, primary_key=True),
    Column("launcher", String(200), nullable=False),
    Column("source_key", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("name", Text, nullable=False, default=""),
    Column("handle", Text, nullable=False, default="{}"),
    Column("size", BigInteger, nullable=False, default=-1),
    Column("sha256", String(64)),
    Column("received_at", Float),
    Column("sender", Text, nullable=False, default=""),
    Column("recipients", Text, nullable=False, default=""),
    Column("subject", Text, nullable=False, default=""),
    Column("message_id", Text, nullable=False, default=""),
    Column("sent_at", Float),
    Column("envelope", Text),
    Column("state", String(20), nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("duplicate_of", Id, ForeignKey("item.id")),
    Column("attempts", Integer, nullable=False, default=0),
    Column("run_id", Text, nullable=False, default=""),
    Column("staged_at", Float, nullable=False),
    Column("settled_at", Float),
    Column("claimed_by", Text),
    Column("claimed_until", Float),
    UniqueConstraint("launcher", "source_key", "fingerprint"),
    Index("ix_item_launcher_state", "launcher", "state"),
    Index("ix_item_sha256", "sha256"),
    Index("ix_item_duplicate_of", "duplicate_of"),
    Index("ix_item_staged_at", "staged_at"),
    _partial("ix_item_open", "launcher", "state", where="state <> 'settled'"),
)

document = Table(
    "document",
    metadata,
    Column("id", Id, primary_key=True),
    Column("item_id", Id, ForeignKey("item.id"), nullable=False),
    Column("launcher", String(200), nullable=False),
    Column("path", Text, nullable=False),
    Column("name", Text),
    Column("media_type", Text, nullable=False, default=""),
    Column("sniffed", Text),
    Column("role", String(20), nullable=False, default="attachment"),
    Column("inline", Boolean, nullable=False, default=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("metadata", Text, nullable=False, default="{}"),
    Column("verdict", String(20)),
    Column("reason", Text, nullable=False, default=""),
    UniqueConstraint("item_id", "path"),
    Index("ix_document_sha256", "sha256"),
    Index("ix_document_launcher_verdict", "launcher", "verdict"),
    _partial("ix_document_quarantined", "launcher", "item_id", where="verdict = 'quarantined'"),
    Index("ix_document_launcher_id", "launcher", "id"),
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", Id, primary_key=True),
    Column("document_id", Id, ForeignKey("document.id"), nullable=False),
    Column("item_id", Id, ForeignKey("item.id"), nullable=False),
    Column("launcher", String(200), nullable=False),
    Column("scenario", String(200), nullable=False),
    Column("state", String(20), nullable=False),
    Column("driver", String(20), nullable=False, default=""),
    Column("token", Text, nullable=False, default=""),
    Column("part", Text, nullable=False, default=""),
    Column("final", Text, nullable=False, default=""),
    Column("identity", Text, nullable=False, default=""),
    Column("receipt", Text, nullable=False, default=""),
    Column("attempts", Integer, nullable=False, default=0),
    Column("last_error", Text, nullable=False, default=""),
    Column("owed_at", Float, nullable=False),
    Column("sent_at", Float),
    Column("claimed_by", Text),
    Column("claimed_until", Float),
    UniqueConstraint("document_id", "scenario"),
    Index("ix_delivery_launcher_state", "launcher", "state", "scenario"),
    Index("ix_delivery_item_id", "item_id"),
    _partial("ix_delivery_open", "launcher", "state", "item_id", where="state <> 'sent'"),
    Index("ix_delivery_scenario_document", "scenario", "document_id"),
)

event = Table(
    "event",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", Float, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("launcher", String(200), nullable=False),
    Column("item_id", Id, ForeignKey("item.id")),
    Column("document_id", Id, ForeignKey("document.id")),
    Column("what", String(30), nullable=False),
    Column("detail", Text, nullable=False, default=""),
    Index("ix_event_item_id", "item_id"),
    Index("ix_event_launcher_run", "launcher", "run_id", "what"),
    Index("ix_event_at", "at"),
    Index("ix_event_what_at", "what", "at", "launcher"),
)

place = Table(
    "place",
    metadata,
    Column("launcher", String(200), primary_key=True),
    Column("place", Text, primary_key=True),
    Column("mark", Text, nullable=False),
)

lease = Table(
    "lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", Float, nullable=False),
)

account = Table(
    "account",
    metadata,
    Column("key", Text, primary_key=True),
    Column("protocol", String(20), nullable=False),
    Column("login", Text, nullable=False, default=""),
    Column("tenant", Text, nullable=False, default=""),
    Column("cache", LargeBinary, nullable=False),
    Column("state", String(20), nullable=False, default=""),
    Column("expires_at", Float),
    Column("updated_at", Float, nullable=False),
    Column("version", Integer, nullable=False, default=1),
)
