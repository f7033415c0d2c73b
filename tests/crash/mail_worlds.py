"""Worlds whose source is a mailbox on a real server."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Mapping
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any, ClassVar

from tests.crash.world import World

if TYPE_CHECKING:
    from tests.servers.dovecot import Dovecot

BASIC = "imap_capability = IMAP4rev1 LITERAL+ NAMESPACE UNSELECT"
OFFERS = {"everything": "", "no MOVE": f"{BASIC} UIDPLUS", "neither MOVE nor UIDPLUS": BASIC}
"""What a server can do, by name: Dovecot's own configuration."""


class ImapWorld(World):
    """A Dovecot mailbox; mails are moved when done with."""

    whole = True
    own = ("imap.create", "imap.move", "imap.store", "imap.expunge")
    after = "{action: move, to: Traité}"
    servers: Mapping[str, Dovecot] = {}
    """By what they can do; set by the tests that want them."""
    offers = "everything"

    @property
    def server(self) -> Dovecot:
        return self.servers[self.offers]

    def prepare(self) -> None:
        self.login = f"u{uuid.uuid4().hex}"
        self.box = self.server.user(self.login, "secret")
        for n in range(self.items):
            mail = EmailMessage()
            mail["From"], mail["Subject"] = "a@example.fr", f"Facture {n}"
            if n % 2:
                mail["Message-ID"] = f"<{self.random.randrange(1 << 60)}@example.fr>"
            mail.set_content("Bonjour")
            for _ in range(self.random.randrange(1, 3)):
                name, data = self.pdf()
                mail.add_attachment(data, maintype="application", subtype="pdf", filename=name)
            self.box.deliver(mail.as_bytes())
        self.box.deliver(b"Subject: no document\r\n\r\nhello\r\n")
        self.connect("imap", self.server.imaps)

    def connect(self, kind: str, port: int) -> None:
        conn = {
            "conn_type": kind, "host": "localhost", "port": port, "login": self.login, "password": "secret",
            "extra": {"ca_file": str(self.server.ca_file)},
        }  # fmt: skip
        self.env["AIRFLOW_CONN_BOX"] = json.dumps(conn)

    def source_yaml(self) -> str:
        return f"  protocol: imap\n  connection: box\n  after: {self.after}\n  rejected: {{action: delete}}\n"

    def all_acknowledged(self) -> list[str]:
        left = [f"in INBOX: {mail.data[:60]!r}" for mail in self.box.mails()]
        moved = Counter(hashlib.sha256(mail.data).hexdigest() for mail in self.box.mails("Traité"))
        if len(moved) != self.items or set(moved.values()) != {1}:
            left.append(f"moved: {sorted(moved.values())}, not {self.items} once each")
        return left


class ImapMarkWorld(ImapWorld):
    """Mails are only marked as read."""

    whole = False
    own = ("imap.store",)
    after = "{action: mark}"

    def all_acknowledged(self) -> list[str]:
        return [mail.path.name for mail in self.box.mails() if "S" not in mail.flags]


class ImapCopyWorld(ImapWorld):
    """A server without MOVE: mails are copied, then expunged one by one."""

    whole = False
    own = ("imap.copy", "imap.store", "imap.expunge")
    offers = "no MOVE"


class ImapFlagWorld(ImapCopyWorld):
    """A server that cannot remove single mails either: copied, and flagged as deleted."""

    own = ("imap.copy", "imap.store")
    offers = "neither MOVE nor UIDPLUS"

    def all_acknowledged(self) -> list[str]:
        left = [f"not flagged: {mail.data[:60]!r}" for mail in self.box.mails() if "T" not in mail.flags]
        moved = Counter(hashlib.sha256(mail.data).hexdigest() for mail in self.box.mails("Traité"))
        return left if sorted(moved.values()) == [1] * self.items else [*left, f"moved: {sorted(moved.values())}"]


class PopWorld(ImapWorld):
    """The same mails by POP3, which can only delete."""

    whole = False
    own = ("pop.dele", "pop.quit")
    after = "{action: delete}"

    def prepare(self) -> None:
        super().prepare()
        self.connect("pop", self.server.pops)

    def source_yaml(self) -> str:
        return f"  protocol: pop\n  connection: box\n  after: {self.after}\n  rejected: {self.after}\n"

    def all_acknowledged(self) -> list[str]:
        return [f"in the mailbox: {mail.data[:60]!r}" for mail in self.box.mails()]


class HeartbeatWorld(ImapWorld):
    """Claims and leases are renewed all the time."""

    whole = False
    own = ("claims.renew", "lease.renew")
    hand: ClassVar[Mapping[str, Any]] = {
        "constants": {
            "ezcold_operators.ledger.claims:HEARTBEAT_SECONDS": 0.001,
            "ezcold_operators.ledger.leases:HEARTBEAT_SECONDS": 0.001,
        }
    }
