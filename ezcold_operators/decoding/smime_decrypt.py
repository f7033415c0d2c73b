"""Decrypts S/MIME with the launcher's key, in pieces (RFC 5652 6, RFC 5083): RSA PKCS #1 v1.5 and OAEP, AES, 3DES.

Done on our own BER reader because `cryptography`'s PKCS #7 refuses indefinite lengths, AES-GCM and OAEP, all of which
mail programs write. Only key transport by RSA; what else a sender chose is named in the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

from ezcold_operators.i18n import _

from ..errors import Undecodable
from .ber import INTEGER, OCTETS, SET, Ber, Element

_MAX_RECIPIENTS = 5_000_000
_AES_CBC = {f"2.16.840.1.101.3.4.1.{number}" for number in (2, 22, 42)}
_AES_GCM = {f"2.16.840.1.101.3.4.1.{number}" for number in (6, 26, 46)}
_TRIPLE_DES = "1.2.840.113549.3.7"
_NAMES = {"1.2.840.113549.3.2": "RC2", "1.3.14.3.2.7": "DES", "2.16.840.1.101.3.4.1.7": "AES-CCM"}


@dataclass(frozen=True, slots=True)
class _Encrypted:
    """The fields that decryption needs."""

    recipients: bytes
    algorithm: str
    parameters: Element | None
    content: Element
    signed_attributes: bytes
    mac: bytes


def decrypted(ber: Ber, body: Element, authenticated: bool, key_pem: str) -> Iterator[bytes]:
    """The content of EnvelopedData or AuthEnvelopedData.

    :raises Undecodable: no key, another's key, an algorithm that is not known, or damage (while read).
    """
    if not key_pem:
        raise Undecodable(
            _("encrypted (S/MIME): name a Connection with the recipient's key in the launcher to open it")
        )
    found = _fields(ber, body, authenticated)
    try:
        secret = _content_key(found.recipients, key_pem)
        if authenticated:
            return _gcm(ber, found, secret)
        return _cbc(ber, found, secret)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Undecodable(
            _("encrypted (S/MIME): the configured key does not open it ({error})").format(error=type(error).__name__)
        ) from error


def _fields(ber: Ber, body: Element, authenticated: bool) -> _Encrypted:
    parts = list(ber.children(body))
    at = next((number for number, part in enumerate(parts) if part.tag == SET), None)
    if at is None or at + 1 >= len(parts):
        raise Undecodable(_("the encrypted S/MIME part lacks its recipients"))
    inner = list(ber.children(parts[at + 1]))
    if len(inner) < 3 or not inner[2].is_context(0):
        raise Undecodable(_("the encrypted S/MIME part has no content"))
    algorithm = list(ber.children(inner[1]))
    rest = parts[at + 2 :] if authenticated else []
    mac = next((ber.value(part, 64) for part in rest if part.tag == OCTETS), b"")
    attributes = next((ber.raw(part, 1_000_000) for part in rest if part.is_context(1)), b"")
    return _Encrypted(
        recipients=ber.raw(parts[at], _MAX_RECIPIENTS),
        algorithm=ber.oid(algorithm[0]) if algorithm else "",
        parameters=algorithm[1] if len(algorithm) > 1 else None,
        content=inner[2],
        # What is authenticated is the set itself, not its implicit tag (RFC 5083 2.2).
        signed_attributes=bytes([SET]) + attributes[1:] if attributes else b"",
        mac=mac,
    )


def _content_key(recipients: bytes, key_pem: str) -> bytes:
    cms: Any = import_module("asn1crypto.cms")  # 70 ms, needed only here
    raw = key_pem.encode()
    key = serialization.load_pem_private_key(raw, password=None)
    if not isinstance(key, RSAPrivateKey):
        raise Undecodable(_("encrypted (S/MIME): only RSA keys can open it, and the configured key is none"))
    certificates = x509.load_pem_x509_certificates(raw) if b"BEGIN CERTIFICATE" in raw else []
    for recipient in cms.RecipientInfos.load(recipients):
        if recipient.name == "ktri" and _is_ours(recipient.chosen["rid"], certificates):
            return _unwrap(key, recipient.chosen)
    raise Undecodable(_("encrypted (S/MIME) to someone else: the configured key is not among its recipients"))


def _is_ours(identifier: Any, certificates: list[x509.Certificate]) -> bool:
    """Whether a recipient is one of our certificates; without certificates every recipient is tried as ours."""
    if not certificates:
        return True
    if identifier.name == "issuer_and_serial_number":
        wanted = identifier.chosen["serial_number"].native
        issuer = identifier.chosen["issuer"].dump()
        return any(one.serial_number == wanted and one.issuer.public_bytes() == issuer for one in certificates) or any(
            one.serial_number == wanted for one in certificates
        )
    wanted_key = identifier.chosen.native
    return any(_key_identifier(one) == wanted_key for one in certificates)


def _key_identifier(certificate: x509.Certificate) -> bytes:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest


def _unwrap(key: RSAPrivateKey, recipient: Any) -> bytes:
    algorithm = recipient["key_encryption_algorithm"]
    wrapped = recipient["encrypted_key"].native
    kind = algorithm["algorithm"].native
    if kind in ("rsaes_pkcs1v15", "rsa"):
        return key.decrypt(wrapped, rsa_padding.PKCS1v15())
    if kind != "rsaes_oaep":
        raise Undecodable(_("encrypted (S/MIME) by {kind}, which cannot be opened here").format(kind=kind))
    parameters = algorithm["parameters"]
    digest = _hash(parameters["hash_algorithm"]["algorithm"].native)
    mask = _hash(parameters["mask_gen_algorithm"]["parameters"]["algorithm"].native)
    return key.decrypt(wrapped, rsa_padding.OAEP(rsa_padding.MGF1(mask), digest, label=None))


def _hash(name: str) -> hashes.HashAlgorithm:
    known: dict[str, hashes.HashAlgorithm] = {
        "sha1": hashes.SHA1(),  # noqa: S303 - what RFC 8017 takes where nothing is said
        "sha256": hashes.SHA256(),
        "sha384": hashes.SHA384(),
        "sha512": hashes.SHA512(),
    }
    if name not in known:
        raise Undecodable(_("encrypted (S/MIME) with {name}, which cannot be opened here").format(name=name))
    return known[name]


def _unknown(found: _Encrypted) -> Undecodable:
    name = _NAMES.get(found.algorithm, found.algorithm)
    return Undecodable(_("encrypted (S/MIME) by {name}, which cannot be opened here").format(name=name))


def _cbc(ber: Ber, found: _Encrypted, secret: bytes) -> Iterator[bytes]:
    if found.algorithm in _AES_CBC:
        cipher: Any = algorithms.AES(secret)
    elif found.algorithm == _TRIPLE_DES:
        from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES

        cipher = TripleDES(secret)
    else:
        raise _unknown(found)
    if found.parameters is None:
        raise Undecodable(_("the encrypted S/MIME part has no initial vector"))
    context = Cipher(cipher, modes.CBC(ber.value(found.parameters, 64))).decryptor()
    return _unpadded(context, ber.octets(found.content), cipher.block_size)


def _unpadded(context: CipherContext, pieces: Iterator[bytes], block_bits: int) -> Iterator[bytes]:
    unpadder = padding.PKCS7(block_bits).unpadder()
    try:
        for piece in pieces:
            yield unpadder.update(context.update(piece))
        yield unpadder.update(context.finalize()) + unpadder.finalize()
    except ValueError as error:
        raise Undecodable(_("encrypted (S/MIME): it is damaged, or the configured key is not its key")) from error


def _gcm(ber: Ber, found: _Encrypted, secret: bytes) -> Iterator[bytes]:
    if found.algorithm not in _AES_GCM or found.parameters is None:
        raise _unknown(found)
    fields = list(ber.children(found.parameters))
    nonce = ber.value(fields[0], 64) if fields else b""
    length = next((int.from_bytes(ber.value(one, 4), "big") for one in fields if one.tag == INTEGER), 12)
    mode = modes.GCM(nonce, found.mac[:length], min_tag_length=min(length, 16))
    context = Cipher(algorithms.AES(secret), mode).decryptor()
    context.authenticate_additional_data(found.signed_attributes)

    def pieces() -> Iterator[bytes]:
        try:
            for piece in ber.octets(found.content):
                yield context.update(piece)
            yield context.finalize()
        except InvalidTag as error:
            raise Undecodable(_("encrypted (S/MIME): it was changed on its way, or the key is not its key")) from error

    return pieces()
