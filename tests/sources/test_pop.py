"""What POP3 has beyond the contract: servers that can do less, sub-sessions, lost answers, bytes of any shape."""

from __future__ import annotations

import datetime as dt
import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ezcold_operators import sources
from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import After, SourceConfig
from ezcold_operators.errors import AuthenticationFailed, ConfigurationError, ItemFailed, SourceUnavailable
from ezcold_operators.sources.base import Listed, Source, Window
from ezcold_operators.sources.pop import PopSource
from ezcold_operators.sources.pop_wire import Wire
from ezcold_operators.steps import observe
from tests.contracts.source import SECRET, SourceContract, World, acknowledge, bodies, digests, listing
from tests.servers.dovecot import Dovecot, Mailbox
from tests.servers.proxy import Faults, Proxy
from tests.sources.mail_world import launcher
from tests.sources.test_pop_contract import PopWorld

pytestmark = pytest.mark.dovecot
NewUser = Callable[..., Mailbox]
DELETE = After(action="delete")
NO_UIDL = rb"^(?:CAPA|UIDL|TOP .*)\r\n"
NO_TOP = rb"^(?:CAPA|TOP .*)\r\n"


def pop() -> Source:
    return sources.create(launcher(protocol="pop", after={"action": "delete"}))


def login(server: Dovecot, box: Mailbox, port: int | None = None, **extra: object) -> Credentials:
    extras = {"ca_file": str(server.ca_file), "timeout": 10} | extra
    return Credentials("c", "localhost", port or server.pops, box.login, box.password, "", extras)


def plain(server: Dovecot, box: Mailbox, port: int | None = None) -> Credentials:
    return login(server, box, port or server.pop, security="none")


def mail(number: int, body: bytes = b"text") -> bytes:
    return f"Subject: mail {number}\r\nMessage-ID: <{number}@x>\r\n\r\n".encode() + body + b"\r\n"


def filled(server: Dovecot, box: Mailbox, count: int = 10, size: int = 20_000) -> list[Listed]:
    for number in range(count):
        box.deliver(mail(number, b"z" * size))
    with pop().open(login(server, box)) as session:
        return listing(session)


class LesserWorld(PopWorld):
    """A server that knows none of the commands in `lacks`: Dovecot behind a proxy that refuses them."""

    def __init__(self, server: Dovecot, box: Mailbox, lacks: bytes) -> None:
        super().__init__(server, box)
        faults = Faults(answer=(lacks, b"-ERR unknown command"), times=1_000_000)
        self.proxy = Proxy("127.0.0.1", server.pop, faults=faults)
        self.proxy.__enter__()

    def port(self) -> int:
        return self.proxy.port

    def credentials(self, **changes: object) -> Credentials:
        return super().credentials(**({"extra": {"security": "none"}} | changes))


class TestWithoutTop(SourceContract):
    @pytest.fixture
    def world(self, dovecot: Dovecot, new_user: NewUser) -> Iterator[World]:
        world = LesserWorld(dovecot, new_user(), NO_TOP)
        yield world
        world.proxy.__exit__()


class TestWithoutUidl(SourceContract):
    @pytest.fixture
    def world(self, dovecot: Dovecot, new_user: NewUser) -> Iterator[World]:
        world = LesserWorld(dovecot, new_user(), NO_UIDL)
        world.native_ids = False  # the content is the id
        world.renumber = lambda: False  # type: ignore[method-assign]
        yield world
        world.proxy.__exit__()

    def test_twins_are_two(self, world: World) -> None:
        for name in ("a", "b"):
            world.put(name, world.item(1))
        with world.source().open(world.credentials()) as session:
            items = listing(session)
            assert len({item.key for item in items}) == 2
            assert bodies(session, items) == [world.item(1)] * 2
            assert set(acknowledge(session, items, DELETE).values()) == {"done"}
        assert world.contents() == []


class TestSessions:
    def test_deleting_is_committed_every_hundred(self, dovecot: Dovecot, new_user: NewUser) -> None:
        box = new_user()
        items = filled(dovecot, box, 230, 100)
        with Proxy("127.0.0.1", dovecot.pop) as proxy:
            with pop().open(plain(dovecot, box, proxy.port)) as session:
                assert set(acknowledge(session, items, DELETE).values()) == {"done"}
            assert proxy.connections == 3
            assert proxy.received.count(b"DELE ") == 230
        assert box.mails() == []

    @pytest.mark.parametrize("moment", ["before", "after"])
    @pytest.mark.parametrize("effect", ["pop.dele", "pop.quit"])
    def test_an_end_at_any_step_loses_nothing(
        self, dovecot: Dovecot, new_user: NewUser, effect: str, moment: str
    ) -> None:
        box = new_user()
        items = filled(dovecot, box)

        def stop(name: str, when: str) -> None:
            if (name, when) == (effect, moment):
                raise KeyboardInterrupt

        observe(stop)
        try:
            with pytest.raises(KeyboardInterrupt), pop().open(login(dovecot, box)) as session:
                acknowledge(session, items[:4], DELETE)
        finally:
            observe(None)
        committed = (effect, moment) == ("pop.quit", "after")
        assert len(box.mails()) == (6 if committed else 10)
        with pop().open(login(dovecot, box)) as session:
            assert set(acknowledge(session, items[:4], DELETE).values()) == {"gone" if committed else "done"}
        assert len(box.mails()) == 6

    @pytest.mark.parametrize("lost", ["before", "after"])
    @pytest.mark.parametrize("command", [rb"DELE", rb"QUIT"])
    def test_a_lost_answer_is_settled_by_the_next_uidl(
        self, dovecot: Dovecot, new_user: NewUser, command: bytes, lost: str
    ) -> None:
        box = new_user()
        items = filled(dovecot, box)
        cut = {"cut_before_command": command} if lost == "before" else {"cut_after_command": command}
        states: set[str] = set()
        with Proxy("127.0.0.1", dovecot.pop, faults=Faults(**cut)) as proxy:  # type: ignore[arg-type]
            for _ in range(3):
                try:
                    with pop().open(plain(dovecot, box, proxy.port)) as session:
                        states = set(acknowledge(session, items[:4], DELETE).values())
                        break
                except SourceUnavailable:
                    continue
        if command == b"QUIT":
            assert states == ({"done"} if lost == "after" else {"failed"})
        with pop().open(login(dovecot, box)) as session:
            assert set(acknowledge(session, items[:4], DELETE).values()) <= {"done", "gone"}
            assert len(listing(session)) == 6
        assert digests(m.data for m in box.mails()) == digests(mail(n, b"z" * 20_000) for n in range(4, 10))

    def test_a_mailbox_in_use_is_tried_again(self) -> None:
        with Dovecot(extra="pop3_lock_session = yes") as server:
            box = server.user("anna", "pw")
            box.deliver(mail(1))
            with pop().open(login(server, box)) as session:
                assert len(listing(session)) == 1
                with pytest.raises(SourceUnavailable), pop().open(login(server, box, timeout=200)):
                    pass
            with pop().open(login(server, box)) as session:
                assert len(listing(session)) == 1

    def test_reading_can_be_broken_off(self, dovecot: Dovecot, new_user: NewUser) -> None:
        box = new_user()
        items = filled(dovecot, box, 100)
        with pop().open(login(dovecot, box)) as session:
            for taken in itertools.islice(session.read(items), 3):
                assert taken.chunks is not None
                next(taken.chunks)
            assert bodies(session, items[50:52]) == [mail(n, b"z" * 20_000) for n in (50, 51)]

    def test_quit_is_said_only_if_what_was_downloaded_was_read(self, dovecot: Dovecot, new_user: NewUser) -> None:
        """Gmail hides what was downloaded in a session that ended with QUIT."""
        box = new_user()
        items = filled(dovecot, box, 3)
        for wanted, said in ((3, True), (2, True), (None, False)):
            with Proxy("127.0.0.1", dovecot.pop) as proxy:
                with pop().open(plain(dovecot, box, proxy.port)) as session:
                    if wanted is None:
                        next(iter(session.read(items)))
                    else:
                        assert len(bodies(session, items[:wanted])) == wanted
                assert (b"QUIT" in proxy.received) == said


class TestBadNetwork:
    @pytest.mark.parametrize("after_bytes", [0, 3, 30_000, 100_000])
    def test_a_cut_in_the_middle_of_a_mail(self, dovecot: Dovecot, new_user: NewUser, after_bytes: int) -> None:
        box = new_user()
        items = filled(dovecot, box, 30)
        with Proxy("127.0.0.1", dovecot.pop) as proxy:
            for times in (1, 99):
                proxy.faults = Faults(cut_after_bytes=after_bytes, cut_armed_by=rb"RETR", times=times)
                with pop().open(plain(dovecot, box, proxy.port)) as session:
                    if times == 1 or after_bytes > 20_000:
                        assert None not in bodies(session, items)
                    else:
                        with pytest.raises(SourceUnavailable):
                            bodies(session, items)

    @pytest.mark.parametrize("command", [rb"USER", rb"PASS", rb"CAPA", rb"LIST", rb"UIDL", rb"TOP"])
    def test_a_cut_anywhere_is_source_unavailable(self, dovecot: Dovecot, new_user: NewUser, command: bytes) -> None:
        box = new_user()
        filled(dovecot, box)
        with Proxy("127.0.0.1", dovecot.pop, faults=Faults(cut_before_command=command)) as proxy:
            with pytest.raises(SourceUnavailable), pop().open(plain(dovecot, box, proxy.port)) as session:
                listing(session)

    @pytest.mark.parametrize(
        ("words", "error"),
        [
            (b"-ERR [IN-USE] Do you have another POP session running?", SourceUnavailable),
            (b"-ERR [SYS/TEMP] Temporary problem", SourceUnavailable),
            (b"-ERR [LOGIN-DELAY] minimum time between mail checks violation", SourceUnavailable),
            (b"-ERR [AUTH] Username and password not accepted, account locked", AuthenticationFailed),
            (b"-ERR no", AuthenticationFailed),
        ],
    )
    def test_what_a_refusal_means(
        self, dovecot: Dovecot, new_user: NewUser, words: bytes, error: type[Exception]
    ) -> None:
        box = new_user(SECRET)
        with Proxy("127.0.0.1", dovecot.pop, faults=Faults(answer=(rb"PASS", words))) as proxy:
            with pytest.raises(error) as caught, pop().open(plain(dovecot, box, proxy.port)):
                pass
        assert SECRET not in str(caught.value)

    def test_a_mail_that_the_server_refuses_blocks_nobody(self, dovecot: Dovecot, new_user: NewUser) -> None:
        box = new_user()
        items = filled(dovecot, box, 5)
        good: list[bytes] = []
        failed = 0
        faults = Faults(answer=(NO_PIPELINING + rb"|^RETR 3\r\n", b"-ERR [SYS/PERM] damaged"), times=99)
        with Proxy("127.0.0.1", dovecot.pop, faults=faults) as proxy:
            with pop().open(plain(dovecot, box, proxy.port)) as session:
                for taken in session.read(items):
                    try:
                        assert taken.chunks is not None
                        good.append(b"".join(taken.chunks))
                    except ItemFailed:
                        failed += 1
        assert failed == 1
        assert good == [mail(n, b"z" * 20_000) for n in (0, 1, 3, 4)]

    def test_a_mail_that_ends_the_session_blocks_nobody(self, dovecot: Dovecot, new_user: NewUser) -> None:
        box = new_user()
        items = filled(dovecot, box, 5)
        good: list[bytes] = []
        failed = 0
        faults = Faults(cut_before_command=rb"RETR 3\r\n", times=99)
        with Proxy("127.0.0.1", dovecot.pop, faults=faults) as proxy:
            with pop().open(plain(dovecot, box, proxy.port)) as session:
                for taken in session.read(items):
                    try:
                        assert taken.chunks is not None
                        good.append(b"".join(taken.chunks))
                    except ItemFailed:
                        failed += 1
        assert failed == 1
        assert good == [mail(n, b"z" * 20_000) for n in (0, 1, 3, 4)]


NO_PIPELINING = rb"^CAPA\r\n"


class TestSecurity:
    def test_stls_and_none(self, dovecot: Dovecot, new_user: NewUser) -> None:
        box = new_user("Père Noël €")
        box.deliver(mail(1))
        for credentials in (plain(dovecot, box), login(dovecot, box, dovecot.pop, security="starttls")):
            with pop().open(credentials) as session:
                assert bodies(session, listing(session)) == [mail(1)]

    def test_the_certificate_is_verified(self, dovecot: Dovecot, new_user: NewUser) -> None:
        box = new_user()
        stranger = Credentials("c", "localhost", dovecot.pops, box.login, box.password)
        with pytest.raises(SourceUnavailable, match="certificate"), pop().open(stranger):
            pass

    def test_a_line_break_in_a_password_sends_nothing(self, dovecot: Dovecot, new_user: NewUser) -> None:
        box = new_user()
        with Proxy("127.0.0.1", dovecot.pop) as proxy:
            wrong = Credentials("c", "localhost", proxy.port, box.login, "x\r\nQUIT", "", {"security": "none"})
            with pytest.raises(AuthenticationFailed), pop().open(wrong):
                pass
            assert b"QUIT" not in proxy.received


def test_folders_and_flags_are_a_configuration_error() -> None:
    for config in ({"path": "INBOX"}, {"after": After(action="mark")}, {"rejected": After(action="move", to="x")}):
        values: dict[str, Any] = {"protocol": "pop", "path": None, "after": After(), "rejected": After()} | config
        with pytest.raises(ConfigurationError):
            PopSource(SourceConfig.model_construct(**values))


def test_a_window_goes_by_the_received_line(dovecot: Dovecot, new_user: NewUser) -> None:
    box = new_user()
    start, end = dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
    heads = [
        b"Received: from a by b; Thu, 1 Jan 2026 00:30:00 +0100\r\n",
        b"Received: from a by b;\r\n\tThu, 1 Jan 2026 01:30:00 +0100\r\nDate: Mon, 1 Jan 2001 00:00:00 +0000\r\n",
        b"Date: Sat, 31 Jan 2026 23:59:59 +0000\r\n",
        b"Date: Sun, 1 Feb 2026 00:00:00 +0000\r\n",
        b"Date: nonsense\r\n",
    ]
    for number, head in enumerate(heads):
        box.deliver(head + mail(number))
    with pop().open(login(dovecot, box)) as session:
        items = list(session.list({}, Window(start, end)))
        assert digests(bodies(session, items)) == digests(heads[n] + mail(n) for n in (1, 2))
        assert dict(session.marks()) == {}


def test_long_lines_and_dots(dovecot: Dovecot, new_user: NewUser) -> None:
    box = new_user()
    texts = [
        mail(1, b"x" * 300_000),
        mail(2, b".\r\n..\r\n.x\r\n\r\n.\r\n"),
        mail(3, b"\r\n" * 70_000 + b"y" * 2_000_000),
    ]
    for text in texts:
        box.deliver(text)
    with pop().open(login(dovecot, box)) as session:
        assert bodies(session, listing(session)) == texts


@settings(max_examples=200, deadline=None)
@given(
    texts=st.lists(
        st.lists(st.sampled_from([b".", b"..", b"", b"\r", b"\n", b"a", b"\x00\xff", b".\r"]), max_size=12), max_size=4
    ),
    size=st.integers(1, 9),
)
def test_any_text_in_any_blocks_comes_out_as_it_went_in(texts: list[list[bytes]], size: int) -> None:
    """Lines of any content; a line here may hold a lone CR or LF, never both together."""
    lines = [[line for line in text if line != b"\r"] for text in texts]
    sent = b""
    for text in lines:
        sent += b"+OK\r\n" + b"".join((b"." if line[:1] == b"." else b"") + line + b"\r\n" for line in text) + b".\r\n"
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

        def talk() -> None:
            for start in range(0, len(sent), size):
                theirs.sendall(sent[start : start + size])

        speaker = threading.Thread(target=talk)
        speaker.start()
        wire = Wire(ours)
        for text in lines:
            wire.answer()
            assert b"".join(wire.body()) == b"".join(line + b"\r\n" for line in text)
        speaker.join()
