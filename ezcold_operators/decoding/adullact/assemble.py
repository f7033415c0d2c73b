"""From the files of one item to one envelope: which type they make together, which role each has, what is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ezcold_operators.decoding.adullact import (
    actes,
    chorus,
    facturx,
    helios,
    invoice,
    pastell,
    recognise,
    schema,
    tables,
)
from ezcold_operators.decoding.adullact.bundle import open_container
from ezcold_operators.decoding.adullact.recognise import EnvelopeType, Root
from ezcold_operators.decoding.adullact.work import Member, Work
from ezcold_operators.decoding.adullact.xml import XmlRefused
from ezcold_operators.decoding.base import Envelope, Options
from ezcold_operators.decoding.unfolding import Written
from ezcold_operators.i18n import _

_XML = "application/xml"
_ORDER: tuple[EnvelopeType, ...] = ("acte", "helios", "chorus_fact")
"""An act's annex may be a PES, a PES may lie beside an invoice: the outer exchange names the type."""


@dataclass(slots=True)
class _File:
    """A member and what its content shows."""

    member: Member
    root: Root | None = None
    embedded: tuple[str, Written] | None = None

    @property
    def type(self) -> EnvelopeType | None:
        return "chorus_fact" if self.embedded is not None else recognise.type_of(self.root)


@dataclass(slots=True)
class _Item:
    """The files of one item."""

    files: list[_File] = field(default_factory=list)
    deposit: pastell.Deposit | None = None
    loose: bool = False
    """The item is one XML or PDF, not a set of files."""

    @property
    def type(self) -> EnvelopeType | None:
        if self.deposit is not None:
            return self.deposit.type
        types = {file.type for file in self.files}
        return next((kind for kind in _ORDER if kind in types), None)

    @property
    def known(self) -> frozenset[str]:
        """sha256 of the files that Pastell copied out of a pivot or a PES."""
        return frozenset(f.member.blob.sha256 for f in self.files) if self.deposit is not None else frozenset()

    def prefix(self, file: _File) -> str:
        return "" if self.loose else f"{file.member.path}/"


def assemble(raw: Path, work: Work, options: Options) -> Envelope | None:
    """Hand on the documents of an envelope, and give its type and facts; None when the file is no envelope.

    :raises LimitExceeded, XmlRefused: before anything could be said.
    """
    with raw.open("rb") as source:
        head = source.read(1024)
    name = options.name or raw.name
    members = open_container(raw, head, work, raw.stat().st_size)
    if members is None:
        item = _loose(raw, head, name, work)
    else:
        named = [Member(m.path or _without_gz(name), m.blob) for m in members]
        item = _open_nested(_classify(named, work), work)
    if item is None or item.type is None:
        return None
    kind = item.type
    facts: dict[str, Any] = {}
    with work.noting():
        facts = _DECODERS[kind](item, work, options)
    return Envelope(kind, _with_deposit(facts, item, kind, work))


def _without_gz(name: str) -> str:
    return name[:-3] if name.lower().endswith(".gz") else name


def _loose(raw: Path, head: bytes, name: str, work: Work) -> _Item | None:
    """One file by itself; it is copied only when it is an envelope."""
    root = recognise.root(raw, head)
    embedded = facturx.embedded_invoice(raw, work) if root is None and recognise.is_pdf(head) else None
    is_fields = root is not None and root[1] == "flux"
    if embedded is None and recognise.type_of(root) is None and not is_fields:
        return None
    with raw.open("rb") as source:
        member = Member(name, work.keep(source))
    deposit = pastell.read(member, root) if is_fields else None
    return _Item([_File(member, root, embedded)], deposit, loose=True)


def _classify(members: list[Member], work: Work) -> _Item:
    item = _Item()
    for member in members:
        try:
            root = recognise.root(member.blob.file, member.blob.head)
        except XmlRefused as refused:
            work.problem(f"{member.name[:100]}: {refused}")
            continue
        item.files.append(_File(member, root))
        if item.deposit is None:
            item.deposit = pastell.read(member, root)
    if item.type in (None, "chorus_fact"):
        for file in item.files:
            if file.root is None and recognise.is_pdf(file.member.blob.head):
                file.embedded = facturx.embedded_invoice(file.member.blob.file, work)
    return item


def _open_nested(item: _Item, work: Work) -> _Item:
    """Envelopes within an archive that has no file to say what it is: a lot."""
    if item.type is not None:
        return item
    members: list[Member] = []
    opened = False
    for file in item.files:
        path, blob = file.member.path, file.member.blob
        with work.entering(path, blob.size):
            inner = open_container(blob.file, blob.head, work, blob.size)
            if inner is None:
                members.append(file.member)
            else:
                opened = True
                members += [Member(f"{path}/{m.path}" if m.path else _without_gz(path), m.blob) for m in inner]
    if not opened:
        return item
    with work.entering("lot", 1 << 40):
        return _open_nested(_classify(members, work), work)


# by type ------------------------------------------------------------------------------------------


def _acte(item: _Item, work: Work, options: Options) -> dict[str, Any]:
    messages: list[actes.Message] = []
    for file in item.files:
        if file.type == "acte" and file.root is not None:
            schema.validate(file.member, file.root, work, options)
            parsed = actes.parse(file.member.blob, file.root[1], work)
            if parsed is not None:
                messages.append(actes.Message(file.member, parsed))
    others = [file.member for file in item.files if file.type != "acte"]
    facts = actes.decode(messages, others, work, item.deposit is not None)
    named = actes.links(messages)
    for file in item.files:
        if file.type == "acte":
            _emit(item, file, work, "envelope")
        else:
            _emit(item, file, work, "piece", named.get(file.member.name.casefold()))
    if not facts:  # not one message could be read
        facts = {"message": next(f.root[1] for f in item.files if f.root and f.type == "acte")} if messages else {}
    return facts


def _helios(item: _Item, work: Work, options: Options) -> dict[str, Any]:
    found: list[helios.Pes] = []
    for file in item.files:
        if file.type != "helios" or file.root is None:
            _emit(item, file, work, "piece")
            continue
        _emit(item, file, work, "envelope")
        schema.validate(file.member, file.root, work, options)
        pes = helios.read(file.member.blob.file, file.root[1], work)
        found.append(pes)
        with work.noting():
            helios.emit(pes, item.prefix(file), work, item.known)
    return helios.merge(found)


def _chorus(item: _Item, work: Work, options: Options) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    invoices: list[dict[str, Any]] = []
    flows = [file for file in item.files if file.root is not None and file.root[1].startswith("CPP")]
    for file in flows:
        assert file.root is not None
        schema.validate(file.member, file.root, work, options)
        flow = chorus.read(file.member.blob.file, file.root[1], work)
        facts = {**{key: value for key, value in flow.facts.items() if key != "factures"}, **facts}
        invoices += flow.invoices
        _emit(item, file, work, "envelope")
        with work.noting():
            chorus.emit(flow, item.prefix(file), work, item.known)
    for file in item.files:
        if file in flows:
            continue
        one = _invoice(item, file, work, options)
        if one is not None:
            facts.setdefault("racine", one.pop("racine"))
            if not any(one.get("numero") == known.get("numero") for known in invoices):
                invoices.append(one)
    return {**facts, "factures": invoices} if invoices else facts


def _invoice(item: _Item, file: _File, work: Work, options: Options) -> dict[str, Any] | None:
    """Hand on a file that is no Chorus flow; its facts (and `racine`) when it is an invoice."""
    if file.embedded is not None:
        name, blob = file.embedded
        root = recognise.root(blob.file, blob.head)
        assert root is not None
        found = invoice.read(blob.file, root[1], work)
        _emit(item, file, work, "piece", {"facture": found.facts["numero"]} if "numero" in found.facts else None)
        work.emit(name, f"{file.member.path}/{name}", blob, "envelope", _XML)
    elif recognise.is_invoice(file.root):
        root = file.root
        assert root is not None
        schema.validate(file.member, root, work, options)
        found = invoice.read(file.member.blob.file, root[1], work)
        _emit(item, file, work, "envelope")
    else:
        _emit(item, file, work, "piece")
        return None
    for number, (name_of, media_type, attached) in enumerate(found.attachments, 1):
        work.emit(name_of, f"{item.prefix(file)}PJ/{number}", attached, "piece", media_type)
    return {"racine": root[1], **found.facts}


_DECODERS = {"acte": _acte, "helios": _helios, "chorus_fact": _chorus}


def _emit(item: _Item, file: _File, work: Work, role: Any, facts: dict[str, Any] | None = None) -> None:
    """Hand on a file as it is, under the name it was sent with."""
    name, extra = file.member.name, dict(facts or {})
    if item.deposit is not None:
        if file.member is item.deposit.member:
            role = "envelope"
        known = item.deposit.field_of(name)
        if known is not None:
            extra["champ"] = known.field
            name = known.original or name
    media_type = _XML if file.root is not None else "application/octet-stream"
    with work.noting():
        work.emit(name, file.member.path, file.member.blob, role, media_type, extra)


def _with_deposit(facts: dict[str, Any], item: _Item, kind: EnvelopeType, work: Work) -> dict[str, Any]:
    """Pastell's fields where the XML says nothing; a file that they name and that is missing is a problem."""
    if item.deposit is None:
        return facts
    here = {file.member.name for file in item.files}
    for named in item.deposit.files:
        if pastell.stored_name(named.content) not in here:
            work.problem(
                _("{name} names a file that is missing: {content!r}").format(
                    name=item.deposit.member.name, content=named.content[:120]
                )
            )
    fields = item.deposit.facts(kind)
    if kind == "chorus_fact":
        first, *others = facts.get("factures") or [{}]
        merged = {**fields, **first}
        return {**facts, "factures": [merged, *others]} if merged else facts
    if kind == "acte" and fields.get("nature_code") in tables.NATURES:
        fields["nature"] = tables.NATURES[fields["nature_code"]][0]
    return {**fields, **facts}
