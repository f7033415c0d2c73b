"""A PES signed by us: in order it passes, changed afterwards it is named."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from lxml import etree

from tests.decoding.adullact import corpus
from tests.decoding.adullact.opening import must_open, opened

EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
DS = "http://www.w3.org/2000/09/xmldsig#"
SIGNATURE = f"""<ds:Signature xmlns:ds="{DS}"><ds:SignedInfo>
<ds:CanonicalizationMethod Algorithm="{{c14n}}"/>
<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>
<ds:Reference URI="{{uri}}"><ds:Transforms><ds:Transform Algorithm="{DS}enveloped-signature"/>
<ds:Transform Algorithm="{{c14n}}"/></ds:Transforms>
<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue>{{digest}}</ds:DigestValue>
</ds:Reference></ds:SignedInfo><ds:SignatureValue/>
<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{{certificate}}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>
</ds:Signature>"""


@pytest.fixture(scope="module")
def signer() -> tuple[rsa.RSAPrivateKey, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Ordonnateur d'essai")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now - timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return key, base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()


def signed(signer: tuple[rsa.RSAPrivateKey, str], uri: str, c14n: str) -> bytes:
    """A PES whose bordereau (or whole) is signed as parapheurs do: enveloped, in its own element."""
    key, certificate = signer
    exclusive = c14n == EXCLUSIVE
    root = etree.fromstring(corpus.pes_depense())
    target = root if uri == "" else next(e for e in root.iter() if e.get("Id") == uri[1:])
    digest = hashlib.sha256(etree.tostring(target, method="c14n", exclusive=exclusive)).digest()
    text = SIGNATURE.format(c14n=c14n, uri=uri, digest=base64.b64encode(digest).decode(), certificate=certificate)
    target.append(etree.fromstring(text))
    info = next(root.iter(f"{{{DS}}}SignedInfo"))
    value = key.sign(etree.tostring(info, method="c14n", exclusive=exclusive), padding.PKCS1v15(), hashes.SHA256())
    next(root.iter(f"{{{DS}}}SignatureValue")).text = base64.b64encode(value).decode()
    return etree.tostring(root, encoding="ISO-8859-1")


WAYS = [("#B58", EXCLUSIVE), ("#B58", INCLUSIVE), ("", EXCLUSIVE), ("#PES1", INCLUSIVE)]


@pytest.mark.parametrize(("uri", "c14n"), WAYS)
def test_a_signature_in_order_passes_though_its_certificate_has_expired(signer, uri: str, c14n: str) -> None:
    assert must_open(signed(signer, uri, c14n)).metadata["signatures"] == 1


@pytest.mark.parametrize(("uri", "c14n"), WAYS)
def test_a_changed_amount_is_named(signer, uri: str, c14n: str) -> None:
    found = opened(signed(signer, uri, c14n).replace(b"1520.40", b"9520.40"))
    assert found is not None
    assert found.quarantined == f"signature 1: what it signs ({uri or 'the file'}) was changed after signing"
    assert len(found.pieces) == 1


def test_a_changed_signature_is_named(signer) -> None:
    raw = signed(signer, "#B58", EXCLUSIVE)
    place = raw.index(b"<ds:SignatureValue>") + 30
    other = b"A" if raw[place : place + 1] != b"A" else b"B"
    found = opened(raw[:place] + other + raw[place + 1 :])
    assert found is not None
    assert found.quarantined == "signature 1: its SignatureValue does not belong to what it signs"


def test_what_lies_outside_of_what_was_signed_may_change(signer) -> None:
    raw = signed(signer, "#B58", EXCLUSIVE).replace(b'<DteStr V="2024-02-29"/>', b'<DteStr V="2024-03-01"/>')
    assert must_open(raw).metadata["dte_str"] == "2024-03-01"
