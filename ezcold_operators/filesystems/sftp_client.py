"""paramiko's SFTP client, with errors as errnos, names as bytes, and OpenSSH's fsync."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import paramiko
from paramiko.sftp import (
    CMD_CLOSE,
    CMD_EXTENDED,
    CMD_HANDLE,
    CMD_NAME,
    CMD_OPENDIR,
    CMD_READDIR,
    SFTP_EOF,
    SFTP_NO_SUCH_FILE,
    SFTP_OK,
    SFTP_OP_UNSUPPORTED,
    SFTP_PERMISSION_DENIED,
)

_ERRNO = {SFTP_NO_SUCH_FILE: errno.ENOENT, SFTP_PERMISSION_DENIED: errno.EACCES, SFTP_OP_UNSUPPORTED: errno.EOPNOTSUPP}


class Client(paramiko.SFTPClient):
    """Keeps what the server said as an errno, and names as bytes."""

    _request: Callable[..., tuple[int, paramiko.Message]]
    """paramiko's own, which its stubs leave out."""

    def _convert_status(self, msg: paramiko.Message) -> None:
        code, text = msg.get_int(), msg.get_binary().decode("utf-8", "replace")
        if code == SFTP_OK:
            return
        if code == SFTP_EOF:
            raise EOFError(text)
        raise OSError(_ERRNO.get(code, errno.EIO), text)

    def names(self, path: bytes) -> Iterator[tuple[bytes, paramiko.SFTPAttributes]]:
        """A folder's entries; paramiko's own listing fails on names that are not UTF-8."""
        kind, msg = self._request(CMD_OPENDIR, path)
        if kind != CMD_HANDLE:
            raise OSError(errno.EIO, "no handle")
        handle = msg.get_binary()
        try:
            while True:
                try:
                    kind, msg = self._request(CMD_READDIR, handle)
                except EOFError:
                    return
                if kind != CMD_NAME:
                    raise OSError(errno.EIO, "no names")
                for _entry in range(msg.get_int()):
                    name = msg.get_binary()
                    msg.get_binary()
                    yield name, _attributes(msg)
        finally:
            with suppress(OSError, EOFError, paramiko.SSHException):
                self._request(CMD_CLOSE, handle)

    def fsync(self, file: paramiko.SFTPFile) -> None:
        """Make a file durable, where the server can."""
        try:
            self._request(CMD_EXTENDED, "fsync@openssh.com", file.handle)
        except OSError as exc:
            if exc.errno != errno.EOPNOTSUPP:
                raise


def _attributes(msg: paramiko.Message) -> Any:
    kind: Any = paramiko.SFTPAttributes
    return kind._from_msg(msg)
