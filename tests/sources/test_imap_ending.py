"""How a server ends the connection, and that a person is told why in the server's own words: a BYE among the bytes of
a mail, between answers, instead of a greeting, before a reset; or no word at all."""

from __future__ import annotations

import imaplib
import select
import socket
from contextlib import suppress

import pytest

from ezcold_operators.errors import ItemFailed, SourceUnavailable
from ezcold_operators.sources.imap_read import PROOF
from tests.contracts.source import bodies, digests, listing
from tests.servers.dovecot import Dovecot, Mailbox
from tests.servers.proxy import Faults, Proxy
from tests.sources.mail_world import mail
from tests.sources.test_imap import NewUser, imap, plain

pytestmark = pytest.mark.dovecot
GOING = b"* BYE [UNAVAILABLE] Maintenance until 14:00\r\n"
SAID = "ended the connection ([UNAVAILABLE] Maintenance until 14:00)"
ADVICE = ": the next run takes the rest; if this comes again, ask whoever runs the server"
FETCH = rb"BODY\.PEEK\[\]"


def filled(box: Mailbox) -> list[str]:
    for number in range(6):
        box.deliver(mail(number, b"z" * 20_000))
    return digests(m.data for m in box.mails())


def first_answer(server: Dovecot, box: Mailbox) -> int:
    """Bytes of the answer to the FETCH of mails, up to the end of the first mail's literal."""
    with imaplib.IMAP4("127.0.0.1", server.imap) as client:
        client.login(box.login, box.password)
        client.select("INBOX", readonly=True)
        parts = client.uid("FETCH", "1", f"({PROOF} BODY.PEEK[])")[1]
        return len("* ") + sum(len(part[0]) + len("\r\n") + len(part[1]) for part in parts if isinstance(part, tuple))


@pytest.mark.parametrize(
    ("lead", "from_end"),
    [(lead, at) for lead in (b"", b"\r\n") for at in (-15_000, -len(lead + GOING), -10, -1, 0)] + [(b"", len(")\r\n"))],
)
def test_a_bye_in_and_around_a_literal(dovecot: Dovecot, new_user: NewUser, lead: bytes, from_end: int) -> None:
    """In its middle, as its last bytes so that the count is full, partly in it, right behind it, between answers; in
    mid-line and on a line of its own."""
    box = new_user()
    expected = filled(box)
    with Proxy("127.0.0.1", dovecot.imap) as proxy:
        credentials = plain(dovecot, box, proxy.port)
        with imap().open(credentials) as session:
            items = listing(session)
        after_bytes = first_answer(dovecot, box) + from_end
        proxy.faults = Faults(cut_after_bytes=after_bytes, cut_armed_by=FETCH, last_words=lead + GOING)
        with imap().open(credentials) as session:
            session._connection.select(b"INBOX")
            with pytest.raises(SourceUnavailable) as caught:
                session._connection.fetch("1:6", f"{PROOF} BODY.PEEK[]")
        assert str(caught.value) == f"localhost:{proxy.port} {SAID}{ADVICE}"
        proxy.faults.times = 1  # the same session goes on over a new connection
        with imap().open(credentials) as session:
            assert digests(bodies(session, items)) == expected
    assert digests(m.data for m in box.mails()) == expected


@pytest.mark.parametrize("reset", [False, True], ids=["end", "reset"])
@pytest.mark.parametrize("last", [GOING, b""], ids=["BYE", "no word"])
def test_a_server_that_goes_each_time_is_told_and_is_not_the_mails_fault(
    dovecot: Dovecot, new_user: NewUser, last: bytes, reset: bool
) -> None:
    box = new_user()
    expected = filled(box)
    with Proxy("127.0.0.1", dovecot.imap) as proxy:
        credentials = plain(dovecot, box, proxy.port)
        with imap().open(credentials) as session:
            items = listing(session)
        proxy.faults = Faults(cut_after_bytes=300, cut_armed_by=FETCH, last_words=last, reset=reset, times=99)
        with imap().open(credentials) as session, pytest.raises(SourceUnavailable) as caught:
            bodies(session, items)
        said = SAID if last else "ended the connection without a word"
        assert str(caught.value) == f"localhost:{proxy.port} {said}{ADVICE}"
        proxy.faults.times = 0
        with imap().open(credentials) as session:
            assert digests(bodies(session, items)) == expected


@pytest.mark.parametrize("reset", [False, True], ids=["end", "reset"])
def test_a_bye_while_nothing_is_asked(dovecot: Dovecot, new_user: NewUser, reset: bool) -> None:
    box = new_user()
    expected = filled(box)
    faults = Faults(times=0, last_words=GOING, reset=reset)
    with Proxy("127.0.0.1", dovecot.imap, faults=faults) as proxy:
        with imap().open(plain(dovecot, box, proxy.port)) as session:
            proxy.hang_up()
            line = select.poll()
            line.register(session._connection._imap.sock, select.POLLHUP if reset else select.POLLRDHUP)
            assert line.poll(10_000)  # the end has come before the next command goes
            with pytest.raises(SourceUnavailable) as caught:
                listing(session)
        assert str(caught.value) == f"localhost:{proxy.port} {SAID}{ADVICE}"
        with imap().open(plain(dovecot, box, proxy.port)) as session:
            items = listing(session)
            proxy.hang_up()
            assert digests(bodies(session, items)) == expected


class Dying(Proxy):
    """A server that is gone for good after its first fault."""

    def take_fault(self) -> bool:
        used = super().take_fault()
        if used:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
        return used


@pytest.mark.parametrize(
    ("last", "said"), [(GOING, f"{SAID}{ADVICE}"), (b"", "refuses connections")], ids=["BYE", "no word"]
)
def test_why_it_went_is_told_rather_than_that_it_is_gone(
    dovecot: Dovecot, new_user: NewUser, last: bytes, said: str
) -> None:
    box = new_user()
    filled(box)
    with Dying("127.0.0.1", dovecot.imap) as proxy:
        with imap().open(plain(dovecot, box, proxy.port)) as session:
            items = listing(session)
            proxy.faults = Faults(cut_after_bytes=300, cut_armed_by=FETCH, last_words=last)
            with pytest.raises(SourceUnavailable) as caught:
                bodies(session, items)
        assert said in str(caught.value)


def test_a_bye_at_one_mail_only_is_the_mails_and_its_neighbours_come(dovecot: Dovecot, new_user: NewUser) -> None:
    box = new_user()
    filled(box)
    with Proxy("127.0.0.1", dovecot.imap) as proxy, imap().open(plain(dovecot, box, proxy.port)) as session:
        items = listing(session)
        with_third = rb"UID FETCH (1:6|1:3|2:3|3) .*BODY\.PEEK\[\]"
        proxy.faults = Faults(cut_after_bytes=300, cut_armed_by=with_third, last_words=GOING, times=99)
        found: list[bytes | str] = []
        for taken in session.read(items):
            try:
                found.append(b"".join(taken.chunks or ()))
            except ItemFailed as exc:
                found.append(str(exc))
        expected: list[bytes | str] = [m.data for m in box.mails()]
        expected[2] = f"the server cannot give the mail with UID 3: localhost:{proxy.port} {SAID}"
        assert found == expected


def test_a_bye_instead_of_a_greeting(dovecot: Dovecot, new_user: NewUser) -> None:
    box = new_user()
    faults = Faults(cut_after_bytes=0, last_words=GOING)
    with Proxy("127.0.0.1", dovecot.imap, faults=faults) as proxy:
        with pytest.raises(SourceUnavailable) as caught, imap().open(plain(dovecot, box, proxy.port)):
            pass
        assert str(caught.value) == f"localhost:{proxy.port} {SAID}{ADVICE}"
        with imap().open(plain(dovecot, box, proxy.port)) as session:
            assert listing(session) == []


def test_a_mail_that_quotes_a_bye_is_a_mail(dovecot: Dovecot, new_user: NewUser) -> None:
    box = new_user()
    box.deliver(mail(1, b"S: * BYE see you\r\n" + GOING))
    with Proxy("127.0.0.1", dovecot.imap) as proxy, imap().open(plain(dovecot, box, proxy.port)) as session:
        items = listing(session)
        assert bodies(session, items) == [mail(1, b"S: * BYE see you\r\n" + GOING)]
        proxy.faults = Faults(cut_before_command=FETCH, times=99)
        with pytest.raises(SourceUnavailable, match="without a word"):
            bodies(session, items)
