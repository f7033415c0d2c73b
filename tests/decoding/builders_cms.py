"""CMS made by the openssl command, as mail programs send it, and by hand where openssl would not write it."""

from __future__ import annotations

import shutil
import subprocess
import zlib
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

OPENSSL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="skipped: no openssl command")


def _run(*arguments: str, folder: Path, data: bytes = b"") -> bytes:
    assert OPENSSL is not None
    return subprocess.run([OPENSSL, *arguments], cwd=folder, input=data, capture_output=True, check=True).stdout


@cache
def identity(name: str) -> str:
    """Private key and certificate of somebody, PEM."""
    with TemporaryDirectory() as folder:
        make = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "k.pem", "-out", "c.pem", "-days", "2")
        _run(*make, "-subj", f"/CN={name}", folder=Path(folder))
        return (Path(folder) / "k.pem").read_text() + (Path(folder) / "c.pem").read_text()


def cms(data: bytes, *arguments: str, who: str = "a") -> bytes:
    """`openssl cms` over `data`, with the identity in who.pem."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "who.pem").write_text(identity(who))
        (folder / "in").write_bytes(data)
        _run("cms", "-binary", "-in", "in", "-out", "out", *arguments, folder=folder)
        return (folder / "out").read_bytes()


def certificates_only(who: str = "a") -> bytes:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "who.pem").write_text(identity(who))
        return _run("crl2pkcs7", "-nocrl", "-certfile", "who.pem", "-outform", "DER", folder=folder)


def der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    if len(body) < 128:
        return bytes([tag, len(body)]) + body
    size = len(body).to_bytes(4, "big")
    return bytes([tag, 0x84]) + size + body


def oid(last: bytes) -> bytes:
    return der(0x06, b"\x2a\x86\x48\x86\xf7\x0d\x01" + last)


def compressed(data: bytes, algorithm: bytes = b"\x09\x10\x03\x08") -> bytes:
    """CompressedData (RFC 3274)."""
    content = der(0x30, oid(b"\x07\x01"), der(0xA0, der(0x04, zlib.compress(data))))
    body = der(0x30, der(0x02, b"\0"), der(0x30, oid(algorithm)), content)
    return der(0x30, oid(b"\x09\x10\x01\x09"), der(0xA0, body))


def signed_in_pieces(pieces: list[bytes]) -> bytes:
    """SignedData of indefinite lengths, its content in pieces, the pieces of pieces too."""
    halves = [b"\x24\x80" + der(4, one[: len(one) // 2]) + der(4, one[len(one) // 2 :]) + b"\0\0" for one in pieces]
    content = b"\x24\x80" + b"".join(halves) + b"\0\0"
    inner = b"\x30\x80" + oid(b"\x07\x01") + b"\xa0\x80" + content + b"\0\0\0\0"
    body = b"\x30\x80" + der(2, b"\1") + der(0x31) + inner + der(0x31) + b"\0\0"
    return b"\x30\x80" + oid(b"\x07\x02") + b"\xa0\x80" + body + b"\0\0\0\0"
