"""S/MIME: what was signed, compressed or encrypted comes out byte for byte, or the reason why not."""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ezcold_operators.decoding.base import Limits
from tests.decoding import builders_cms as cms
from tests.decoding.builders_cms import needs_openssl
from tests.decoding.openers import open_bytes

PDF = b"%PDF-1.7\n" + bytes(range(256)) * 300
ENTITY = (
    b'MIME-Version: 1.0\r\nContent-Type: application/pdf; name="facture.pdf"\r\n'
    b'Content-Disposition: attachment; filename="facture.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    + base64.encodebytes(PDF).replace(b"\n", b"\r\n")
)
SIGN = ("-sign", "-signer", "who.pem", "-nodetach", "-outform", "DER")
ENCRYPT = ("-encrypt", "-outform", "DER")


def test_content_in_pieces_of_indefinite_length(tmp_path: Path) -> None:
    raw = cms.signed_in_pieces([ENTITY[at : at + 1000] for at in range(0, len(ENTITY), 1000)])
    opened = open_bytes(tmp_path, raw, "smime", name="smime.p7m")
    assert opened.files == [("facture.pdf", PDF)]
    assert opened.quarantined is None


@needs_openssl
@pytest.mark.parametrize("more", [(), ("-stream",), ("-nocerts",), ("-keyid",), ("-noattr",)])
def test_signed(tmp_path: Path, more: tuple[str, ...]) -> None:
    opened = open_bytes(tmp_path, cms.cms(ENTITY, *SIGN, *more), "smime", name="smime.p7m")
    assert opened.files == [("facture.pdf", PDF)]
    assert opened.quarantined is None


@needs_openssl
@pytest.mark.parametrize(
    "wrap",
    [
        base64.encodebytes,
        lambda raw: base64.b64encode(raw),
        lambda raw: b"-----BEGIN PKCS7-----\r\n" + base64.encodebytes(raw) + b"-----END PKCS7-----\r\n",
        lambda raw: (
            b"Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(raw)
        ),
    ],
    ids=["base64", "one line", "PEM", "MIME header"],
)
def test_text_where_bytes_should_be(tmp_path: Path, wrap: object) -> None:
    raw = wrap(cms.cms(ENTITY, *SIGN, "-stream"))  # type: ignore[operator]
    opened = open_bytes(tmp_path, raw, "smime", name="smime.p7m")
    assert opened.files == [("facture.pdf", PDF)]
    assert opened.quarantined is None


@needs_openssl
def test_a_signed_file_that_is_no_mail(tmp_path: Path) -> None:
    opened = open_bytes(tmp_path, cms.cms(PDF, *SIGN), "smime", name="facture.pdf.p7m")
    assert opened.paths == {"1/facture.pdf": PDF}
    assert opened.files == [("facture.pdf", PDF)]


@needs_openssl
def test_signed_twice(tmp_path: Path) -> None:
    raw = cms.cms(cms.cms(PDF, *SIGN), *SIGN)
    assert open_bytes(tmp_path, raw, "smime", name="facture.pdf.p7m.p7m").files == [("facture.pdf", PDF)]


@needs_openssl
def test_certificates_and_detached_signatures_are_signatures(tmp_path: Path) -> None:
    detached = cms.cms(ENTITY, "-sign", "-signer", "who.pem", "-outform", "DER")
    for raw in (cms.certificates_only(), detached):
        opened = open_bytes(tmp_path, raw, "smime", name="smime.p7m")
        assert [(found.role, found.file.read_bytes()) for found in opened.documents] == [("signature", raw)]
        assert opened.quarantined is None


def test_compressed(tmp_path: Path) -> None:
    opened = open_bytes(tmp_path, cms.compressed(ENTITY), "smime", name="smime.p7z")
    assert opened.files == [("facture.pdf", PDF)]


def test_a_compressed_bomb_names_its_limit(tmp_path: Path) -> None:
    raw = cms.compressed(bytes(30_000_000))
    opened = open_bytes(tmp_path, raw, "smime", name="smime.p7z", limits=Limits(max_ratio=200))
    assert "max_ratio" in (opened.quarantined or "")
    assert opened.documents == ()


@needs_openssl
@pytest.mark.parametrize("cipher", ["-aes128", "-aes192", "-aes256", "-des3", "-aes-128-gcm", "-aes-256-gcm"])
@pytest.mark.parametrize("more", [(), ("-stream",), ("-keyid",)])
def test_encrypted_to_us(tmp_path: Path, cipher: str, more: tuple[str, ...]) -> None:
    raw = cms.cms(ENTITY, *ENCRYPT, cipher, *more, "who.pem")
    opened = open_bytes(tmp_path, raw, "smime", name="smime.p7m", smime_key_pem=cms.identity("a"))
    assert opened.files == [("facture.pdf", PDF)]
    assert opened.quarantined is None


@needs_openssl
@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha512"])
def test_encrypted_with_oaep(tmp_path: Path, digest: str) -> None:
    padding = ("-recip", "who.pem", "-keyopt", "rsa_padding_mode:oaep", "-keyopt", f"rsa_oaep_md:{digest}")
    raw = cms.cms(ENTITY, *ENCRYPT, "-aes256", *padding)
    opened = open_bytes(tmp_path, raw, "smime", name="smime.p7m", smime_key_pem=cms.identity("a"))
    assert opened.files == [("facture.pdf", PDF)]


@needs_openssl
def test_signed_then_encrypted(tmp_path: Path) -> None:
    header = b"Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\r\n"
    inner = header + b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(cms.cms(ENTITY, *SIGN))
    raw = cms.cms(inner, *ENCRYPT, "-aes256", "who.pem")
    opened = open_bytes(tmp_path, raw, "smime", name="smime.p7m", smime_key_pem=cms.identity("a"))
    assert opened.files == [("facture.pdf", PDF)]
    assert opened.quarantined is None


@needs_openssl
@pytest.mark.parametrize(
    ("who", "key", "reason"),
    [("a", "", "name a Connection"), ("b", "a", "to someone else"), ("a", "nonsense", "does not open it")],
)
def test_encrypted_to_nobody_we_are(tmp_path: Path, who: str, key: str, reason: str) -> None:
    raw = cms.cms(ENTITY, *ENCRYPT, "-aes256", "who.pem", who=who)
    pem = cms.identity(key) if key == "a" else key
    opened = open_bytes(tmp_path, raw, "smime", name="smime.p7m", smime_key_pem=pem)
    assert opened.quarantined is not None
    assert opened.quarantined.startswith("1: encrypted (S/MIME)")
    assert reason in opened.quarantined
    assert opened.files == [("smime.p7m", raw)]


@needs_openssl
@pytest.mark.parametrize("cipher", ["-aes256", "-aes-256-gcm"])
def test_changed_on_its_way(tmp_path: Path, cipher: str) -> None:
    raw = bytearray(cms.cms(ENTITY, *ENCRYPT, cipher, "who.pem"))
    raw[-40] ^= 1
    opened = open_bytes(tmp_path, bytes(raw), "smime", name="smime.p7m", smime_key_pem=cms.identity("a"))
    if cipher == "-aes-256-gcm":
        assert opened.files == [("smime.p7m", bytes(raw))]
        assert "changed on its way" in (opened.quarantined or "")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "neither CMS data nor their base64"),
        (b"hello", "neither CMS data nor their base64"),
        (b"\x30\x80", "cut off"),
        (b"\x30\x03\x02\x01\x01", "no type"),
        (cms.der(0x30, cms.oid(b"\x07\x02")), "no content"),
        (cms.der(0x30, cms.oid(b"\x07\x06"), cms.der(0xA0, b"\x30\x00")), "shared secret"),
        (cms.der(0x30, cms.oid(b"\x09\x09"), cms.der(0xA0, b"\x30\x00")), "unknown type"),
        (cms.compressed(ENTITY, b"\x09\x10\x03\x09"), "not known"),
        (b"\x30\x84\xff\xff\xff\xff" + bytes(40), "cut off"),
        (b"\x30\xff" + bytes(200), "beyond all measure"),
        (b"\x30\x80" * 5000, "cut off|no type"),
    ],
)
def test_what_cannot_be_read_is_kept_and_said(tmp_path: Path, raw: bytes, reason: str) -> None:
    opened = open_bytes(tmp_path, raw, "smime", name="smime.p7m")
    assert opened.files == [("smime.p7m", raw)]
    assert any(one in (opened.quarantined or "") for one in reason.split("|"))


def test_cut_off_anywhere_is_never_silent(tmp_path: Path) -> None:
    raw = cms.signed_in_pieces([ENTITY[:2000], ENTITY[2000:4000]])
    content_end = len(raw) - 16
    for size in range(0, content_end, 97):
        opened = open_bytes(tmp_path, raw[:size], "smime", name="smime.p7m")
        assert opened.files == [("smime.p7m", raw[:size])]
        assert opened.quarantined, size


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=8))
def test_any_content_in_any_pieces(pieces: list[bytes]) -> None:
    content = b"\xff" + b"".join(pieces)
    with tempfile.TemporaryDirectory() as folder:
        raw = cms.signed_in_pieces([b"\xff", *pieces])
        opened = open_bytes(Path(folder), raw, "smime", name="a.bin.p7m", unpack=("smime",))
        assert opened.files == [("a.bin", content)]
