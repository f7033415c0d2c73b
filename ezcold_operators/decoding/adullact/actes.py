"""ACTES, the exchange between authorities and prefectures (schema actesv1_1.xsd): envelope, messages, acts, answers.

The metadata come from the XML alone: the file names may carry the day of sending instead of the act's date.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ezcold_operators.decoding.adullact import xml
from ezcold_operators.decoding.adullact.tables import EMETTEURS, NATURES
from ezcold_operators.decoding.adullact.work import Member, Work
from ezcold_operators.decoding.adullact.xml import Node
from ezcold_operators.decoding.unfolding import Written
from ezcold_operators.i18n import _

_TYPOLOGY = re.compile(r"^(\d{2}_[A-Z]{2}|[A-Z]{2}_[A-Z]{2})-")
_RECEIVED = ("ActeRecu", "EnveloppeRecue")
"""Copies of what the sender wrote, inside an answer: they state facts, they promise no file here."""


@dataclass(slots=True)
class Message:
    """One XML file of the exchange."""

    member: Member
    root: Node

    @property
    def is_envelope(self) -> bool:
        return self.root.name.startswith("Enveloppe")

    @property
    def is_answer(self) -> bool:
        """An acknowledgement or an anomaly: comes late, promises no file."""
        return self.root.name.startswith(("AR", "Anomalie"))

    def named_files(self) -> list[tuple[str, str]]:
        """(kind of reference, file name) of every file that must lie beside this XML."""
        return [(parent, name) for parent, name in _names(self.root, "") if name]


def _names(node: Node, parent: str) -> list[tuple[str, str]]:
    if node.name in _RECEIVED:
        return []
    if node.name == "NomFichier":
        return [(parent, node.text.strip())]
    return [pair for child in node.children for pair in _names(child, node.name)]


def parse(blob: Written, root: str, work: Work) -> Node | None:
    """The whole document (they are small), or None with the rule it breaks in `work.problems`."""
    found: list[Node] = []
    try:
        xml.read(blob.file, {root: found.append})
    except (xml.XmlBroken, xml.XmlRefused) as error:
        work.problem(str(error))
    return next((node for node in found if len(node.path) == 1), None)


def decode(messages: list[Message], others: list[Member], work: Work, deposit: bool) -> dict[str, Any]:
    """Check what the messages promise against the files at hand, and give the metadata.

    :param deposit: the files come from a Pastell deposit, which renames them: names prove nothing.
    """
    if not deposit:
        _check_files(messages, others, work)
    for message in messages:
        _check_count(message, work)
    return _metadata(messages)


def _check_files(messages: list[Message], others: list[Member], work: Work) -> None:
    present = {member.name.casefold() for member in others} | {m.member.name.casefold() for m in messages}
    for message in messages:
        if message.is_answer:
            continue
        for _other, name in message.named_files():
            if name.replace("\\", "/").rsplit("/", 1)[-1].casefold() not in present:
                work.problem(
                    _("{name} names a file that is missing: {file!r}").format(name=message.root.name, file=name[:120])
                )


def _check_count(message: Message, work: Work) -> None:
    annexes = message.root.first("Annexes")
    if annexes is None or message.root.name != "Acte":
        return
    stated, listed = annexes.attribute("Nombre"), len(annexes.all("Annexe"))
    if stated is not None and stated.isdigit() and int(stated) != listed:
        work.problem(_("Annexes/@Nombre says {stated}, {listed} are listed").format(stated=int(stated), listed=listed))


def links(messages: list[Message]) -> dict[str, dict[str, Any]]:
    """By file name (case folded): how a message refers to it."""
    found: dict[str, dict[str, Any]] = {}
    for message in messages:
        if message.is_answer:
            continue
        for kind, name in message.named_files():
            facts: dict[str, Any] = {"lien": kind}
            typology = _TYPOLOGY.match(name)
            if typology:
                facts["code_pj"] = typology.group(1)
            found.setdefault(name.casefold(), facts)
    return found


# metadata -----------------------------------------------------------------------------------------


def _metadata(messages: list[Message]) -> dict[str, Any]:
    envelope = next((m for m in messages if m.is_envelope), None)
    listed = [name.casefold() for _other, name in envelope.named_files()] if envelope is not None else []

    def rank(message: Message) -> tuple[int, int]:
        name = message.member.name.casefold()
        position = listed.index(name) if name in listed else len(listed)
        return (int(message.is_answer), position)

    content = sorted((m for m in messages if not m.is_envelope), key=rank)
    facts: dict[str, Any] = {}
    if content:
        facts["message"] = content[0].root.name
        facts.update(_message(content[0].root))
        for late in content[1:]:
            if late.is_answer:
                for key, value in _message(late.root).items():
                    facts.setdefault(key, value)
    if envelope is not None:
        facts["enveloppe"] = envelope.root.name
        facts.update(_sender(envelope.root))
    if "id_acte" not in facts:
        _rebuild_id(facts)
    return facts


def _message(root: Node) -> dict[str, Any]:
    """The facts of one message; of an answer, also those of the act it copies."""
    act = root.first("ActeRecu") or root
    nature = act.attribute("CodeNatureActe")
    annexes = act.first("Annexes")
    facts = {
        "id_acte": _anywhere(root, "IDActe"),
        "numero_interne": act.attribute("NumeroInterne"),
        "date": act.attribute("Date"),
        "nature_code": nature,
        "nature": NATURES[nature][0] if nature in NATURES else None,
        "objet": act.value("Objet"),
        "classification": _classification(act),
        "classification_date": act.value("ClassificationDateVersion", "DateClassification"),
        "annexes_nombre": annexes.attribute("Nombre") if annexes is not None else None,
        "date_reception": root.attribute("DateReception"),
        "date_courrier": _anywhere(root, "DateCourrierPref"),
    }
    if root.name.startswith("Anomalie"):
        facts["anomalie_nature"] = root.value("Nature")
        facts["anomalie_date"] = root.value("Date")
        facts["anomalie_detail"] = root.value("Detail")
        facts.update(_sender(root.first("EnveloppeRecue") or root))
    return {key: value for key, value in facts.items() if value}


def _anywhere(root: Node, name: str) -> str | None:
    return next((value for node in root.walk() if (value := node.attribute(name))), None)


def _classification(act: Node) -> str | None:
    """The subject's levels joined by dots; a level may be skipped."""
    levels = ((act.first(f"CodeMatiere{level}"), level) for level in range(1, 6))
    codes = [node.attribute("CodeMatiere") for node, _other in levels if node is not None]
    return ".".join(code for code in codes if code) or None


def _sender(envelope: Node) -> dict[str, Any]:
    """Whose act it is: the sender's SIREN towards the prefecture, the addressee's from it."""
    sender = envelope.first(*(f"Emetteur/{name}" for name in EMETTEURS))
    addressee = envelope.first("Destinataire")
    facts = {
        "emetteur": sender.name if sender is not None else None,
        "departement": sender.attribute("Departement") if sender is not None else None,
        "siren": sender.attribute("SIREN") if sender is not None else None,
    }
    if addressee is not None and addressee.attribute("SIREN"):
        facts["siren"] = addressee.attribute("SIREN")
    return {key: value for key, value in facts.items() if value}


def _rebuild_id(facts: dict[str, Any]) -> None:
    """IDActe = DEP-SIREN-AAAAMMJJ-NUMERO-NAT, by the act's own date; joins an act and its acknowledgement."""
    parts = [facts.get(key) for key in ("departement", "siren", "date", "numero_interne", "nature_code")]
    if all(parts) and facts.get("message") == "Acte" and parts[4] in NATURES:
        department, siren, date, number, nature = (str(part) for part in parts)
        facts["id_acte"] = f"{department}-{siren}-{date.replace('-', '')}-{number}-{NATURES[nature][1]}"
