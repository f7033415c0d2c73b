# ruff: noqa: E501
"""Our own envelopes, alike in shape to public samples, each named where it is followed; every person and number invented.

Each builder gives bytes; `archive` and `bundle` put files together as platforms and the source do.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

ACTES = "http://www.interieur.gouv.fr/ACTES#v1.1-20040216"
PES = "http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0"

PDF = b"%PDF-1.4\n% an invented piece\n%%EOF\n"


def pdf(mark: str) -> bytes:
    """A distinct piece."""
    return PDF + mark.encode()


def encoded(text: str, encoding: str = "ISO-8859-1", declared: str | None = None) -> bytes:
    """An XML document in one encoding, declared as another when asked."""
    head = f'<?xml version="1.0" encoding="{declared or encoding}"?>\n'
    return (head + text).encode(encoding, "xmlcharrefreplace")


# ACTES ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Acte:
    """Shape of SIC-EACT--210600730--20180115-1.tar.gz and constructed-SLO-EACT--491011698--20171227-1.tar.gz."""

    numero: str = "2024_17"
    date: str = "2024-03-05"
    nature: str = "1"
    objet: str = "Création d'un marché de Noël à la salle des fêtes"
    matieres: tuple[str, ...] = ("3", "2")
    departement: str = "034"
    siren: str = "123456782"
    document: str = "99_DE-034-123456782-20240307-2024_17-DE-1-1_1.pdf"
    annexes: tuple[str, ...] = ()
    nombre: int | None = None
    prefix: str = "actes"

    @property
    def message_name(self) -> str:
        return f"{self.departement}-{self.siren}-20240307-17-DE-1-1_0.xml"

    def attributes(self) -> str:
        p = self.prefix
        return (
            f"{p}:Date={quoteattr(self.date)} {p}:NumeroInterne={quoteattr(self.numero)} "
            f"{p}:CodeNatureActe={quoteattr(self.nature)}"
        )

    def content(self) -> str:
        p = self.prefix
        levels = "".join(f'<{p}:CodeMatiere{i} {p}:CodeMatiere="{m}"/>' for i, m in enumerate(self.matieres, 1))
        annexes = "".join(
            f"<{p}:Annexe><{p}:NomFichier>{escape(a)}</{p}:NomFichier></{p}:Annexe>" for a in self.annexes
        )
        count = len(self.annexes) if self.nombre is None else self.nombre
        return (
            f"{levels}<{p}:Objet>\n {escape(self.objet)} </{p}:Objet>"
            f"<{p}:ClassificationDateVersion>2019-03-01</{p}:ClassificationDateVersion>"
            f"<{p}:Document><{p}:NomFichier>{escape(self.document)}</{p}:NomFichier></{p}:Document>"
            f'<{p}:Annexes {p}:Nombre="{count}">{annexes}</{p}:Annexes><{p}:DocumentPapier>N</{p}:DocumentPapier>'
        )

    def message(self, encoding: str = "ISO-8859-1", declared: str | None = None) -> bytes:
        p = self.prefix
        body = f'<{p}:Acte xmlns:{p}="{ACTES}" {self.attributes()}>{self.content()}</{p}:Acte>'
        return encoded(body, encoding, declared)

    def envelope(self, formulaire: str | None = None) -> bytes:
        p = self.prefix
        return encoded(
            f'<{p}:EnveloppeCLMISILL xmlns:{p}="{ACTES}" xmlns:insee="http://xml.insee.fr/schema"><{p}:Emetteur>'
            f'<{p}:IDCL insee:SIREN="{self.siren}" {p}:Departement="{self.departement}" {p}:Arrondissement="3" '
            f'{p}:Nature="31"/><{p}:Referent><{p}:Nom>Référent</{p}:Nom></{p}:Referent></{p}:Emetteur>'
            f"<{p}:FormulairesEnvoyes><{p}:Formulaire><{p}:NomFichier>{formulaire or self.message_name}</{p}:NomFichier>"
            f"</{p}:Formulaire></{p}:FormulairesEnvoyes></{p}:EnveloppeCLMISILL>"
        )

    def receipt(self, id_acte: str) -> bytes:
        """Shape of 006-210600235-20180522-684-AI-1-2_5279.xml."""
        p = self.prefix
        return encoded(
            f'<{p}:ARActe xmlns:{p}="{ACTES}" {p}:DateReception="2024-03-08" {p}:IDActe="{id_acte}">'
            f"<{p}:ActeRecu {self.attributes()}>{self.content()}</{p}:ActeRecu></{p}:ARActe>"
        )

    def files(self) -> dict[str, bytes]:
        """The envelope unpacked, in the order in which S2LOW packs it."""
        return {
            f"EACT--{self.siren}--20240307-1.xml": self.envelope(),
            self.message_name: self.message(),
            self.document: pdf("acte"),
            **{name: pdf(name) for name in self.annexes},
        }


def anomaly() -> bytes:
    """Shape of ANO_EACT--214400152--20180925-1.xml."""
    return encoded(
        f'<actes:AnomalieEnveloppe xmlns:actes="{ACTES}" xmlns:insee="http://xml.insee.fr/schema">'
        "<actes:Date>2024-03-08</actes:Date><actes:Nature>999</actes:Nature><actes:Detail>Enveloppe refusée</actes:Detail>"
        '<actes:EnveloppeRecue><actes:Emetteur><actes:IDCL actes:Departement="044" insee:SIREN="123456782"/>'
        "</actes:Emetteur><actes:FormulairesEnvoyes><actes:Formulaire><actes:NomFichier>absent.xml</actes:NomFichier>"
        "</actes:Formulaire></actes:FormulairesEnvoyes></actes:EnveloppeRecue></actes:AnomalieEnveloppe>"
    )


def courrier() -> dict[str, bytes]:
    """Shape of courrier_simple.tar.gz: from the prefecture."""
    message = encoded(
        f'<actes:CourrierSimple xmlns:actes="{ACTES}" actes:DateCourrierPref="2024-04-02" '
        'actes:IDActe="034-123456782-20240305-2024_17-DE"><actes:Document><actes:NomFichier>lettre.pdf'
        "</actes:NomFichier></actes:Document></actes:CourrierSimple>"
    )
    envelope = encoded(
        f'<actes:EnveloppeMISILLCL xmlns:actes="{ACTES}" xmlns:insee="http://xml.insee.fr/schema"><actes:Emetteur>'
        '<actes:IDSousPref actes:Departement="034" actes:Arrondissement="1"/></actes:Emetteur><actes:FormulairesEnvoyes>'
        "<actes:Formulaire><actes:NomFichier>message.xml</actes:NomFichier></actes:Formulaire></actes:FormulairesEnvoyes>"
        '<actes:Destinataire insee:SIREN="123456782"/></actes:EnveloppeMISILLCL>'
    )
    return {"message.xml": message, "lettre.pdf": pdf("lettre"), "TACT--SPREF0341-123456782-20240402-7.xml": envelope}


# Hélios --------------------------------------------------------------------------


@dataclass(frozen=True)
class Pj:
    """A piece of a PES; `fichier` overrides the base64 text."""

    id_unique: str = "PJ0001"
    nom: str = "Mandat 12.pdf"
    data: bytes = PDF
    type_pj: str = "003"
    fichier: str | None = None
    mime: str = "application/pdf"

    def xml(self) -> str:
        text = (
            self.fichier if self.fichier is not None else wrapped(base64.b64encode(gzip.compress(self.data, mtime=0)))
        )
        name = f"<NomPJ V={quoteattr(self.nom)}/>" if self.nom else ""
        unique = f"<IdUnique V={quoteattr(self.id_unique)}/>" if self.id_unique else ""
        return (
            f'<PJ><Contenu><Fichier MIMEType="{self.mime}">{text}</Fichier></Contenu>{unique}{name}'
            f'<TypePJ V="{self.type_pj}"/></PJ>'
        )


def wrapped(data: bytes) -> str:
    """Base64 in lines of 76, as most producers write it."""
    text = data.decode()
    return "\n" + "\n".join(text[i : i + 76] for i in range(0, len(text), 76)) + "\n"


def pj_ref(id_unique: str, support: str = "01", nom: str = "") -> str:
    name = f"<NomPJ V={quoteattr(nom)}/>" if nom else ""
    return f'<PJRef><Support V="{support}"/><IdUnique V={quoteattr(id_unique)}/>{name}</PJRef>'


@dataclass(frozen=True)
class Bordereau:
    id_bord: str = "58"
    pieces: tuple[tuple[str, tuple[str, ...]], ...] = (("1201", ("PJ0001",)),)
    """(IdPce, ids of PJs it refers to)."""
    montant: str = "1520.40"


def pes_header(nom_fic: str, libelle: str = "COMMUNE DE SAINT-ÉTIENNE-D'ESSAI") -> str:
    return (
        f'<Enveloppe><Parametres><Version V="2"/><TypFic V="PESALR2"/><NomFic V={quoteattr(nom_fic)}/></Parametres>'
        '<Emetteur><Sigle V="ESSAI"/></Emetteur></Enveloppe><EnTetePES><DteStr V="2024-02-29"/><IdPost V="034000"/>'
        f'<IdColl V="12345678200010"/><CodCol V="123"/><CodBud V="00"/><LibelleColBud V={quoteattr(libelle)}/></EnTetePES>'
    )


def pes_depense(
    bordereaux: Sequence[Bordereau] = (Bordereau(),),
    pjs: Sequence[Pj] = (Pj(),),
    nom_fic: str = "PESALR2_12345678200010_240229_1",
    *,
    signature: str = "",
    extra: str = "",
    encoding: str = "ISO-8859-1",
    declared: str | None = None,
) -> bytes:
    """Shape of derived-PESALR1_pj.xml (dépense) and fichier_signe.xml (signature in the domain)."""
    body = "".join(
        f'<Bordereau Id="B{b.id_bord}"><BlocBordereau><Exer V="2024"/><IdBord V={quoteattr(b.id_bord)}/>'
        f'<DteBordEm V="2024-02-28"/><TypBord V="01"/><NbrPce V="{len(b.pieces)}"/><MtBordHT V="{b.montant}"/>'
        "</BlocBordereau>"
        + "".join(
            f'<Piece><BlocPiece><InfoPce><IdPce V={quoteattr(number)}/><Obj V="ACHAT"/>'
            + "".join(pj_ref(ref) for ref in refs)
            + '</InfoPce></BlocPiece><LigneDePiece><BlocLignePiece><InfoLignePce><IdLigne V="1"/></InfoLignePce>'
            "</BlocLignePiece></LigneDePiece></Piece>"
            for number, refs in b.pieces
        )
        + "</Bordereau>"
        for b in bordereaux
    )
    pieces = "".join(pj.xml() for pj in pjs)
    return encoded(
        f'<n:PES_Aller xmlns:n="{PES}/aller" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Id="PES1">'
        f'{pes_header(nom_fic)}<PES_DepenseAller><EnTeteDepense><IdVer V="2"/></EnTeteDepense>{body}{signature}'
        f'</PES_DepenseAller><PES_PJ><EnTetePES_PJ><IdVer V="1"/></EnTetePES_PJ>{pieces}</PES_PJ>{extra}</n:PES_Aller>',
        encoding,
        declared,
    )


def pes_recette() -> bytes:
    """Shape of PESALR1_99988877766655_121211_11.xml: titres, IdPce right below BlocPiece, MtBordHt."""
    return encoded(
        f'<p:PES_Aller xmlns:p="{PES}/aller">{pes_header("RECETTE1")}<PES_RecetteAller><Bordereau Id="R1"><BlocBordereau>'
        '<Exer V="2024"/><IdBord V="90"/><DteBordEm V="2024-01-31"/><TypBord V="01"/><MtBordHt V="315.40"/></BlocBordereau>'
        f'<Piece><BlocPiece><IdPce V="902490"/><ObjPce V="CANTINE"/>{pj_ref("V1")}</BlocPiece></Piece>'
        '<Piece><BlocPiece><IdPce V="902491"/></BlocPiece></Piece></Bordereau></PES_RecetteAller></p:PES_Aller>'
    )


def acquit(etat: str = "0") -> bytes:
    """Shape of 006111_190130123456-ACK-A3020100_A0000MIX_KO.xml."""
    return encoded(
        f'<n:PES_ACQUIT xmlns:n="{PES}/retour/v2">{pes_header("PESALR2_12345678200010_240229_1")}<ACQUIT>'
        '<ElementACQUIT><DomaineAck V="4"/><EtatAck V="1"/><IdUnique V="PJ0001"/></ElementACQUIT><ElementACQUIT>'
        f'<DomaineAck V="5"/><EtatAck V="{etat}"/><NumBord V="58"/><ExerciceBord V="2024"/><DetailPiece>'
        '<NumPiece V="1201"/><DetailLigne><NumLigne V="1"/><Erreur><NumAnoAck V="ERREUR_AUTRE"/>'
        '<LibelleAnoAck V="1971 - Compte présent à tort"/></Erreur></DetailLigne></DetailPiece></ElementACQUIT>'
        "</ACQUIT></n:PES_ACQUIT>"
    )


def xmldsig(uri: str = "#B58", value: str = "c2lnbmF0dXJl") -> str:
    return (
        f'<ds:Signature Id="S1"><ds:SignedInfo><ds:Reference URI="{uri}"><ds:DigestValue>eA==</ds:DigestValue>'
        f"</ds:Reference></ds:SignedInfo><ds:SignatureValue>{value}</ds:SignatureValue></ds:Signature>"
    )


# Chorus Pro ----------------------------------------------------------------------


@dataclass(frozen=True)
class ChorusPj:
    nom: str = "Facture 24-001.pdf"
    data: bytes = PDF
    type_pj: str = "01"
    wrapping: str = "zip"
    """zip (as Chorus Pro writes), raw (as Pastell writes), none (IdUnique alone)."""
    contenu: str | None = None

    def xml(self, order: int) -> str:
        if self.contenu is not None:
            text = f"<Contenu>{self.contenu}</Contenu>"
        elif self.wrapping == "none":
            text = "<IdUnique>987</IdUnique>"
        else:
            data = zip_of({self.nom.strip(): self.data}) if self.wrapping == "zip" else self.data
            text = f"<Contenu>{base64.b64encode(data).decode()}</Contenu>"
        return (
            f'<PJ NumOrdre="{order}">{text}<NomPJ>{escape(self.nom)}</NomPJ><TypePJ>{self.type_pj}</TypePJ>'
            "<MimeTypePJ>application/pdf</MimeTypePJ></PJ>"
        )


def pivot_unit(numero: str, pjs: Iterable[ChorusPj], root: str = "Pivot") -> str:
    pieces = "".join(pj.xml(order) for order, pj in enumerate(pjs, 1))
    return (
        f"<CPPFacture{root}Unitaire><Fournisseur><TypeIdentifiant>1</TypeIdentifiant><Identifiant>12345678200010"
        "</Identifiant><RaisonSociale>SARL d'essai</RaisonSociale></Fournisseur><Debiteur><TypeIdentifiant>1"
        "</TypeIdentifiant><Identifiant>98765432100019</Identifiant><Nom>Commune d'Essai</Nom><CodeService>FIN"
        f"</CodeService></Debiteur><DonneesFacture><Id>{escape(numero)}</Id><IdCPRO>4711</IdCPRO><Type>380</Type><Cadre>A1"
        "</Cadre><DateEmissionFacture>2024-02-01</DateEmissionFacture><DateReception>2024-02-02</DateReception>"
        "<Devise>EUR</Devise><Montants><MontantHT>100.000000</MontantHT><MontantTTC>120.000000</MontantTTC>"
        "<MontantNetAPayer>120.000000</MontantNetAPayer></Montants><Engagement><NumeroMarche/>"
        f"<NumeroEngagement>ENG1</NumeroEngagement></Engagement></DonneesFacture>{pieces}"
        "<CycleDeValidation><ValidationUnitaire><CodeStatut>01</CodeStatut><ComplementStatut>Déposée</ComplementStatut>"
        f"</ValidationUnitaire></CycleDeValidation></CPPFacture{root}Unitaire>"
    )


def pivot(units: Mapping[str, Sequence[ChorusPj]], root: str = "Pivot", *, encoding: str = "UTF-8") -> bytes:
    """Shape of facture_1221.xml (and derived-CPPFactureMixte_E2.xml with root "Mixte")."""
    return encoded(
        f"<CPPFacture{root}><Enveloppe><EnveloppeUnitaire><Parametres><ParametreIndiv><Code>DtPrd</Code><Valeurparametre>"
        "2024-02-02</Valeurparametre></ParametreIndiv><ParametreIndiv><Code>IdFlx</Code><Valeurparametre>CPP0042"
        "</Valeurparametre></ParametreIndiv></Parametres></EnveloppeUnitaire></Enveloppe>"
        f'<CPPFactures Compteur="{len(units)}">{"".join(pivot_unit(n, p, root) for n, p in units.items())}</CPPFactures>'
        f"</CPPFacture{root}>",
        encoding,
    )


def ubl(attachment: bytes | None = PDF, numero: str = "U-1") -> bytes:
    """Shape of EN16931_Einfach.ubl.xml, with an attachment as EN 16931 BT-125 allows."""
    attached = (
        "<cac:AdditionalDocumentReference><cbc:ID>d</cbc:ID><cac:Attachment><cbc:EmbeddedDocumentBinaryObject mimeCode="
        f'"application/pdf" filename="détail.pdf">{base64.b64encode(attachment).decode()}</cbc:EmbeddedDocumentBinaryObject>'
        "</cac:Attachment></cac:AdditionalDocumentReference>"
        if attachment is not None
        else ""
    )

    def party(role: str, siret: str, name: str) -> str:
        return (
            f'<cac:{role}><cac:Party><cac:PartyIdentification><cbc:ID schemeName="SIRET">{siret}</cbc:ID>'
            f"</cac:PartyIdentification><cac:PartyName><cbc:Name>{name}</cbc:Name></cac:PartyName><cac:PartyTaxScheme>"
            "<cbc:CompanyID>FR32123456782</cbc:CompanyID><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>"
            "</cac:PartyTaxScheme><cac:PartyLegalEntity><cbc:CompanyID>RCS Essai 1</cbc:CompanyID></cac:PartyLegalEntity>"
            f"</cac:Party></cac:{role}>"
        )

    return encoded(
        '<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2" '
        'xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2" '
        'xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">'
        "<cbc:CustomizationID>urn:cen.eu:en16931:2017</cbc:CustomizationID><cbc:ProfileID>A1</cbc:ProfileID>"
        f"<cbc:ID>{numero}</cbc:ID><cbc:IssueDate>2024-02-03</cbc:IssueDate><cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode>"
        "<cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode><cbc:BuyerReference>FIN</cbc:BuyerReference>"
        f"<cac:OrderReference><cbc:ID>ENG2</cbc:ID></cac:OrderReference>{attached}"
        + party("AccountingSupplierParty", "12345678200010", "Atelier d'essai")
        + party("AccountingCustomerParty", "98765432100019", "Commune d'Essai")
        + "<cac:LegalMonetaryTotal><cbc:TaxExclusiveAmount>10.00</cbc:TaxExclusiveAmount><cbc:TaxInclusiveAmount>12.00"
        "</cbc:TaxInclusiveAmount><cbc:PayableAmount>2.00</cbc:PayableAmount></cac:LegalMonetaryTotal>"
        "<cac:InvoiceLine><cbc:ID>1</cbc:ID></cac:InvoiceLine></Invoice>",
        "UTF-8",
    )


def cii(numero: str = "FA-2024-10") -> bytes:
    """Shape of the XML in Facture_FR_BASICWL.pdf."""
    return encoded(
        '<rsm:CrossIndustryInvoice xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100" '
        'xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100">'
        "<rsm:ExchangedDocumentContext><ram:GuidelineSpecifiedDocumentContextParameter><ram:ID>urn:factur-x.eu:1p0:basicwl"
        "</ram:ID></ram:GuidelineSpecifiedDocumentContextParameter></rsm:ExchangedDocumentContext><rsm:ExchangedDocument>"
        f"<ram:ID>{numero}</ram:ID><ram:TypeCode>380</ram:TypeCode><ram:IssueDateTime><ram:DateTimeString>20240204"
        "</ram:DateTimeString></ram:IssueDateTime></rsm:ExchangedDocument><rsm:SupplyChainTradeTransaction>"
        "<ram:ApplicableHeaderTradeAgreement><ram:BuyerReference>FIN</ram:BuyerReference><ram:SellerTradeParty><ram:Name>"
        "Au moulin d'essai</ram:Name><ram:SpecifiedLegalOrganization><ram:ID>12345678200010</ram:ID>"
        '</ram:SpecifiedLegalOrganization><ram:SpecifiedTaxRegistration><ram:ID schemeID="VA">FR32123456782</ram:ID>'
        "</ram:SpecifiedTaxRegistration></ram:SellerTradeParty><ram:BuyerTradeParty><ram:Name>Commune d'Essai</ram:Name>"
        "</ram:BuyerTradeParty><ram:ContractReferencedDocument><ram:IssuerAssignedID>M-7</ram:IssuerAssignedID>"
        "</ram:ContractReferencedDocument></ram:ApplicableHeaderTradeAgreement><ram:ApplicableHeaderTradeSettlement>"
        "<ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode><ram:SpecifiedTradeSettlementHeaderMonetarySummation>"
        "<ram:TaxBasisTotalAmount>624.90</ram:TaxBasisTotalAmount><ram:GrandTotalAmount>671.15</ram:GrandTotalAmount>"
        "<ram:DuePayableAmount>470.15</ram:DuePayableAmount></ram:SpecifiedTradeSettlementHeaderMonetarySummation>"
        "</ram:ApplicableHeaderTradeSettlement></rsm:SupplyChainTradeTransaction></rsm:CrossIndustryInvoice>",
        "UTF-8",
    )


def facturx(xml: bytes, name: str = "factur-x.xml") -> bytes:
    """Shape of Facture_FR_BASICWL.pdf: a PDF with the XML as an embedded file."""
    from pypdf import PdfWriter

    writer = PdfWriter()
    writer.add_blank_page(width=100, height=100)
    writer.add_attachment(name, xml)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


# Pastell -------------------------------------------------------------------------


def flux(values: Mapping[str, str], files: Mapping[str, Sequence[str]]) -> bytes:
    """Shape of the manifest in acte.zip."""
    data = "".join(f"<data name={quoteattr(k)} value={quoteattr(v)}/>" for k, v in values.items())
    named = "".join(
        f"<files name={quoteattr(k)}>" + "".join(f"<file content={quoteattr(n)}/>" for n in names) + "</files>"
        for k, names in files.items()
    )
    return encoded(f"<flux>{data}{named}</flux>", "UTF-8")


# containers ----------------------------------------------------------------------


def tar_of(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def targz(files: Mapping[str, bytes]) -> bytes:
    return gzip.compress(tar_of(files), mtime=0)


def zip_of(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def bundle(files: Mapping[str, bytes]) -> bytes:
    """What the source hands over for files that lay side by side."""
    index = json.dumps({"version": 1, "members": sorted(files)}).encode()
    return tar_of({".ezcold-bundle.json": index, **dict(sorted(files.items()))})
