"""XML from strangers: no DOCTYPE, no entities, no network, no XInclude; bounded depth and size; streamed.

A target parser sees start, text and end events and builds no tree (lxml, "The target parser interface"), so a text node
of hundreds of megabytes passes in pieces. Only the elements asked for become `Node`s.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ezcold_operators.decoding.adullact.encoding import corrected, override
from ezcold_operators.i18n import _

_READ = 1 << 16
_MAX_DEPTH = 100
_MAX_NODES = 200_000
_MAX_TEXT = 1_000_000
_MAX_SILENCE = 4 << 20
"""Bytes fed without any event: one attribute, name or comment of more than 4 MB is no envelope's."""


class XmlRefused(Exception):
    """The document uses what no envelope needs (DOCTYPE, absurd depth or size); the text says what."""


class XmlBroken(Exception):
    """The document is not well formed, or cut short; the text says where."""


class Sink(Protocol):
    """Takes the text of one element in pieces."""

    def text(self, piece: str) -> None: ...

    def end(self) -> None: ...


@dataclass(slots=True)
class Node:
    """An element by its local name; attributes by theirs (prefixes vary from one producer to the next)."""

    name: str
    namespace: str
    attributes: dict[str, str]
    children: list[Node] = field(default_factory=list)
    text: str = ""
    path: tuple[str, ...] = ()
    sink: Any = None

    def all(self, path: str) -> list[Node]:
        """Descendants by a path of local names, in document order."""
        found = [self]
        for name in path.split("/"):
            found = [child for node in found for child in node.children if child.name == name]
        return found

    def first(self, *paths: str) -> Node | None:
        for path in paths:
            for node in self.all(path):
                return node
        return None

    def value(self, *paths: str) -> str | None:
        """Trimmed text of the first path that has any."""
        return next((n.text.strip() for path in paths for n in self.all(path) if n.text.strip()), None)

    def v(self, *paths: str) -> str | None:
        """Trimmed @V of the first path that has any (PES)."""
        found = (n.attributes.get("V", "").strip() for path in paths for n in self.all(path))
        return next((value for value in found if value), None)

    def attribute(self, name: str) -> str | None:
        return self.attributes.get(name, "").strip() or None

    def walk(self) -> Iterator[Node]:
        """This node and all below, in document order."""
        yield self
        for child in self.children:
            yield from child.walk()


def split(tag: str) -> tuple[str, str]:
    """(namespace, local name) of a name in Clark notation."""
    if tag.startswith("{"):
        namespace, _other, local = tag[1:].partition("}")
        return namespace, local
    return "", tag


class _Target:
    """Receives the parser's events; keeps only what was asked for."""

    def __init__(
        self,
        keep: Mapping[str, Callable[[Node], None]],
        sink: Callable[[tuple[str, ...], Mapping[str, str]], Sink | None] | None,
        entered: Callable[[tuple[str, ...], Mapping[str, str]], None] | None,
        root_only: bool = False,
    ) -> None:
        self.keep, self.sink, self.entered, self.root_only = keep, sink, entered, root_only
        self.root: tuple[str, str] | None = None
        self.doctype_name: str | None = None
        self.events = 0
        self.path: list[str] = []
        self.nodes: list[Node | None] = []
        self.sinks: list[Sink | None] = []
        self.count = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self.events += 1
        namespace, local = split(tag)
        if self.root is None:
            self.root = (namespace, local)
            if self.root_only:
                raise _RootSeen
        self.path.append(local)
        if len(self.path) > _MAX_DEPTH:
            raise XmlRefused(_("XML nested deeper than {max_depth} elements is refused").format(max_depth=_MAX_DEPTH))
        attrs = {split(key)[1]: value for key, value in attributes.items()}
        path = tuple(self.path)
        if self.entered is not None:
            self.entered(path, attrs)
        sink = self.sink(path, attrs) if self.sink is not None else None
        self.sinks.append(sink)
        parent = self.nodes[-1] if self.nodes else None
        if parent is None and local not in self.keep:
            self.nodes.append(None)
            return
        self.count = 1 if parent is None else self.count + 1
        if self.count > _MAX_NODES:
            raise XmlRefused(_("one element holds more than {max_nodes} others: refused").format(max_nodes=_MAX_NODES))
        node = Node(local, namespace, attrs, path=path, sink=sink)
        if parent is not None:
            parent.children.append(node)
        self.nodes.append(node)

    def data(self, piece: str) -> None:
        self.events += 1
        sink = self.sinks[-1] if self.sinks else None
        if sink is not None:
            sink.text(piece)
            return
        node = self.nodes[-1] if self.nodes else None
        if node is not None:
            if len(node.text) + len(piece) > _MAX_TEXT:
                raise XmlRefused(_("a value of more than {max_text} characters is refused").format(max_text=_MAX_TEXT))
            node.text += piece

    def end(self, tag: str) -> None:
        self.events += 1
        sink, node, local = self.sinks.pop(), self.nodes.pop(), self.path.pop()
        if sink is not None:
            sink.end()
        if node is not None and local in self.keep:
            self.keep[local](node)

    def comment(self, text: str) -> None:
        self.events += 1

    def pi(self, target: str, text: str | None = None) -> None:
        self.events += 1

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        self.doctype_name = name
        raise XmlRefused(_("XML with a DOCTYPE (entities, external files) is refused: no envelope has one"))

    def close(self) -> None:
        return None


class _RootSeen(Exception):
    """Stops the parser once the root is known."""


def _feed(file: Path, target: _Target, encoding: str | None, limit: int | None = None) -> None:
    from lxml import etree

    parser = etree.XMLParser(
        target=target,  # type: ignore[arg-type]
        encoding=encoding,
        huge_tree=True,
        # &amp; and its like only: no other can be declared without the DOCTYPE, which is refused
        resolve_entities="internal",  # type: ignore[arg-type]
        no_network=True,
        load_dtd=False,
        attribute_defaults=False,
        dtd_validation=False,
    )
    seen, silent = target.events, 0
    read = 0
    try:
        with file.open("rb") as source:
            while data := source.read(_READ):
                if encoding is not None and not read:
                    parser.feed(corrected(data, encoding))
                else:
                    parser.feed(data)
                silent = silent + len(data) if target.events == seen else 0
                seen = target.events
                if silent > _MAX_SILENCE:
                    raise XmlRefused(_("one name, attribute or comment of more than 4 MB is refused"))
                read += len(data)
                if limit is not None and read >= limit:
                    return
        parser.close()
    except etree.XMLSyntaxError as error:
        raise XmlBroken(_("XML not well formed: {msg}").format(msg=_short(error.msg))) from None
    except (LookupError, UnicodeError, ValueError) as error:
        raise XmlBroken(_("XML not readable: {error}").format(error=_short(str(error)))) from None


def _short(text: str | None) -> str:
    """The parser's message without the document's own text beyond a few words."""
    return re.sub(r"\s+", " ", text or "unknown error")[:120]


def read(
    file: Path,
    keep: Mapping[str, Callable[[Node], None]],
    sink: Callable[[tuple[str, ...], Mapping[str, str]], Sink | None] | None = None,
    entered: Callable[[tuple[str, ...], Mapping[str, str]], None] | None = None,
) -> None:
    """Read a document once, in constant memory.

    :param keep: by local name, what receives the finished element (within another kept one too).
    :param sink: who takes the text of an element in pieces, or None; asked at each start.
    :param entered: told of each element's path and attributes at its start.
    :raises XmlRefused, XmlBroken: what was read until then has been given.
    """
    _feed(file, _Target(keep, sink, entered), override(file))


def root_of(file: Path) -> tuple[str, str] | None:
    """(namespace, local name) of the root, or None if this is no XML.

    :raises XmlRefused: a DOCTYPE stands before the root (HTML excepted, which is no XML envelope: None).
    """
    target = _Target({}, None, None, root_only=True)
    try:
        _feed(file, target, override(file, 1 << 20), limit=1 << 20)
    except (_RootSeen, XmlBroken):
        return target.root
    except XmlRefused:
        if target.doctype_name is not None and target.doctype_name.lower() in ("html", "svg"):
            return None
        raise
    return target.root
