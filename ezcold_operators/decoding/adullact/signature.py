"""Whether a PES is still what was signed: digests and signature value of its XAdES blocks (XML Signature 1.1, 3.2).

Certificates are not judged (who signed, until when, by whose authority): that is the receiver's to say. What cannot be
computed here (other transforms, other algorithms, a wrong encoding, a file over 10 MB) is not judged either.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ezcold_operators.decoding.adullact.encoding import override
from ezcold_operators.decoding.adullact.xml import Node
from ezcold_operators.i18n import _

MAX_BYTES = 10_000_000
"""Canonical XML needs the whole document in memory."""
_MAX_IDS = 500_000
"""Beyond it, references of signatures are not looked up: memory stays bounded."""
_IDS = ("Id", "ID", "id")
_DS = "{http://www.w3.org/2000/09/xmldsig#}"
_ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
_DIGESTS = {
    "http://www.w3.org/2000/09/xmldsig#sha1": "sha1",
    "http://www.w3.org/2001/04/xmlenc#sha256": "sha256",
    "http://www.w3.org/2001/04/xmlenc#sha512": "sha512",
}
_SIGNATURES = {
    "http://www.w3.org/2000/09/xmldsig#rsa-sha1": "SHA1",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256": "SHA256",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512": "SHA512",
}
_DEFAULT = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
_CANONICAL = {
    "http://www.w3.org/2001/10/xml-exc-c14n#": (True, False),
    "http://www.w3.org/2001/10/xml-exc-c14n#WithComments": (True, True),
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315": (False, False),
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments": (False, True),
}
"""Algorithm -> (exclusive, with comments)."""


class Blocks:
    """The signature blocks that a file shows while it is streamed, and the ids that they may refer to."""

    def __init__(self) -> None:
        self.count = 0
        self._ids: set[str] = set()
        self._uris: list[str] = []

    def identified(self, attributes: Mapping[str, str]) -> None:
        """Note an element's id."""
        for key in _IDS:
            if key in attributes and len(self._ids) < _MAX_IDS:
                self._ids.add(attributes[key])

    def met(self, block: Node) -> Iterator[str]:
        """Note a Signature element; what is wrong with it at first sight."""
        self.count += 1
        value = next((node for node in block.walk() if node.name == "SignatureValue"), None)
        if _bytes(value.text if value is not None else "") is None:
            yield _("signature {signatures}: its SignatureValue is missing or no base64").format(signatures=self.count)
        for reference in (node for node in block.walk() if node.name == "Reference"):
            uri = reference.attribute("URI")
            if uri is not None and uri.startswith("#") and not uri.startswith("#xpointer("):
                self._uris.append(uri[1:])

    def forget(self) -> None:
        """The file broke off: what is referred to may stand in the rest."""
        self._uris.clear()

    def dangling(self) -> Iterator[str]:
        """One sentence for each reference to what the whole file does not hold."""
        for uri in self._uris:
            if uri not in self._ids and len(self._ids) < _MAX_IDS:
                yield _("a signature refers to #{uri}, which the file does not hold").format(uri=uri[:60])


def problems(file: Path) -> Iterator[str]:
    """One sentence for each signature that what stands in the file contradicts.

    :param file: a document that was read before, so that it is known to have no DOCTYPE.
    """
    if file.stat().st_size > MAX_BYTES or override(file) is not None:
        return
    from lxml import etree

    parser = etree.XMLParser(
        no_network=True,
        load_dtd=False,
        huge_tree=True,
        resolve_entities="internal",  # type: ignore[arg-type]
    )
    try:
        tree: Any = etree.parse(str(file), parser)
    except etree.XMLSyntaxError:
        return  # signed by whoever reads it otherwise: not judged
    targets = _targets(tree)
    for number, signature in enumerate(tree.iter(f"{_DS}Signature"), 1):
        for reference in signature.findall(f"{_DS}SignedInfo/{_DS}Reference"):
            if _holds(reference, signature, tree, targets) is False:
                uri = reference.get("URI") or "the file"
                yield _("signature {number}: what it signs ({uri}) was changed after signing").format(
                    number=number, uri=uri[:60]
                )
        if _value_holds(signature) is False:
            yield _("signature {number}: its SignatureValue does not belong to what it signs").format(number=number)


def _targets(tree: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for element in tree.iter():
        for key in _IDS:
            if isinstance(element.tag, str) and key in element.attrib:
                found.setdefault(element.get(key), element)
    return found


def _holds(reference: Any, signature: Any, tree: Any, targets: dict[str, Any]) -> bool | None:
    """Whether the digest is that of its target; None when that cannot be computed here."""
    uri = reference.get("URI")
    target = tree.getroot() if uri == "" else targets.get((uri or "").removeprefix("#"))
    transforms = [node.get("Algorithm") for node in reference.iter(f"{_DS}Transform")]
    method = reference.find(f"{_DS}DigestMethod")
    algorithm = _DIGESTS.get(method.get("Algorithm")) if method is not None else None
    stated = _bytes(reference.findtext(f"{_DS}DigestValue"))
    known = all(transform == _ENVELOPED or transform in _CANONICAL for transform in transforms)
    has_parameters = any(len(node) for node in reference.iter(f"{_DS}Transform"))
    if target is None or algorithm is None or stated is None or not known or has_parameters:
        return None
    canonical = next((transform for transform in reversed(transforms) if transform in _CANONICAL), _DEFAULT)
    if _ENVELOPED in transforms:
        with _without(signature):
            data = _canonical(target, canonical)
    else:
        data = _canonical(target, canonical)
    return hashlib.new(algorithm, data, usedforsecurity=False).digest() == stated


def _canonical(element: Any, algorithm: str) -> bytes:
    from lxml import etree

    exclusive, comments = _CANONICAL[algorithm]
    data: bytes = etree.tostring(element, method="c14n", exclusive=exclusive, with_comments=comments)
    return data


@contextmanager
def _without(signature: Any) -> Iterator[None]:
    """The document as it was when the signature was not yet in it."""
    parent, before, tail = signature.getparent(), signature.getprevious(), signature.tail
    place = parent.index(signature)
    text = (before.tail if before is not None else parent.text) or ""
    parent.remove(signature)
    signature.tail = None
    _set_text(parent, before, text + (tail or ""))
    try:
        yield
    finally:
        _set_text(parent, before, text)
        parent.insert(place, signature)
        signature.tail = tail


def _set_text(parent: Any, before: Any, text: str) -> None:
    if before is not None:
        before.tail = text
    else:
        parent.text = text


def _value_holds(signature: Any) -> bool | None:
    """Whether the certificate's key made the value; None when that cannot be computed here."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.x509 import load_der_x509_certificate

    info = signature.find(f"{_DS}SignedInfo")
    value = _bytes(signature.findtext(f"{_DS}SignatureValue"))
    certificates = [_bytes(node.text) for node in signature.iter(f"{_DS}X509Certificate")]
    if info is None or value is None or len(certificates) != 1 or certificates[0] is None:
        return None
    method, canonical = (_algorithm(info, name) for name in ("SignatureMethod", "CanonicalizationMethod"))
    if method not in _SIGNATURES or canonical not in _CANONICAL:
        return None
    try:
        key = load_der_x509_certificate(certificates[0]).public_key()
    except ValueError:
        return None
    if not isinstance(key, rsa.RSAPublicKey):
        return None
    digest = getattr(hashes, _SIGNATURES[method])()
    try:
        key.verify(value, _canonical(info, canonical), padding.PKCS1v15(), digest)
    except InvalidSignature:
        return False
    return True


def _algorithm(info: Any, name: str) -> str:
    node = info.find(f"{_DS}{name}")
    return str(node.get("Algorithm")) if node is not None else ""


def _bytes(text: str | None) -> bytes | None:
    try:
        return base64.b64decode("".join((text or "").split()), validate=True) or None
    except (binascii.Error, ValueError):
        return None
