"""What Airflow learns of this package: its name and the Connection forms, in French and English side by side.

The `imap` form is the IMAP provider's own. `folder` and `adullact` need no Connection. Imported at every start of every
Airflow process: nothing else is imported here.
"""

from __future__ import annotations

from typing import Any

HOOKS = "ezcold_operators.operators.hooks"

TEXT: dict[str, Any] = {"type": ["string", "null"]}
SECRET: dict[str, Any] = {"type": ["string", "null"], "format": "password"}

COMMON: dict[str, Any] = {
    "security": {
        "label": "Sécurité / Security",
        "schema": {"type": ["string", "null"], "enum": ["tls", "starttls", "none"], "default": "tls"},
        "description": "tls, starttls ou none / tls, starttls or none",
    },
    "ca_file": {
        "label": "Autorité de certification / CA file",
        "schema": TEXT,
        "description": "Fichier PEM d'une autorité privée / PEM file of a private authority",
    },
    "timeout": {
        "label": "Délai (s) / Timeout (s)",
        "schema": {"type": ["integer", "null"], "default": 30, "minimum": 1},
        "description": "Secondes accordées à chaque commande / Seconds that one command may take",
    },
}


def _field(label: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"label": label, "schema": schema, "description": description}


O365: dict[str, Any] = {
    "tenant": _field("Locataire / Tenant", TEXT, "Identifiant ou domaine / Id or domain"),
    "client_id": _field("Application (client_id)", TEXT, "Application inscrite dans Entra / App registered in Entra"),
    "client_secret": _field("Secret", SECRET, "Ou bien un certificat / Or else a certificate"),
    "certificate": _field(
        "Certificat / Certificate", TEXT, "Fichier PEM, clé et certificat / PEM file, key and certificate"
    ),
    "authority": _field("Authority", TEXT, "Cloud national / National cloud: https://login.microsoftonline.us/TENANT"),
    "graph_host": _field("Graph", TEXT, "graph.microsoft.com"),
    "client_secret_expires": _field(
        "Fin du secret / Secret ends", TEXT, "AAAA-MM-JJ : prévient 14 jours avant / YYYY-MM-DD: warns 14 days before"
    ),
    "certificate_password": _field("Mot de passe du certificat / Certificate password", SECRET, "PEM"),
    "instance_discovery": _field(
        "Découverte / Instance discovery",
        {"type": ["boolean", "null"], "default": True},
        "Non pour une autorité privée / No for a private authority",
    ),
}

EZGED: dict[str, Any] = {
    "token": _field("Jeton d'instance / Instance token", SECRET, "Pour l'envoi de fichiers / For uploads"),
    "base_path": _field("Chemin / Base path", TEXT, "/ezged3/data/"),
    "domain": _field("Domaine / Domain", TEXT, "Connexion par annuaire / Directory login"),
    "check_jobs": _field(
        "Suivre les travaux / Check jobs",
        {"type": ["boolean", "null"], "default": False},
        "Demander à EzGED l'état après l'envoi / Ask EzGED for the state after an upload",
    ),
}


def get_provider_info() -> dict[str, Any]:
    """The entry point `apache_airflow_provider`; its shape is Airflow's provider_info.schema.json."""
    from ezcold_operators import __version__

    return {
        "package-name": "ezcold",
        "name": "EzGED COLD",
        "description": "Lanceurs COLD d'EzGED / EzGED COLD launchers",
        "versions": [__version__],
        "connection-types": [
            {
                "connection-type": "o365",
                "hook-class-name": f"{HOOKS}.O365Hook",
                "hook-name": "Microsoft 365 (ezcold)",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "port", "password", "host"],
                    "relabeling": {"login": "Compte / Account"},
                    "placeholders": {"login": "factures@exemple.fr"},
                },
                "conn-fields": {**O365, "ca_file": COMMON["ca_file"], "timeout": COMMON["timeout"]},
            },
            {
                "connection-type": "pop",
                "hook-class-name": f"{HOOKS}.PopHook",
                "hook-name": "POP3 (ezcold)",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema"],
                    "relabeling": {
                        "host": "Serveur / Server",
                        "port": "Port",
                        "login": "Compte / Account",
                        "password": "Mot de passe / Password",
                    },
                    "placeholders": {"host": "pop.exemple.fr", "port": "995"},
                },
                "conn-fields": dict(COMMON),
            },
            {
                "connection-type": "ezged",
                "hook-class-name": f"{HOOKS}.EzgedHook",
                "hook-name": "EzGED",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema"],
                    "relabeling": {
                        "host": "Serveur / Server",
                        "port": "Port",
                        "login": "Utilisateur / User",
                        "password": "Mot de passe / Password",
                    },
                    "placeholders": {"host": "ged.exemple.fr", "port": "443"},
                },
                "conn-fields": {**EZGED, **COMMON},
            },
        ],
    }
