"""A folder on an SMB share (MS-SMB2), signed always, encrypted where the server or the Connection's `encrypt` says so.

A rename never replaces and is one effect, as NTFS does it; FLUSH makes a file durable. Every smbclient call is given
the port and this tree's own connection (left out, the library dials 445 and shares sessions of the whole process).
Times count in microseconds here: a listing has them no finer.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import smbclient  # type: ignore[import-untyped]
from smbclient._io import SMBFileTransaction, query_info  # type: ignore[import-untyped]
from smbprotocol.exceptions import (  # type: ignore[import-untyped]
    AccessDenied,
    LogonFailure,
    SMBAuthenticationError,
    SMBException,
    SMBOSError,
    SMBResponseException,
)
from smbprotocol.file_info import (  # type: ignore[import-untyped]
    FileAttributes,
    FileBasicInformation,
    FileInternalInformation,
    FileStandardInformation,
)
from smbprotocol.structure import DateTimeField  # type: ignore[import-untyped]

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.errors import AuthenticationFailed, ConfigurationError
from ezcold_operators.filesystems.base import Reading, Stat, Tree
from ezcold_operators.filesystems.remote import RemoteTree
from ezcold_operators.filesystems.url import Url, port_of
from ezcold_operators.i18n import _

PORT = 445
THREADS = 8
"""Copies that run at once on one connection."""
PIECE = 1 << 20
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ERRNO = {  # MS-ERREF 2.3.1, where smbprotocol has none or another
    0xC0000034: errno.ENOENT,  # OBJECT_NAME_NOT_FOUND
    0xC000003A: errno.ENOENT,  # OBJECT_PATH_NOT_FOUND
    0xC0000056: errno.ENOENT,  # DELETE_PENDING
    0xC00000CC: errno.ENOENT,  # BAD_NETWORK_NAME
    0xC0000103: errno.ENOTDIR,  # NOT_A_DIRECTORY
    0xC0000035: errno.EEXIST,  # OBJECT_NAME_COLLISION
    0xC0000043: errno.EBUSY,  # SHARING_VIOLATION: another program has it open
    0xC0000054: errno.EBUSY,  # FILE_LOCK_CONFLICT
    0xC000007F: errno.ENOSPC,  # DISK_FULL
    0xC0000044: errno.EDQUOT,  # QUOTA_EXCEEDED
    0xC00000A2: errno.EROFS,  # MEDIA_WRITE_PROTECTED
    0xC00000D4: errno.EXDEV,  # NOT_SAME_DEVICE
    0xC0000022: errno.EACCES,  # ACCESS_DENIED
    0xC0000101: errno.ENOTEMPTY,  # DIRECTORY_NOT_EMPTY
}
_REFUSED = {
    0xC000006D,  # LOGON_FAILURE
    0xC000006E,  # ACCOUNT_RESTRICTION
    0xC0000071,  # PASSWORD_EXPIRED
    0xC0000072,  # ACCOUNT_DISABLED
    0xC0000234,  # ACCOUNT_LOCKED_OUT
}


@contextmanager
def _mapped(path: str) -> Iterator[None]:
    """smbprotocol's errors as those of a disk."""
    try:
        yield
    except SMBOSError as exc:
        code = _ERRNO.get(exc.ntstatus, exc.errno or errno.EIO)
        raise OSError(code, os.strerror(code), path) from exc
    except SMBResponseException as exc:
        code = _ERRNO.get(exc.status, errno.EIO)
        raise OSError(code, os.strerror(code), path) from exc
    except SMBException as exc:
        raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET), path) from exc
    except ValueError as exc:  # "Failed to connect to ..."; also rename across shares, which we never ask for
        raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED), path) from exc


def _stat(size: int, mtime_ns: int, changed_ns: int, attributes: int, file_id: int) -> Stat:
    identity = str(file_id) if file_id else ""
    mtime_ns, changed_ns = mtime_ns // 1000 * 1000, changed_ns // 1000 * 1000
    if attributes & FileAttributes.FILE_ATTRIBUTE_REPARSE_POINT:
        return Stat(size, mtime_ns, "other", identity, changed_ns)
    kind = bool(attributes & FileAttributes.FILE_ATTRIBUTE_DIRECTORY)
    return Stat(size, mtime_ns, "folder" if kind else "file", identity, changed_ns)


def _nanoseconds(when: datetime) -> int:
    return ((when if when.tzinfo else when.replace(tzinfo=UTC)) - EPOCH) // _MICROSECOND * 1000


class SmbReading:
    """An open file."""

    def __init__(self, file: Any, path: str) -> None:
        self._file, self._path = file, path

    def read(self, size: int) -> bytes:
        with _mapped(self._path):
            data: bytes = self._file.read(size)
            return data

    def stat(self) -> Stat:
        with _mapped(self._path), SMBFileTransaction(self._file) as transaction:
            for kind in (FileBasicInformation, FileStandardInformation, FileInternalInformation):
                query_info(transaction, kind)
        basic, standard, internal = transaction.results

        def when(name: str) -> int:
            return int(basic[name].get_value() - DateTimeField.EPOCH_FILETIME) * 100

        attributes = int(basic["file_attributes"].get_value())
        size, number = int(standard["end_of_file"].get_value()), int(internal["index_number"].get_value())
        return _stat(size, when("last_write_time"), when("change_time"), attributes, number)


class SmbTree(RemoteTree):
    """A Tree on an SMB share."""

    workers = THREADS
    atomic = True

    def __init__(self, url: Url, credentials: Credentials) -> None:
        """:raises OSError: :raises AuthenticationFailed: :raises ConfigurationError:"""
        self.root = str(url)
        share, _slash, below = url.path[1:].partition("/")
        if not share:
            raise ConfigurationError(_("{url} names no share: write smb://host/share/folder").format(url=url))
        port = port_of(url, credentials, PORT)
        self._share = (url.host, port, share.lower())
        self._base = f"\\\\{url.host}\\{share}" + "".join(f"\\{name}" for name in below.split("/") if name)
        self._options: dict[str, Any] = {
            "port": port,
            "connection_cache": {},
            "connection_timeout": credentials.timeout,
        }
        self._log_in(url, port, credentials)
        try:
            if self.stat("").kind == "file":
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self.root)
        except BaseException:
            self.close()
            raise

    def _log_in(self, url: Url, port: int, credentials: Credentials) -> None:
        login, domain = credentials.login, credentials.extra.get("domain")
        user = f"{domain}\\{login}" if domain and login else login or None
        try:
            with _mapped(self.root):
                session = smbclient.register_session(
                    url.host,
                    username=user,
                    password=credentials.password or None,
                    encrypt=True if credentials.extra.get("encrypt") else None,
                    **self._options,
                )
                # After this silence the library asks for an echo, and after as much again it gives the server up.
                session.connection._receive_timeout = credentials.timeout
        except OSError as exc:
            self.close()
            cause = exc.__cause__
            refused = isinstance(cause, LogonFailure | SMBAuthenticationError | AccessDenied)
            if refused or (isinstance(cause, SMBResponseException) and cause.status in _REFUSED):
                raise AuthenticationFailed(
                    _("{host} refused the login {login}: check the Connection {conn_id}").format(
                        host=url.host, login=login, conn_id=credentials.conn_id
                    )
                ) from None
            raise

    def __repr__(self) -> str:
        return f"SmbTree({self.root!r})"

    def close(self) -> None:
        with suppress(SMBException, OSError, ValueError):
            smbclient.reset_connection_cache(fail_on_error=False, connection_cache=self._options["connection_cache"])

    def _at(self, path: str) -> str:
        return f"{self._base}\\{path.replace('/', chr(92))}" if path else self._base

    def scan(self, folder: str) -> Iterator[tuple[str, Stat]]:
        with _mapped(folder), smbclient.scandir(self._at(folder), **self._options) as entries:
            for entry in entries:
                info = entry.smb_info
                times = _nanoseconds(info.last_write_time), _nanoseconds(info.change_time)
                yield entry.name, _stat(info.end_of_file, *times, info.file_attributes, info.file_id)

    def stat(self, path: str) -> Stat:
        with _mapped(path):
            found = smbclient.stat(self._at(path), follow_symlinks=not path, **self._options)
        attributes = found.st_file_attributes
        return _stat(found.st_size, found.st_mtime_ns, found.st_chgtime_ns, attributes, found.st_ino)

    @contextmanager
    def open(self, path: str) -> Iterator[Reading]:
        if self.stat(path).kind != "file":
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        with _mapped(path):
            file = smbclient.open_file(
                self._at(path), mode="rb", buffering=0, share_access="rwd", file_type="file", **self._options
            )
        try:
            yield SmbReading(file, path)
        finally:
            with suppress(SMBException, OSError):
                file.close()

    def write(self, path: str, chunks: Iterable[bytes], like: Stat | None = None) -> None:
        with suppress(FileNotFoundError):
            self.unlink(path)
        self._create(path, chunks)
        if like is not None:
            with _mapped(path):
                smbclient.utime(self._at(path), ns=(like.mtime_ns, like.mtime_ns), **self._options)

    def _create(self, path: str, chunks: Iterable[bytes]) -> None:
        with _mapped(path):
            file = smbclient.open_file(self._at(path), mode="xb", buffering=0, file_type="file", **self._options)
            try:
                try:
                    for chunk in chunks:
                        view = memoryview(chunk)
                        while view:
                            view = view[file.write(view) :]
                    file.fd.flush()
                finally:
                    file.close()
            except BaseException:
                with suppress(SMBException, OSError):
                    smbclient.remove(self._at(path), **self._options)
                raise

    def rename(self, path: str, other: Tree, new: str) -> None:
        self.rename_new(path, other, new)

    def rename_new(self, path: str, other: Tree, new: str) -> None:
        target = self._same(path, other)
        with _mapped(path):
            smbclient.rename(self._at(path), target._at(new), **self._options)

    def _same(self, path: str, other: Tree) -> SmbTree:
        if not isinstance(other, SmbTree) or other._share != self._share:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
        return other

    def unlink(self, path: str) -> None:
        with _mapped(path):
            smbclient.remove(self._at(path), **self._options)

    def mkdir(self, path: str) -> None:
        with _mapped(path):
            smbclient.mkdir(self._at(path), **self._options)

    def rmdir(self, path: str) -> None:
        with _mapped(path):
            smbclient.rmdir(self._at(path), **self._options)

    def check_rename(self, other: Tree) -> None:
        self._same(self.root, other)
