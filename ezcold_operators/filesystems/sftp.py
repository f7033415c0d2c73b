"""A folder on an SFTP server (draft-ietf-secsh-filexfer-02 with OpenSSH's extensions).

`posix-rename@openssh.com` is rename(2); the protocol's own RENAME never replaces, but OpenSSH makes it of a link and an
unlink. `fsync@openssh.com` makes files durable where the server has it; nothing in SFTP syncs a folder, so a power
failure of the server within seconds of a rename may undo it. Times count in seconds, and there are no inodes.
Links are refused by name; unlike on a local disk, a link that replaces a folder meanwhile is the server's to guard.
"""

from __future__ import annotations

import errno
import os
import stat as modes
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any

import paramiko

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.filesystems.base import Reading, Stat, Tree
from ezcold_operators.filesystems.remote import RemoteTree
from ezcold_operators.filesystems.sftp_client import Client
from ezcold_operators.filesystems.sftp_connect import PORT, connect
from ezcold_operators.filesystems.url import Url, port_of

CHANNELS = 4
"""Copies that run at once, each in its own channel (OpenSSH takes ten sessions a connection)."""
PIECE = 1 << 18
PREFETCH = 64


def _kind(attributes: Any) -> Stat:
    mode = attributes.st_mode or 0
    size, mtime = attributes.st_size or 0, int(attributes.st_mtime or 0) * 1_000_000_000
    if modes.S_ISREG(mode):
        return Stat(size, mtime, "file")
    return Stat(size, mtime, "folder" if modes.S_ISDIR(mode) else "other")


@contextmanager
def _mapped(path: str) -> Iterator[None]:
    """paramiko's errors as those of a disk."""
    try:
        yield
    except TimeoutError:
        raise
    except OSError as exc:
        raise OSError(exc.errno or errno.EIO, exc.strerror or str(exc), path) from exc
    except (paramiko.SSHException, EOFError) as exc:
        raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET), path) from exc


class SftpReading:
    """An open file."""

    def __init__(self, file: paramiko.SFTPFile, path: str) -> None:
        self._file, self._path = file, path

    def read(self, size: int) -> bytes:
        with _mapped(self._path):
            return self._file.read(size)

    def stat(self) -> Stat:
        with _mapped(self._path):
            return _kind(self._file.stat())


class SftpTree(RemoteTree):
    """A Tree on an SFTP server."""

    workers = CHANNELS
    piece = PIECE
    atomic = True

    def __init__(self, url: Url, credentials: Credentials) -> None:
        """:raises OSError: :raises AuthenticationFailed: :raises ConfigurationError:"""
        self.root = str(url)
        self._server = (url.host, port_of(url, credentials, PORT), credentials.login)
        self._base = os.fsencode(url.path.rstrip("/"))
        self._timeout = credentials.timeout
        self._clients: SimpleQueue[Client] = SimpleQueue()
        self._transport = connect(url, credentials)
        try:
            with _mapped(self.root):
                self._client = self._channel()
            if self.stat("").kind != "folder":
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self.root)
        except BaseException:
            self._transport.close()
            raise

    def _channel(self) -> Client:
        client = Client.from_transport(self._transport)
        if client is None:
            raise OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        channel = client.get_channel()
        if channel is not None:
            channel.settimeout(self._timeout)
        return client

    def close(self) -> None:
        self._transport.close()

    def _at(self, path: str) -> Any:
        """Bytes, which paramiko passes on as they are."""
        return self._base + b"/" + os.fsencode(path) if path else self._base or b"/"

    def scan(self, folder: str) -> Iterator[tuple[str, Stat]]:
        with _mapped(folder):
            for raw, attributes in self._client.names(self._at(folder)):
                name = os.fsdecode(raw)
                if name not in {".", ".."}:
                    yield name, _kind(attributes)

    def stat(self, path: str) -> Stat:
        with _mapped(path):
            # The root itself may be a link: a person named it.
            return _kind(self._client.lstat(self._at(path)) if path else self._client.stat(self._at("")))

    @contextmanager
    def open(self, path: str) -> Iterator[Reading]:
        if self.stat(path).kind != "file":
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        with _mapped(path):
            file = self._client.open(self._at(path), "rb")
        try:
            with _mapped(path):
                size = _kind(file.stat()).size
                if size > PIECE:
                    file.prefetch(size, PREFETCH)
            yield SftpReading(file, path)
        finally:
            with suppress(OSError, EOFError, paramiko.SSHException):
                file.close()

    def write(self, path: str, chunks: Iterable[bytes], like: Stat | None = None) -> None:
        with suppress(FileNotFoundError):
            self.unlink(path)
        self._write(self._client, path, chunks)
        if like is not None:
            seconds = like.mtime_ns // 1_000_000_000
            with _mapped(path):
                self._client.utime(self._at(path), (seconds, seconds))

    def _write(self, client: Client, path: str, chunks: Iterable[bytes]) -> None:
        with _mapped(path):
            file = client.open(self._at(path), "wbx")
            try:
                with file:
                    file.set_pipelined(True)
                    size = 0
                    for chunk in chunks:
                        file.write(chunk)
                        size += len(chunk)
                    file.flush()
                    if file.stat().st_size != size:
                        raise OSError(errno.EIO, os.strerror(errno.EIO))
                    client.fsync(file)
            except BaseException:
                with suppress(OSError, EOFError, paramiko.SSHException):
                    client.remove(self._at(path))
                raise

    def _create(self, path: str, chunks: Iterable[bytes]) -> None:
        with self._borrowed() as client:
            self._write(client, path, chunks)

    @contextmanager
    def _borrowed(self) -> Iterator[Client]:
        """A client of one's own: paramiko's may not be shared by threads."""
        try:
            client = self._clients.get_nowait()
        except Empty:
            with _mapped(self.root):
                client = self._channel()
        try:
            yield client
        finally:
            self._clients.put(client)

    def rename(self, path: str, other: Tree, new: str) -> None:
        target = self._same(path, other)
        with self._borrowed() as client, _mapped(path):
            try:
                client.posix_rename(self._at(path), target._at(new))
            except OSError as exc:
                if exc.errno != errno.EOPNOTSUPP:
                    raise
                client.rename(self._at(path), target._at(new))

    def rename_new(self, path: str, other: Tree, new: str) -> None:
        target = self._same(path, other)
        try:
            with _mapped(path):
                self._client.rename(self._at(path), target._at(new))
        except OSError as exc:
            if exc.errno != errno.EIO:
                raise
            # "Failure" is all that the protocol has to say: which one?
            for there, tree in ((path, self), (new.rpartition("/")[0], target)):
                tree.stat(there)
            with suppress(FileNotFoundError):
                target.stat(new)
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new) from exc
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path) from exc

    def _same(self, path: str, other: Tree) -> SftpTree:
        if not isinstance(other, SftpTree) or other._server != self._server:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
        return other

    def unlink(self, path: str) -> None:
        with _mapped(path):
            self._client.remove(self._at(path))

    def mkdir(self, path: str) -> None:
        try:
            with _mapped(path):
                self._client.mkdir(self._at(path))
        except OSError as exc:
            if exc.errno == errno.EIO:
                with suppress(FileNotFoundError):
                    self.stat(path)
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path) from exc
            raise

    def rmdir(self, path: str) -> None:
        with _mapped(path):
            self._client.rmdir(self._at(path))

    def check_rename(self, other: Tree) -> None:
        self._same("", other)
