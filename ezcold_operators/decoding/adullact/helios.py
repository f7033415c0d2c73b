"""PES V2 (protocole d'échange standard d'Hélios): PES_Aller, PES_ACQUIT, PES_Retour, one file read once, streamed.

Only the root is qualified and values stand in @V (schemas PES_V2). A PJ is gzip in base64 in
`PES_PJ/PJ/Contenu/Fichier` (Class_PJ.xsd); a `PJRef` of support 01 without its PJ is normal:
the piece went in an earlier file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ezcold_operators.decoding.adullact import signature, xml
from ezcold_operators.decoding.adullact.bundle import Broken
from ezcold_operators.decoding.adullact.pieces import Base64Sink, gunzipped, unzipped
from ezcold_operators.decoding.adullact.work import Work
from ezcold_operators.decoding.adullact.xml import Node
from ezcold_operators.decoding.limits import LimitExceeded
from ezcold_operators.decoding.unfolding import Written
from ezcold_operators.i18n import _

_HEADER = (
    ("dte_str", ("DteStr",)),
    ("id_post", ("IdPost",)),
    ("id_coll", ("IdColl",)),
    ("cod_col", ("CodCol", "CodColl")),
    ("cod_bud", ("CodBud",)),
    ("libelle_col_bud", ("LibelleColBud",)),
)
_PIECE_NAMES = ("BlocPiece", "InfoPce", "InfoPiece", "Piece")


@dataclass(slots=True)
class _Piece:
    """One PJ found in the file, before the references to it are all known."""

    number: int
    blob: Written
    id_unique: str | None
    name: str | None
    media_type: str
    facts: dict[str, Any]


@dataclass(slots=True)
class Pes:
    """Everything that one PES file says; `facts` by the keys of the contract."""

    facts: dict[str, Any] = field(default_factory=dict)
    pieces: list[_Piece] = field(default_factory=list)
    references: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By PJ IdUnique: its name, and the bordereaux and pièces that refer to it."""


class _Reader:
    """Follows one file: where it stands (domain, bordereau, pièce), and what it has met."""

    def __init__(self, work: Work, root: str) -> None:
        self.work, self.root = work, root
        self.pes = Pes({"racine": root})
        self.domains: list[str] = []
        self.bordereaux: list[dict[str, Any]] = []
        self.bordereau: dict[str, Any] | None = None
        self.piece: str | None = None
        self.pj_refs: list[str] = []
        self.acks: list[dict[str, Any]] = []
        self.blocks = signature.Blocks()
        self.pj_count = 0

    @property
    def keep(self) -> dict[str, Any]:
        return {
            "Parametres": self.parametres,
            "EnTetePES": self.header,
            "BlocBordereau": self.bloc_bordereau,
            "IdPce": self.id_pce,
            "PJRef": self.pj_ref,
            "PJ": self.pj,
            "ElementACQUIT": self.acquit,
            "Signature": self.signature,
        }

    def entered(self, path: tuple[str, ...], attributes: Mapping[str, str]) -> None:
        name = path[-1]
        if len(path) == 2 and name.startswith("PES_") and name not in self.domains:
            self.domains.append(name)
        if name == "Bordereau":
            self.bordereau, self.piece = None, None
        elif name == "Piece":
            self.piece = None
        self.blocks.identified(attributes)

    def sink(self, path: tuple[str, ...], attributes: Mapping[str, str]) -> Base64Sink | None:
        return Base64Sink(self.work) if path[-3:] == ("PJ", "Contenu", "Fichier") else None

    def parametres(self, node: Node) -> None:
        if node.path[1:] == ("Enveloppe", "Parametres"):
            _put(self.pes.facts, nom_fic=node.v("NomFic"), typ_fic=node.v("TypFic"))

    def header(self, node: Node) -> None:
        if len(node.path) == 2:
            _put(self.pes.facts, **{key: node.v(*paths) for key, paths in _HEADER})

    def bloc_bordereau(self, node: Node) -> None:
        found: dict[str, Any] = {}
        _put(
            found,
            exercice=node.v("Exer"),
            id_bord=node.v("IdBord"),
            date=node.v("DteBordEm"),
            type=node.v("TypBord"),
            montant_ht=node.v("MtBordHT", "MtBordHt"),
        )
        self.bordereau = found
        self.bordereaux.append(found)

    def id_pce(self, node: Node) -> None:
        value = node.attribute("V")
        if value is None or len(node.path) < 2 or node.path[-2] not in _PIECE_NAMES:
            return
        self.piece = value
        if self.bordereau is not None:
            self.bordereau.setdefault("pieces", []).append(value)

    def pj_ref(self, node: Node) -> None:
        id_unique = node.v("IdUnique")
        if id_unique is None:
            return
        self.pj_refs.append(id_unique)
        known = self.pes.references.setdefault(id_unique, {})
        name = node.v("NomPJ")
        if name is not None:
            known.setdefault("nom_pj", name)
        link: dict[str, Any] = {}
        _put(
            link,
            exercice=(self.bordereau or {}).get("exercice"),
            bordereau=(self.bordereau or {}).get("id_bord"),
            piece=self.piece,
            support=node.v("Support"),
        )
        links = known.setdefault("liens", [])
        if link not in links:
            links.append(link)

    def pj(self, node: Node) -> None:
        """A PJ: its bytes are already in the sinks of its `Fichier` elements."""
        if node.first("Contenu") is None:
            return
        self.pj_count += 1
        number = self.pj_count
        id_unique, name = node.v("IdUnique"), node.v("NomPJ")
        label = f"PJ {number}" + (f" ({id_unique})" if id_unique else "")
        facts: dict[str, Any] = {}
        _put(facts, id_unique=id_unique, type_pj=node.v("TypePJ"), description=node.v("Description"))
        for file in node.all("Contenu/Fichier"):
            blob = self.content(file, label, bool(id_unique or name), name or "")
            if blob is not None:
                media = file.attribute("MIMEType") or "application/octet-stream"
                self.pes.pieces.append(_Piece(number, blob, id_unique, name, media, facts))

    def content(self, node: Node, label: str, named: bool, name: str) -> Written | None:
        sink: Base64Sink = node.sink
        if sink.error is not None:
            self.work.problem(f"{label}: {sink.error}")
            return None
        if sink.blob is None:
            if named:
                self.work.problem(_("{label}: its Fichier is empty").format(label=label))
            return None
        try:
            blob = gunzipped(sink.blob, self.work)
            return unzipped(blob, name, self.work)[0] if blob is sink.blob else blob
        except (Broken, LimitExceeded) as error:
            self.work.problem(f"{label}: {error}")
            self.work.discard(sink.blob)
            return None

    def acquit(self, node: Node) -> None:
        found: dict[str, Any] = {}
        _put(
            found,
            etat=node.v("EtatAck"),
            domaine=node.v("DomaineAck"),
            id_unique=node.v("IdUnique"),
            num_bord=node.v("NumBord"),
        )
        errors = list(_errors(node, {}))
        if errors:
            found["erreurs"] = errors
        self.acks.append(found)

    def signature(self, node: Node) -> None:
        if "xmldsig" not in node.namespace:
            return
        for sentence in self.blocks.met(node):
            self.work.problem(sentence)

    def finish(self) -> Pes:
        for sentence in self.blocks.dangling():
            self.work.problem(sentence)
        facts = self.pes.facts
        for key, values in (("domaines", self.domains), ("bordereaux", self.bordereaux), ("pj_refs", self.pj_refs)):
            if values:
                facts[key] = values
        if self.acks:
            facts["acquits"] = self.acks
        states = [ack["etat"] for ack in self.acks if "etat" in ack]
        if states:
            facts["acquit_global"] = "OK" if all(state == "1" for state in states) else "KO"
        if self.root != "PES_ACQUIT":
            facts["signatures"] = self.blocks.count
        return self.pes


def _put(into: dict[str, Any], **values: str | None) -> None:
    into.update({key: value for key, value in values.items() if value})


def _errors(node: Node, place: dict[str, str]) -> Any:
    """Every `Erreur` at or below a node, with the pièce and the line it concerns."""
    here = dict(place)
    _put(here, piece=node.v("NumPiece"), ligne=node.v("NumLigne"))
    for child in node.children:
        if child.name == "Erreur":
            found: dict[str, str] = {}
            _put(found, numero=child.v("NumAnoAck"), libelle=child.v("LibelleAnoAck"))
            yield {**found, **here}
        else:
            yield from _errors(child, here)


def read(file: Path, root: str, work: Work) -> Pes:
    """What a PES file holds; rules that it breaks go to `work.problems`, what was read until a break is given."""
    reader = _Reader(work, root)
    try:
        xml.read(file, reader.keep, reader.sink, reader.entered)
    except (xml.XmlBroken, xml.XmlRefused, LimitExceeded) as error:
        work.problem(str(error))
        reader.blocks.forget()
    else:
        if reader.blocks.count:
            for sentence in signature.problems(file):
                work.problem(sentence)
    return reader.finish()


def emit(pes: Pes, prefix: str, work: Work, known: frozenset[str] = frozenset()) -> None:
    """Hand on the PJs, each with the bordereaux and pièces that refer to it.

    :param known: sha256 of files that already lie beside the PES (Pastell copies pieces out): not handed on twice.
    """
    for piece in pes.pieces:
        if piece.blob.sha256 in known:
            work.discard(piece.blob)
            continue
        reference = pes.references.get(piece.id_unique or "", {})
        facts = dict(piece.facts)
        if "liens" in reference:
            facts["liens"] = reference["liens"]
        name = piece.name or reference.get("nom_pj")
        work.emit(name, f"{prefix}PJ/{piece.number}", piece.blob, "piece", piece.media_type, facts)


def merge(found: list[Pes]) -> dict[str, Any]:
    """The facts of an item that holds several PES files (an aller and its acquit): the aller speaks first."""
    order = {"PES_Aller": 0, "PES_Retour": 1, "PES_ACQUIT": 2}
    merged: dict[str, Any] = {}
    for pes in sorted(found, key=lambda pes: order.get(pes.facts["racine"], 3)):
        for key, value in pes.facts.items():
            if key == "domaines":
                merged[key] = merged.get(key, []) + [v for v in value if v not in merged.get(key, [])]
            elif isinstance(value, list):
                merged[key] = merged.get(key, []) + value
            elif key == "signatures":
                merged[key] = merged.get(key, 0) + value
            elif key == "acquit_global":
                merged[key] = "KO" if "KO" in (value, merged.get(key)) else "OK"
            else:
                merged.setdefault(key, value)
    return merged
