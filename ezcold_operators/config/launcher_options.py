"""What a launcher may have beside its source and its routes: a backup, keys, limits, a reprise."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ezcold_operators.config.model import Model, Place


class Backup(Model):
    """A copy that a person can browse, by launcher and date."""

    keep_days: int = Field(
        default=30,
        ge=1,
        le=36_500,
        title="Conserver la sauvegarde",
        description="Days that copies are kept.\n\nNombre de jours de conservation.",
    )


class Decrypt(Model):
    """Connections that hold what opens encrypted mail and archives; no key stands in YAML."""

    smime: Place | None = Field(
        default=None,
        description="Its password, or the file named by its extra key_file: private key and certificate in PEM."
        "\n\nClé privée et certificat (PEM) pour S/MIME.",
    )
    archive: Place | None = Field(
        default=None,
        description="Its password opens zip and 7z; extra passwords: a list of more."
        "\n\nMots de passe des archives chiffrées.",
    )


class LimitsConfig(Model):
    """Bounds per item and per run; None is no bound."""

    max_item_mb: int = Field(default=150, ge=1, description="Largest item (MB).\n\nTaille maximale d'un élément (Mo).")
    max_documents: int = Field(default=5000, ge=1, description="Documents in one item.\n\nDocuments par élément.")
    max_depth: int = Field(
        default=10, ge=1, le=100, description="Containers in containers.\n\nProfondeur d'imbrication."
    )
    max_ratio: int = Field(default=200, ge=1, description="Unpacked to packed size.\n\nTaux de décompression maximal.")
    per_run: int | None = Field(default=None, ge=1, description="Items taken in one run.\n\nÉléments par exécution.")
    per_minute: int | None = Field(default=None, ge=1, description="Items taken a minute.\n\nÉléments par minute.")


class Reprise(Model):
    """Makes the launcher one for a legacy archive, taken by backfills only."""

    by: Literal["modified", "path", "received"] = Field(
        default="modified",
        description="What dates an item: the file's time, its path, or when the mail came (default for mail: received)."
        "\n\nCe qui date un élément : le fichier, son chemin, ou la réception du mail.",
    )
    path_pattern: Place | None = Field(
        default=None,
        description="by: path only: how the date stands in the path, such as {yyyy}/{mm}."
        "\n\nPour by: path, la date dans le chemin.",
    )
    every: Literal["day", "week", "month"] = Field(
        default="month", description="Length of one backfill interval.\n\nDurée d'un intervalle de reprise."
    )
