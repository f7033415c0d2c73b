"""Archives of every kind, right and wrong."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable

Files = list[tuple[str, bytes]]


def zipped(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", method) as archive:
        warnings.simplefilter("ignore")  # a name twice is what some tests want
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return out.getvalue()


def tarred(files: Files, form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def tar_special(kind: bytes) -> bytes:
    """A tar with a file, then something that is no file, then a file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in ("a.txt", "special", "b.txt"):
            info = tarfile.TarInfo(name)
            if name == "special":
                info.type, info.linkname = kind, "/etc/passwd"
            info.size = 0 if name == "special" else 1
            archive.addfile(info, io.BytesIO(b"x"))
    return out.getvalue()


def sevenzipped(files: Files, password: str | None = None, hidden: bool = False) -> bytes:
    import py7zr

    out = io.BytesIO()
    with py7zr.SevenZipFile(out, "w", password=password, header_encryption=hidden) as archive:
        for name, data in files:
            archive.writestr(data, name)
    return out.getvalue()


def aes_zipped(files: Files, password: bytes) -> bytes:
    import pyzipper

    out = io.BytesIO()
    with pyzipper.AESZipFile(out, "w", compression=pyzipper.ZIP_DEFLATED, encryption=pyzipper.WZ_AES) as archive:
        archive.setpassword(password)
        for name, data in files:
            archive.writestr(name, data)
    return out.getvalue()


def legacy_zipped(name: bytes, data: bytes, password: bytes) -> bytes:
    """A zip under PKWARE's traditional encryption (APPNOTE 6.1), one stored member."""
    checksum = zipfile.crc32(data)  # type: ignore[attr-defined]
    keys = [0x12345678, 0x23456789, 0x34567890]

    def crc(value: int, byte: int) -> int:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
        return value

    def update(byte: int) -> None:
        keys[0] = crc(keys[0], byte)
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = crc(keys[2], keys[1] >> 24)

    for byte in password:
        update(byte)
    hidden = bytearray()
    for byte in bytes(11) + bytes([checksum >> 24]) + data:
        mask = (keys[2] | 2) & 0xFFFF
        hidden.append(byte ^ (mask * (mask ^ 1) >> 8 & 0xFF))
        update(byte)
    return raw_zip(name, bytes(hidden), checksum, len(data), flags=1)


def raw_zip(
    name: bytes, stored: bytes, checksum: int, size: int, flags: int = 0, method: int = 0, extra: bytes = b""
) -> bytes:
    """A zip of one member, every field as told."""
    common = struct.pack("<HHHHHIIIHH", 20, flags, method, 0, 33, checksum, len(stored), size, len(name), len(extra))
    local = b"PK\3\4" + common + name + extra + stored
    central = b"PK\1\2" + struct.pack("<H", 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name + extra
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)
    return local + central + end


def zip_special(mode: int, data: bytes = b"/etc/passwd") -> bytes:
    """A zip made on Unix, whose one member has these mode bits."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("special")
        info.create_system, info.external_attr = 3, mode << 16
        archive.writestr(info, data)
    return out.getvalue()


KINDS: dict[str, Callable[[Files], bytes]] = {
    "zip": zipped,
    "zip stored": lambda files: zipped(files, zipfile.ZIP_STORED),
    "zip bzip2": lambda files: zipped(files, zipfile.ZIP_BZIP2),
    "zip lzma": lambda files: zipped(files, zipfile.ZIP_LZMA),
    "tar pax": tarred,
    "tar gnu": lambda files: tarred(files, tarfile.GNU_FORMAT),
    "tar.gz": lambda files: gzip.compress(tarred(files)),
    "tar.bz2": lambda files: bz2.compress(tarred(files)),
    "tar.xz": lambda files: lzma.compress(tarred(files)),
    "7z": sevenzipped,
}
