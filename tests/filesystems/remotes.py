"""Folders behind real servers, for the tests of everything that works on a Tree."""

from __future__ import annotations

import dataclasses
import socket
import tempfile
from pathlib import Path

from ezcold_operators.config.credentials import Credentials
from tests.contracts.source import SECRET
from tests.servers.samba import Samba
from tests.servers.sshd import Sshd


class Remote:
    """A new folder behind a server, which the test also sees as a local one. The port stands in the Connection."""

    def __init__(self, server: Sshd | Samba) -> None:
        self.server = server
        self.folder = Path(tempfile.mkdtemp(dir=server.share if isinstance(server, Samba) else server.run))
        self._silent: socket.socket | None = None

    def url(self, path: Path) -> str:
        return self.server.url(path).replace(f":{self.server.port}", "", 1)

    def _meant(self, credentials: Credentials, port: int, timeout: float = 30) -> Credentials:
        extra = {**credentials.extra, "timeout": timeout}
        return dataclasses.replace(credentials, host="127.0.0.1", port=port, extra=extra)

    def credentials(self) -> Credentials:
        return self._meant(self.server.credentials(), self.server.port)

    def wrong(self) -> Credentials:
        """SECRET, which is refused."""
        wrong = self.server.credentials(SECRET + "no") if isinstance(self.server, Samba) else self.server.wrong(SECRET)
        return self._meant(wrong, self.server.port)

    def dead(self) -> Credentials:
        """Nothing listens there."""
        return self._meant(self.server.credentials(), 1)

    def silent(self) -> Credentials:
        """It accepts, and says nothing."""
        self._silent = socket.create_server(("127.0.0.1", 0))
        return self._meant(self.server.credentials(), self._silent.getsockname()[1], timeout=1)

    def close(self) -> None:
        if self._silent is not None:
            self._silent.close()
