"""Facts of one invoice in UBL or CII (EN 16931; Factur-X carries the latter), under the keys of the contract.

CII lines and UBL lines are passed over: the header and the totals are enough for an index. Attachments become pieces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ezcold_operators.decoding.adullact import xml
from ezcold_operators.decoding.adullact.pieces import Base64Sink
from ezcold_operators.decoding.adullact.work import Work
from ezcold_operators.decoding.adullact.xml import Node
from ezcold_operators.decoding.limits import LimitExceeded
from ezcold_operators.decoding.unfolding import Written

_ATTACHMENTS = ("EmbeddedDocumentBinaryObject", "AttachmentBinaryObject")

_UBL_KEPT = (
    "CustomizationID",
    "ProfileID",
    "ID",
    "IssueDate",
    "InvoiceTypeCode",
    "CreditNoteTypeCode",
    "DocumentCurrencyCode",
    "BuyerReference",
    "OrderReference",
    "ContractDocumentReference",
    "AccountingSupplierParty",
    "AccountingCustomerParty",
    "LegalMonetaryTotal",
)
_CII_CONTEXT = ("ExchangedDocumentContext", "SpecifiedExchangedDocumentContext")
_CII_DOCUMENT = ("ExchangedDocument", "HeaderExchangedDocument")
_CII_AGREEMENT = ("ApplicableHeaderTradeAgreement", "ApplicableSupplyChainTradeAgreement")
_CII_SETTLEMENT = ("ApplicableHeaderTradeSettlement", "ApplicableSupplyChainTradeSettlement")
_CII_TOTALS = (
    "SpecifiedTradeSettlementHeaderMonetarySummation",
    "SpecifiedTradeSettlementMonetarySummation",
)


@dataclass(slots=True)
class Invoice:
    facts: dict[str, Any]
    attachments: list[tuple[str | None, str, Written]] = field(default_factory=list)
    """File name, media type, bytes."""


def present(values: Mapping[str, Any]) -> dict[str, Any]:
    """Absent keys are absent."""
    return {key: value for key, value in values.items() if value}


def read(file: Path, root: str, work: Work) -> Invoice:
    """One invoice; rules that it breaks go to `work.problems`, what was read until a break is given."""
    header = Node(root, "", {})
    attachments: list[Node] = []
    cii = root.startswith("CrossIndustry")
    wanted = (*_CII_CONTEXT, *_CII_DOCUMENT, *_CII_AGREEMENT, *_CII_SETTLEMENT) if cii else _UBL_KEPT
    depths = (2, 3) if cii else (2,)

    def collect(node: Node) -> None:
        if len(node.path) in depths:
            header.children.append(node)

    def sink(path: tuple[str, ...], attributes: Mapping[str, str]) -> Base64Sink | None:
        return Base64Sink(work) if path[-1] in _ATTACHMENTS else None

    keep: dict[str, Any] = {name: collect for name in wanted}
    keep.update({name: attachments.append for name in _ATTACHMENTS})
    try:
        xml.read(file, keep, sink)
    except (xml.XmlBroken, xml.XmlRefused, LimitExceeded) as error:
        work.problem(str(error))
    invoice = Invoice(_cii(header) if cii else _ubl(header, root))
    _attach(invoice, attachments, work)
    return invoice


def _attach(invoice: Invoice, nodes: list[Node], work: Work) -> None:
    for number, node in enumerate(nodes, 1):
        sink: Base64Sink = node.sink
        name = node.attribute("filename")
        if sink.error is not None:
            work.problem(f"attachment {number}: {sink.error}")
        elif sink.blob is not None:
            invoice.attachments.append((name, node.attribute("mimeCode") or "application/octet-stream", sink.blob))


# UBL ----------------------------------------------------------------------------------------------


def _ubl(header: Node, root: str) -> dict[str, Any]:
    seller = header.first("AccountingSupplierParty/Party") or Node("", "", {})
    buyer = header.first("AccountingCustomerParty/Party") or Node("", "", {})
    return present(
        {
            "numero": header.value("ID"),
            "type": header.value("InvoiceTypeCode", "CreditNoteTypeCode") or ("381" if root == "CreditNote" else None),
            "date": header.value("IssueDate"),
            "cadre": header.value("ProfileID"),
            "profil": header.value("CustomizationID"),
            "fournisseur": seller.value("PartyName/Name", "PartyLegalEntity/RegistrationName"),
            "fournisseur_id": _ubl_id(seller),
            "fournisseur_tva": _ubl_vat(seller),
            "destinataire": buyer.value("PartyName/Name", "PartyLegalEntity/RegistrationName"),
            "destinataire_id": _ubl_id(buyer),
            "service": header.value("BuyerReference"),
            "engagement": header.value("OrderReference/ID"),
            "marche": header.value("ContractDocumentReference/ID"),
            "devise": header.value("DocumentCurrencyCode"),
            "montant_ht": header.value("LegalMonetaryTotal/TaxExclusiveAmount"),
            "montant_ttc": header.value("LegalMonetaryTotal/TaxInclusiveAmount"),
            "montant_net": header.value("LegalMonetaryTotal/PayableAmount"),
        }
    )


def _ubl_id(party: Node) -> str | None:
    """A SIRET wherever it stands: Chorus writes it in PartyIdentification, and free text in CompanyID."""
    values = [
        node.text.strip()
        for path in ("PartyIdentification/ID", "PartyLegalEntity/CompanyID")
        for node in party.all(path)
        if node.text.strip()
    ]
    return next((v for v in values if len(v) == 14 and v.isdigit()), values[0] if values else None)


def _ubl_vat(party: Node) -> str | None:
    for scheme in party.all("PartyTaxScheme"):
        if (scheme.value("TaxScheme/ID") or "").upper() == "VAT":
            return scheme.value("CompanyID")
    return None


# CII ----------------------------------------------------------------------------------------------


def _cii(header: Node) -> dict[str, Any]:
    def at(parents: tuple[str, ...], *paths: str) -> str | None:
        return header.value(*(f"{parent}/{path}" for parent in parents for path in paths))

    agreement = header.first(*_CII_AGREEMENT) or Node("", "", {})
    seller = agreement.first("SellerTradeParty") or Node("", "", {})
    buyer = agreement.first("BuyerTradeParty") or Node("", "", {})
    totals = [f"{settlement}/{total}" for settlement in _CII_SETTLEMENT for total in _CII_TOTALS]
    return present(
        {
            "numero": at(_CII_DOCUMENT, "ID"),
            "type": at(_CII_DOCUMENT, "TypeCode"),
            "date": at(_CII_DOCUMENT, "IssueDateTime/DateTimeString", "IssueDateTime/DateTime"),
            "cadre": at(_CII_CONTEXT, "BusinessProcessSpecifiedDocumentContextParameter/ID"),
            "profil": at(_CII_CONTEXT, "GuidelineSpecifiedDocumentContextParameter/ID"),
            "fournisseur": seller.value("Name"),
            "fournisseur_id": seller.value("SpecifiedLegalOrganization/ID", "GlobalID", "ID"),
            "fournisseur_tva": _cii_vat(seller),
            "destinataire": buyer.value("Name"),
            "destinataire_id": buyer.value("SpecifiedLegalOrganization/ID", "GlobalID", "ID"),
            "service": agreement.value("BuyerReference"),
            "engagement": _reference(agreement, "BuyerOrderReferencedDocument"),
            "marche": _reference(agreement, "ContractReferencedDocument"),
            "devise": at(_CII_SETTLEMENT, "InvoiceCurrencyCode"),
            "montant_ht": header.value(*(f"{total}/TaxBasisTotalAmount" for total in totals)),
            "montant_ttc": header.value(*(f"{total}/GrandTotalAmount" for total in totals)),
            "montant_net": header.value(*(f"{total}/DuePayableAmount" for total in totals)),
        }
    )


def _reference(agreement: Node, name: str) -> str | None:
    return agreement.value(f"{name}/IssuerAssignedID", f"{name}/ID")


def _cii_vat(party: Node) -> str | None:
    for registration in party.all("SpecifiedTaxRegistration"):
        node = registration.first("ID")
        if node is not None and node.attribute("schemeID") == "VA":
            return node.text.strip() or None
    return None
