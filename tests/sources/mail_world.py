"""A Dovecot mailbox as a World of the source contract; IMAP and POP3 look at the same Maildir."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from typing import Any

from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import After, Launcher
from tests.contracts.source import SECRET, World
from tests.servers.dovecot import Dovecot, Mailbox, free_port

TARGET = "Traité/Été 2026"


def mail(number: int, payload: bytes = b"", subject: str = "") -> bytes:
    """A plain mail, lines ended by CRLF; `payload` goes in as it is, but for NUL and lone CR and LF."""
    body = payload.replace(b"\0", b"0").replace(b"\r\n", b"\n").replace(b"\r", b"?").replace(b"\n", b"\r\n")
    head = f"From: anna@example.org\r\nTo: ged@example.org\r\nSubject: {subject or f'Facture {number}'}\r\n"
    return f"{head}Message-ID: <{number}@example.org>\r\n\r\n".encode() + body


def launcher(**source: Any) -> Launcher:
    """A launcher with this source."""
    return Launcher.model_validate(
        {
            "launcher": "test",
            "source": {"connection": "test_mail"} | source,
            "routes": [{"extensions": ["*"], "send_to": ["one"]}],
        }
    )


class MailWorld(World):
    """INBOX of a fresh user."""

    def __init__(self, server: Dovecot, box: Mailbox) -> None:
        self.server, self.box = server, box
        self.labels: dict[str, str] = {}
        self._silent = socket.create_server(("127.0.0.1", 0))

    def item(self, number: int, payload: bytes = b"") -> bytes:
        return mail(number, payload)

    def put(self, name: str, data: bytes) -> None:
        self.labels[name] = self.box.deliver(data)

    def vanish(self, name: str) -> None:
        self.box.remove(self.labels[name])

    def replace(self, name: str, data: bytes) -> None:
        self.server.quiet(self.box.login)
        self.vanish(name)
        self.put(name, data)
        uidlist = self.box.root / "dovecot-uidlist"
        head, *lines = uidlist.read_text().splitlines()
        self.box.lose_index()
        uidlist.write_text("\n".join([head, lines[0].split(" :")[0] + f" :{self.labels[name]}"]) + "\n")
        os.utime(uidlist)

    def renumber(self) -> bool:
        self.server.quiet(self.box.login)
        self.box.edit_uids(validity=self.box.validity() + 1000)
        return True

    def contents(self) -> list[bytes]:
        return [m.data for m in self.box.mails() if "T" not in m.flags]

    def moved(self) -> list[bytes]:
        return [m.data for m in self.box.mails(TARGET)]

    def marked(self) -> list[bytes]:
        return [m.data for m in self.box.mails() if "S" in m.flags]

    def snapshot(self) -> Any:
        return sorted((m.path.name.partition(":")[0].partition(",")[0], m.flags, m.data) for m in self.box.mails())

    def after(self, action: str) -> After:
        return After(action="move", to=TARGET) if action == "move" else After.model_validate({"action": action})

    def hard(self) -> Iterable[tuple[bytes, bytes]]:
        for raw, _ in super().hard():
            yield raw, raw
        bare = self.item(903) + b"one\ntwo\n.\n"
        yield bare, bare.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")

    def port(self) -> int:
        raise NotImplementedError

    def credentials(self, **changes: Any) -> Credentials:
        values: dict[str, Any] = {
            "conn_id": "test_mail",
            "host": "localhost",
            "port": self.port(),
            "login": self.box.login,
            "password": self.box.password,
            "extra": {"ca_file": str(self.server.ca_file)},
        }
        return Credentials(**(values | changes))

    def wrong_password(self) -> Credentials:
        return self.credentials(password=SECRET)

    def dead(self) -> Credentials:
        return self.credentials(port=free_port())

    def silent(self) -> Credentials:
        port = self._silent.getsockname()[1]
        return self.credentials(port=port, extra={"timeout": 1, "security": "none"})
