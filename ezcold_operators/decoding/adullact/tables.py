"""Codes of the exchanges, under the specifications' own French terms."""

from __future__ import annotations

ACTES_NAMESPACE = "http://www.interieur.gouv.fr/ACTES"
"""Every version of the ACTES schema begins so (v1.1-20040216 is the one in use)."""

NATURES: dict[str, tuple[str, str]] = {
    "1": ("Délibérations", "DE"),
    "2": ("Actes réglementaires", "AR"),
    "3": ("Actes individuels", "AI"),
    "4": ("Contrats, conventions et avenants", "CC"),
    "5": ("Documents budgétaires et financiers", "BF"),
    "6": ("Autres", "AU"),
}
"""CodeNatureActe -> label, and the abbreviation that ends an IDActe (classification published by the prefectures)."""

EMETTEURS = ("IDCL", "IDPref", "IDSousPref", "IDSGAR")
"""Who may send an ACTES envelope."""

HELIOS_ROOTS = ("PES_Aller", "PES_ACQUIT", "PES_Retour")

PASTELL_ACTE: dict[str, str] = {
    "acte_nature": "nature_code",
    "numero_de_lacte": "numero_interne",
    "objet": "objet",
    "date_de_lacte": "date",
    "classification": "classification",
    "acte_unique_id": "id_acte",
    "date_ar": "date_reception",
}
PASTELL_HELIOS: dict[str, str] = {
    "id_coll": "id_coll",
    "dte_str": "dte_str",
    "cod_bud": "cod_bud",
}
PASTELL_FACTURE: dict[str, str] = {
    "id_facture_cpp": "id_cpro",
    "no_facture": "numero",
    "date_facture": "date",
    "montant_ttc": "montant_ttc",
    "siret": "destinataire_id",
    "service_destinataire_code": "service",
    "fournisseur": "fournisseur_id",
    "fournisseur_raison_sociale": "fournisseur",
    "type_facture": "type",
    "facture_cadre": "cadre",
    "facture_numero_engagement": "engagement",
    "facture_numero_marche": "marche",
}
"""Pastell's field -> our key; a module is known by its fields, since an export names no type."""

PASTELL_FILES: dict[str, tuple[str, ...]] = {
    "acte": ("arrete", "autre_document_attache", "aractes", "acte_tamponne"),
    "helios": ("fichier_pes", "fichier_pes_signe", "fichier_reponse", "visuel_pdf"),
    "chorus_fact": ("fichier_facture", "facture_pj_01", "facture_pj_02", "fichier_facture_pdf"),
}
"""File fields of the modules actes-generique, helios-generique and facture-cpp."""
