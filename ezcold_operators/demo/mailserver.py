"""The demo's IMAP server: pymap, in memory, on a free port of this machine, filled with mails.mails()."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from time import monotonic, sleep

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

from ezcold_operators.demo.mails import mails
from ezcold_operators.demo.processes import Processes, free_port

USER, PASSWORD = "factures", "demo"


class MailServer:
    """Runs below the demo's processes, and ends with them."""

    def __init__(self, processes: Processes) -> None:
        self.port = free_port(1143)
        program = shutil.which("pymap", path=str(Path(sys.executable).parent)) or "pymap"
        where = ["--host", "127.0.0.1", "--port", str(self.port), "--no-tls"]
        who = ["--demo-user", USER, "--demo-password", PASSWORD]
        processes.start("mailserver", [program, *where, "dict", *who])

    @property
    def connection(self) -> str:
        """The Connection's JSON, as AIRFLOW_CONN_<ID> takes it."""
        return json.dumps(
            {
                "conn_type": "imap",
                "host": "127.0.0.1",
                "port": self.port,
                "login": USER,
                "password": PASSWORD,
                "extra": {"security": "none"},
            }
        )

    def fill(self) -> int:
        """Put the mails into INBOX; how many."""
        with self._login() as client:
            count = 0
            for content in mails():
                client.append("INBOX", content)
                count += 1
        return count

    def _login(self) -> IMAPClient:
        deadline = monotonic() + 20
        while True:
            try:
                client = IMAPClient("127.0.0.1", self.port, ssl=False, timeout=10)
                client.login(USER, PASSWORD)
                return client
            except (OSError, IMAPClientError):
                if monotonic() > deadline:
                    raise
                sleep(0.1)

    def folders(self) -> dict[str, int]:
        """How many mails each folder holds."""
        with self._login() as client:
            names = [name for _flags, _delimiter, name in client.list_folders()]
            return {name: int(client.folder_status(name, ["MESSAGES"])[b"MESSAGES"]) for name in names}
