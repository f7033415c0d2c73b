"""A launcher as a person writes it: one YAML file, one frozen model (the contract of the fields is docs/launcher)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from ezcold_operators.config.filters import Filter

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=200)]
Protocol = Literal["imap", "o365", "pop", "folder", "adullact"]
Action = Literal["keep", "mark", "move", "delete"]
MAIL: frozenset[str] = frozenset({"imap", "o365", "pop"})
FILES: frozenset[str] = frozenset({"folder", "adullact"})
ACTIONS: dict[str, tuple[str, ...]] = {
    "imap": ("keep", "mark", "move", "delete"),
    "o365": ("keep", "mark", "move", "delete"),
    "pop": ("keep", "delete"),
    "folder": ("keep", "move", "delete"),
    "adullact": ("keep", "move", "delete"),
}
UNPACK = Literal["mail", "outlook", "tnef", "smime", "archive", "envelope", "uuencode"]
ENVELOPE_TYPES = {"acte": "acte", "acte_nature": "acte", "helios": "helios", "chorus_fact": "chorus_fact"}


class Model(BaseModel):
    """Frozen, strict about unknown fields, and never prints what was written (it may be a misplaced secret)."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class After(Model):
    """What happens at the source to an item that is done with."""

    action: Action = "keep"
    to: str | None = None

    @model_validator(mode="after")
    def _target(self) -> Self:
        if (self.action == "move") != (self.to is not None):
            raise ValueError("`to` belongs to `action: move`, and only to it")
        return self


class SourceConfig(Model):
    """Where documents come from."""

    protocol: Protocol
    connection: str | None = None
    mailbox: str | None = None
    path: str | None = None
    subfolders: bool = False
    settle_seconds: float = Field(default=10, ge=0)
    after: After = After()
    rejected: After = After()


class Route(Model):
    """Extensions and the scenarios that documents with one of them are sent to."""

    extensions: tuple[str, ...] = Field(min_length=1)
    send_to: tuple[Identifier, ...] = Field(min_length=1)

    @field_validator("extensions")
    @classmethod
    def _fold(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        folded = tuple(ENVELOPE_TYPES.get(v.lower().removeprefix("."), v.lower().removeprefix(".")) for v in value)
        if any(not v for v in folded):
            raise ValueError('an extension is empty: write "*" for any file, with or without extension')
        return folded


class Backup(Model):
    """A copy that a person can browse, by launcher and date."""

    keep_days: int = Field(default=30, ge=1)


class LimitsConfig(Model):
    """Bounds per item and per run; None is no bound."""

    max_item_mb: int = Field(default=150, ge=1)
    max_documents: int = Field(default=5000, ge=1)
    max_depth: int = Field(default=10, ge=1)
    max_ratio: int = Field(default=200, ge=1)
    per_run: int | None = Field(default=None, ge=1)
    per_minute: int | None = Field(default=None, ge=1)


class Reprise(Model):
    """Makes the launcher one for a legacy archive, taken by backfills only."""

    by: Literal["modified", "path", "received"] = "modified"
    path_pattern: str | None = None
    every: Literal["day", "week", "month"] = "month"


class Launcher(Model):
    """One launcher. The id is the dag_id."""

    launcher: Identifier
    title: str = ""
    description: str = ""
    schedule: str | None = None
    timezone: str = "Europe/Paris"
    source: SourceConfig
    take: tuple[Literal["attachments", "message"], ...] = ("attachments",)
    unpack: tuple[UNPACK, ...] = ()
    inline: Literal["documents", "all", "none"] = "documents"
    mismatch: Literal["accept", "quarantine"] = "accept"
    duplicates: Literal["content", "occurrence"] = "content"
    filters: tuple[Filter, ...] = ()
    routes: tuple[Route, ...] = Field(min_length=1)
    backup: Backup | Literal[False] = False
    limits: LimitsConfig = LimitsConfig()
    reprise: Reprise | None = None
    formerly: tuple[Identifier, ...] = ()
    owner: str = "ezcold"

    @property
    def is_mail(self) -> bool:
        """Its items are mails."""
        return self.source.protocol in MAIL

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Every scenario it is affiliated to, in the order of the routes, once."""
        return tuple(dict.fromkeys(s for route in self.routes for s in route.send_to))
