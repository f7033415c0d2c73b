"""A launcher as a person writes it: one YAML file, one frozen model (the contract of the fields is docs/launcher).

Titles are the words of EzGED's own form; descriptions are in English, then in French, for editors (`ezcold schema`).
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ezcold_operators.config import rules
from ezcold_operators.config.filters import Filter
from ezcold_operators.config.launcher_options import Backup, Decrypt, LimitsConfig, Reprise
from ezcold_operators.config.model import Identifier, Model, Place, Text
from ezcold_operators.config.rules import MAIL
from ezcold_operators.i18n import _

Protocol = Literal["imap", "o365", "pop", "folder", "adullact"]
Action = Literal["keep", "mark", "move", "delete"]
UNPACK = Literal["mail", "outlook", "tnef", "smime", "archive", "envelope", "uuencode"]
UNPACK_DEFAULT: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("imap", "o365", "pop"), ("mail", "outlook", "tnef", "smime")),
    "folder": (),
    "adullact": ("envelope",),
}
ENVELOPE_TYPES = {"acte": "acte", "acte_nature": "acte", "helios": "helios", "chorus_fact": "chorus_fact"}


class After(Model):
    """What happens at the source to an item that is done with."""

    action: Action = Field(
        default="keep",
        description="imap, o365: keep, mark (as read), move, delete. pop: keep, delete. "
        "folder, adullact: keep, move, delete.\n\n"
        "Garder, marquer comme lu, déplacer ou supprimer à la source.",
    )
    to: Place | None = Field(
        default=None,
        description="Mail folder (levels by /), or absolute directory; created if absent, never itself watched."
        "\n\nDossier de messagerie, ou répertoire absolu, où l'élément est déplacé.",
    )

    @model_validator(mode="after")
    def _target(self) -> Self:
        if self.action == "move" and self.to is None:
            rules.enforce("After", [(("action",), _("move needs `to`: the place that items are moved to"))])
        if self.action != "move" and self.to is not None:
            rules.enforce("After", [(("to",), _("`to` belongs to `action: move`"))])
        return self


class SourceConfig(Model):
    """Where documents come from."""

    protocol: Protocol = Field(
        title="Protocole",
        description="imap, o365, pop (mail), folder (files), adullact (envelopes in a directory)."
        "\n\nimap, o365, pop (messagerie), folder (répertoire), adullact (enveloppes).",
    )
    connection: Place | None = Field(
        default=None,
        title="Serveur, compte, mot de passe",
        description="Id of the Airflow Connection that holds host, port, login and password; mail only."
        "\n\nIdentifiant de la Connection Airflow : serveur, port, compte, mot de passe.",
    )
    mailbox: Place | None = Field(
        default=None,
        title="Boîte aux lettres",
        description="o365 only: a shared mailbox, or the mailbox of an app-only sign-in."
        "\n\no365 : boîte partagée, ou boîte d'une application sans utilisateur.",
    )
    path: Place | None = Field(
        default=None,
        title="Chemin source",
        description="Mail folder (INBOX, Clients/Factures), or absolute path with a pattern (/data/in/*.*)."
        "\n\nDossier de messagerie, ou chemin absolu avec un motif.",
    )
    subfolders: bool = Field(
        default=False,
        title="Avec sous-répertoires",
        description="What lies in folders below the path is taken too."
        "\n\nPrendre aussi ce qui est dans les sous-dossiers.",
    )
    settle_seconds: float = Field(
        default=10,
        ge=0,
        le=86_400,
        description="Files only: how long (s) a file must have been left unchanged before it is taken."
        "\n\nDurée (s) sans modification avant qu'un fichier soit pris.",
    )
    after: After = Field(
        default=After(),
        description="What happens at the source once every delivery has a receipt."
        "\n\nÀ la source, une fois que chaque envoi a son reçu.",
    )
    rejected: After = Field(
        default=After(),
        description="The same, for an item of which nothing was wanted."
        "\n\nDe même, pour un élément dont rien n'a été retenu.",
    )

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("path") is None and data.get("protocol") in ("imap", "o365"):
            return {**data, "path": "INBOX"}
        return data

    @model_validator(mode="after")
    def _rules(self) -> Self:
        rules.enforce("SourceConfig", rules.source(self))
        return self


class Route(Model):
    """Extensions and the scenarios that documents with one of them are sent to."""

    extensions: tuple[str, ...] = Field(
        min_length=1,
        title="Extensions",
        description='Extensions without dot, in any case; "*" takes every file. adullact: acte, helios, chorus_fact.'
        '\n\nExtensions sans point ; "*" pour tout fichier. adullact : le type de l\'enveloppe.',
    )
    send_to: tuple[Identifier, ...] = Field(
        min_length=1,
        title="Scénarios de Cold affiliés",
        description="Ids of scenarios.yaml; each document goes to all of them."
        "\n\nIdentifiants de scenarios.yaml ; chaque document va à chacun.",
    )

    @field_validator("extensions")
    @classmethod
    def _fold(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        folded = tuple(ENVELOPE_TYPES.get(v, v) for v in (v.strip().lower().removeprefix(".") for v in value))
        empty = [((k,), _('an extension is empty: write "*" for any file')) for k, v in enumerate(folded) if not v]
        rules.enforce("Route", empty)
        return tuple(dict.fromkeys(folded))


class Launcher(Model):
    """One launcher. The id is the dag_id."""

    launcher: Identifier = Field(
        title="Identifiant",
        description="Unique id, the dag_id: lower-case letters, digits, _."
        "\n\nIdentifiant unique : minuscules, chiffres, _.",
    )
    title: Text = Field(default="", title="Nom", description="Name shown; default the id.\n\nNom affiché.")
    description: Text = Field(default="", title="Description", description="Free text.\n\nTexte libre.")
    schedule: Text | None = Field(
        default=None,
        title="Programmer le lanceur",
        description="Cron of five fields, a preset (@hourly...), or null: by hand.\n\nCron, ou null : à la main.",
    )
    timezone: Text = Field(
        default="Europe/Paris",
        title="Fuseau horaire",
        description="Time zone of the schedule and of dates.\n\nFuseau horaire de la programmation.",
    )
    source: SourceConfig = Field(
        title="Source", description="Where documents come from.\n\nD'où viennent les documents."
    )
    take: tuple[Literal["attachments", "message", "body"], ...] = Field(
        default=("attachments",),
        description="Mail only, one or several: attachments, message (the mail itself, .eml), body (its text, .html or "
        ".txt).\n\nMessagerie : pièces jointes, le mail lui-même (.eml), son texte (.html, .txt).",
    )
    unpack: tuple[UNPACK, ...] = Field(
        default=(),
        description="What is opened in search of documents. Default: mail protocols mail, outlook, tnef, smime; "
        "folder none; adullact envelope.\n\nCe qui est ouvert à la recherche de documents.",
    )
    inline: Literal["documents", "all", "none"] = Field(
        default="documents",
        description="Parts that an HTML body refers to: documents only, all, none."
        "\n\nParties citées par le corps HTML (logos) : documents, toutes, aucune.",
    )
    mismatch: Literal["accept", "quarantine"] = Field(
        default="accept",
        description="When content and extension differ.\n\nQuand le contenu et l'extension diffèrent.",
    )
    duplicates: Literal["content", "occurrence"] = Field(
        default="content",
        description="The same mail or file again: content sends it once.\n\nLe même élément une seconde fois.",
    )
    filters: tuple[Filter, ...] = Field(
        default=(),
        title="Filtres de nom de fichier",
        description="Regular expressions between slashes, matched at the start of the name; all must match."
        "\n\nExpressions régulières entre barres obliques ; toutes doivent convenir.",
    )
    routes: tuple[Route, ...] = Field(
        min_length=1,
        title="Scénarios de Cold affiliés regroupés par extension de fichier",
        description="The first group whose extension fits.\n\nLe premier groupe dont l'extension convient.",
    )
    backup: Backup | Literal[False] = Field(
        default=False,
        title="Conserver la sauvegarde",
        description="{keep_days: 30}, or false.\n\nCopie locale, ou false.",
    )
    validate_xsd: bool = Field(
        default=False,
        alias="validate",
        description="adullact: also hold envelopes against the XSD files of EZCOLD_XSD_DIR."
        "\n\nValider aussi les enveloppes par les schémas XSD.",
    )
    decrypt: Decrypt = Field(
        default=Decrypt(), title="Clés", description="Connections with keys.\n\nConnections qui portent les clés."
    )
    limits: LimitsConfig = Field(default=LimitsConfig(), title="Limites", description="Bounds.\n\nLimites.")
    reprise: Reprise | None = Field(
        default=None,
        title="Reprise",
        description="For a legacy archive, taken by backfills.\n\nReprise d'une archive par intervalles.",
    )
    formerly: tuple[Identifier, ...] = Field(
        default=(),
        title="Anciens identifiants",
        description="Ids that it had before: their past is carried over."
        "\n\nAnciens identifiants, dont le passé est repris.",
    )
    owner: Text = Field(
        default="ezcold", title="Propriétaire", description="Shown in Airflow.\n\nAffiché dans Airflow."
    )

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        name = data.get("launcher")
        filled = {**data, "title": data.get("title") or (name if isinstance(name, str) else "")}
        source = data.get("source")
        protocol = source.get("protocol") if isinstance(source, dict) else getattr(source, "protocol", None)
        if data.get("unpack") is None and isinstance(protocol, str):
            filled["unpack"] = UNPACK_DEFAULT.get(protocol, ())
        reprise = data.get("reprise")
        if isinstance(reprise, dict) and reprise.get("by") is None:
            filled["reprise"] = {**reprise, "by": rules.default_by(protocol)}
        return filled

    @field_validator("timezone")
    @classmethod
    def _timezone(cls, value: str) -> str:
        rules.enforce("Launcher", rules.timezone(value))
        return value

    @field_validator("schedule")
    @classmethod
    def _schedule(cls, value: str | None) -> str | None:
        rules.enforce("Launcher", rules.schedule(value))
        return value

    @field_validator("backup", mode="before")
    @classmethod
    def _backup(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return Backup.model_validate(value)
        if value is False or value in ("no", "off") or isinstance(value, Backup):
            return value if isinstance(value, Backup) else False
        sentence = _("write {form}, or false for none").format(form="{keep_days: 30}")
        raise PydanticCustomError("ezcold", "{text}", {"text": sentence})

    @model_validator(mode="after")
    def _rules(self) -> Self:
        rules.enforce("Launcher", rules.launcher(self))
        return self

    @property
    def is_mail(self) -> bool:
        """Its items are mails."""
        return self.source.protocol in MAIL

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Every scenario it is affiliated to, in the order of the routes, once."""
        return tuple(dict.fromkeys(s for route in self.routes for s in route.send_to))
