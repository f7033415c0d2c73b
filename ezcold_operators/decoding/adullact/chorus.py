"""Chorus Pro: the pivot (CPPFacturePivot), the mixed flow E2 (CPPFactureMixte) and the status message (CPPStatut).

A pivot holds one invoice or several, each with its own pieces (CPPFacturePivot_V2_02.xsd); a piece is base64 of a zip
with one member, as Chorus Pro writes, or of the bare file, as Pastell writes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ezcold_operators.decoding.adullact import xml
from ezcold_operators.decoding.adullact.bundle import Broken
from ezcold_operators.decoding.adullact.invoice import present
from ezcold_operators.decoding.adullact.pieces import Base64Sink, gunzipped, unzipped
from ezcold_operators.decoding.adullact.work import Work
from ezcold_operators.decoding.adullact.xml import Node
from ezcold_operators.decoding.limits import LimitExceeded
from ezcold_operators.decoding.unfolding import Written

_UNITS = ("CPPFacturePivotUnitaire", "CPPFactureMixteUnitaire", "CPPFactureStatutUnitaire")


@dataclass(slots=True)
class _Piece:
    unit: int
    number: int
    blob: Written
    name: str | None
    media_type: str
    facts: dict[str, Any]


@dataclass(slots=True)
class Flow:
    """What one Chorus Pro flow says."""

    facts: dict[str, Any]
    invoices: list[dict[str, Any]] = field(default_factory=list)
    pieces: list[_Piece] = field(default_factory=list)


def read(file: Path, root: str, work: Work) -> Flow:
    """A flow; rules that it breaks go to `work.problems`, what was read until a break is given."""
    flow = Flow({"racine": root})
    pending: list[_Piece] = []

    def parameter(node: Node) -> None:
        value = node.value("Valeurparametre")
        if node.value("Code") == "IdFlx" and value:
            flow.facts.setdefault("id_flux", value)

    def piece(node: Node) -> None:
        number = len(node_numbers) + 1
        node_numbers.append(number)
        found = _piece(node, len(flow.invoices) + 1, number, work)
        if found is not None:
            pending.append(found)

    def unit(node: Node) -> None:
        facts = _unit(node)
        for found in pending:
            found.facts = present({"facture": facts.get("numero"), **found.facts})
        flow.invoices.append(facts)
        flow.pieces += pending
        pending.clear()
        node_numbers.clear()

    node_numbers: list[int] = []
    keep: dict[str, Any] = {"ParametreIndiv": parameter, "PJ": piece, **dict.fromkeys(_UNITS, unit)}
    try:
        xml.read(file, keep, lambda path, attributes: _sink(path, work))
    except (xml.XmlBroken, xml.XmlRefused, LimitExceeded) as error:
        work.problem(str(error))
        flow.pieces += pending
    if flow.invoices:
        flow.facts["factures"] = flow.invoices
    return flow


def _sink(path: tuple[str, ...], work: Work) -> Base64Sink | None:
    return Base64Sink(work) if path[-2:] == ("PJ", "Contenu") else None


def _piece(node: Node, unit: int, number: int, work: Work) -> _Piece | None:
    """One PJ; None when it carries no bytes (an IdUnique alone is legal: the file is on the portal)."""
    content = node.first("Contenu")
    sink: Base64Sink | None = content.sink if content is not None else None
    name = node.value("NomPJ", "NomPJOrigine")
    label = f"facture {unit}, PJ {number}" + (f" ({name[:60]})" if name else "")
    if sink is not None and sink.error is not None:
        work.problem(f"{label}: {sink.error}")
    if sink is None or sink.error is not None or sink.blob is None:
        return None
    try:
        blob, member = _content(sink.blob, name or "", work)
    except (Broken, LimitExceeded) as error:
        work.problem(f"{label}: {error}")
        work.discard(sink.blob)
        return None
    media_type = node.value("MimeTypePJ") or "application/octet-stream"
    facts = present(
        {
            "num_ordre": node.attribute("NumOrdre"),
            "type_pj": node.value("TypePJ"),
            "categorie": node.value("CategoriePJ"),
            "id_unique": node.value("IdUnique"),
            "nom_origine": node.value("NomPJOrigine"),
            "nom_interne": member if member != name else None,
        }
    )
    return _Piece(unit, number, blob, name or member, media_type, facts)


def _content(blob: Written, name: str, work: Work) -> tuple[Written, str | None]:
    if not name.lower().endswith((".gz", ".tgz")):
        blob = gunzipped(blob, work)
    return unzipped(blob, name, work)


def _unit(node: Node) -> dict[str, Any]:
    """The facts of one invoice, or of one status."""
    data = node.first("DonneesFacture", "DonneesStatut") or Node("", "", {})
    states = node.all("CycleDeValidation/ValidationUnitaire")
    state = states[-1] if states else data
    supplier = node.first("Fournisseur") or Node("", "", {})
    identifier = supplier.value("Identifiant")
    return present(
        {
            "id_cpro": data.value("IdCPRO"),
            "numero": data.value("Id", "IdFacture"),
            "type": data.value("Type"),
            "date": data.value("DateEmissionFacture", "DateFacture"),
            "date_reception": data.value("DateReception"),
            "cadre": data.value("Cadre"),
            "fournisseur": supplier.value("RaisonSociale"),
            "fournisseur_id": identifier,
            "fournisseur_tva": identifier if supplier.value("TypeIdentifiant") == "2" else None,
            "destinataire": node.value("Debiteur/Nom"),
            "destinataire_id": node.value("Debiteur/Identifiant"),
            "service": node.value("Debiteur/CodeService"),
            "engagement": data.value("Engagement/NumeroEngagement"),
            "marche": data.value("Engagement/NumeroMarche"),
            "devise": data.value("Devise"),
            "montant_ht": data.value("Montants/MontantHT"),
            "montant_ttc": data.value("Montants/MontantTTC"),
            "montant_net": data.value("Montants/MontantNetAPayer"),
            "statut": state.value("CodeStatut", "IdStatut"),
            "statut_libelle": state.value("ComplementStatut"),
        }
    )


def emit(flow: Flow, prefix: str, work: Work, known: frozenset[str] = frozenset()) -> None:
    """Hand on the pieces, each with its invoice's number; main invoice (01) and complements (02) as they stand.

    :param known: sha256 of files that already lie beside the flow (Pastell copies pieces out): not handed on twice.
    """
    for piece in flow.pieces:
        if piece.blob.sha256 in known:
            work.discard(piece.blob)
            continue
        path = f"{prefix}{piece.unit}/PJ/{piece.number}"
        work.emit(piece.name, path, piece.blob, "piece", piece.media_type, piece.facts)
