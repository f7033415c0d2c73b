"""What IMAP has beyond the contract: folders, servers that can do less, bad networks, refused certificates."""

from __future__ import annotations

import datetime as dt
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from ezcold_operators import sources
from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import After
from ezcold_operators.errors import (
    AuthenticationFailed,
    ConfigurationError,
    ItemFailed,
    SourceUnavailable,
    StageUnavailable,
)
from ezcold_operators.sources.base import Listed, Source, Window
from ezcold_operators.steps import observe
from tests.contracts.source import SECRET, acknowledge, bodies, digests, listing
from tests.servers.dovecot import Dovecot, Mailbox
from tests.servers.proxy import Faults, Proxy
from tests.sources.mail_world import launcher, mail

pytestmark = pytest.mark.dovecot
NewUser = Callable[..., Mailbox]
DELETE = After(action="delete")
BASIC = "IMAP4rev1 LITERAL+ NAMESPACE UNSELECT"


def imap(path: str = "INBOX", **source: Any) -> Source:
    return sources.create(launcher(protocol="imap", path=path, **source))


def login(server: Dovecot, box: Mailbox, port: int | None = None, **extra: Any) -> Credentials:
    extras = {"ca_file": str(server.ca_file), "timeout": 10} | extra
    return Credentials("c", "localhost", port or server.imaps, box.login, box.password, "", extras)


def plain(server: Dovecot, box: Mailbox, port: int | None = None, **extra: Any) -> Credentials:
    return login(server, box, port or server.imap, security="none", **extra)


def places(items: list[Listed]) -> list[str]:
    return sorted({item.place.partition("/")[2] for item in items})


@pytest.fixture(scope="module")
def dotted() -> Iterator[Dovecot]:
    """A server of the other school: everything below INBOX, `.` between names."""
    with Dovecot(separator=".", prefix="INBOX.") as server:
        yield server


@pytest.fixture(scope="module")
def without_move() -> Iterator[Dovecot]:
    with Dovecot(extra=f"imap_capability = {BASIC} UIDPLUS") as server:
        yield server


@pytest.fixture(scope="module")
def bare() -> Iterator[Dovecot]:
    with Dovecot(extra=f"imap_capability = {BASIC}") as server:
        yield server


class TestFolders:
    def test_accents_levels_and_any_case_of_inbox(self, dovecot: Dovecot, new_user: NewUser) -> None:
        box = new_user()
        box.deliver(mail(1), "Reçus/Été & Cie")
        box.deliver(mail(2), "INBOX")
        for path, number in (
            ("Reçus/Été & Cie", 1),
            ("Rec\u0327us/E\u0301te\u0301 & Cie", 1),
            ("inbox", 2),
            ("Inbox", 2),
        ):
            with imap(path).open(login(dovecot, box)) as session:
                assert bodies(session, listing(session)) == [mail(number)]

    def test_subfolders_without_the_targets(self, dovecot: Dovecot, new_user: NewUser) -> None:
        box = new_user()
        for folder in (
            "Clients",
            "Clients/A",
            "Clients/A/B",
            "Clients/Fait",
            "Clients/Fait/2026",
            "Clients/Non",
            "Cli",
        ):
            box.deliver(mail(1), folder)
        source = imap(
            "Clients",
            subfolders=True,
            after={"action": "move", "to": "Clients/Fait"},
            rejected={"action": "move", "to": "Clients/Non"},
        )
        with source.open(login(dovecot, box)) as session:
            items = listing(session)
            assert places(items) == ["Clients", "Clients/A", "Clients/A/B"]
            assert len(session.marks()) == 3
            assert bodies(session, items) == [mail(1)] * 3

    def test_a_folder_that_only_holds_folders(self, dovecot: Dovecot, new_user: NewUser) -> None:
        box = new_user()
        box.deliver(mail(1), "Parent/Enfant")
        with imap("Parent", subfolders=True).open(login(dovecot, box)) as session:
            assert places(listing(session)) == ["Parent/Enfant"]
        with imap("Parent").open(login(dovecot, box)) as session, pytest.raises(ConfigurationError):
            listing(session)

    def test_delimiter_and_namespace_are_translated(self, dotted: Dovecot) -> None:
        box = dotted.user("anna", "pw")
        box.deliver(mail(1), "Clients/Factures")
        for path in ("Clients/Factures", "INBOX/Clients/Factures", "INBOX.Clients.Factures"):
            with imap(path).open(login(dotted, box)) as session:
                assert bodies(session, listing(session)) == [mail(1)]
        to = After(action="move", to="Clients/Traité")
        with imap("Clients/Factures").open(login(dotted, box)) as session:
            assert set(acknowledge(session, listing(session), to).values()) == {"done"}
        assert [m.data for m in box.mails("Clients/Traité")] == [mail(1)]
        assert "Trait&AOk-" in (box.root / "subscriptions").read_text()
        with imap("INBOX", subfolders=True).open(login(dotted, box)) as session:
            box.deliver(mail(2))
            assert len(places(listing(session))) == 2

    def test_a_missing_folder_names_near_ones(self, dovecot: Dovecot, new_user: NewUser) -> None:
        box = new_user()
        box.deliver(mail(1), "Factures/Fournisseurs")
        with imap("Factures/Fournisseur").open(login(dovecot, box)) as session:
            with pytest.raises(ConfigurationError, match="Factures/Fournisseurs"):
                listing(session)

    def test_a_target_is_created_and_subscribed_once(self, dovecot: Dovecot, new_user: NewUser) -> None:
        box = new_user()
        for number in range(3):
            box.deliver(mail(number))
        to = After(action="move", to="Archives/Été")
        source = imap()
        with source.open(login(dovecot, box)) as session:
            items = listing(session)
            assert set(acknowledge(session, items[:1], to).values()) == {"done"}
            assert set(acknowledge(session, items[1:], to).values()) == {"done"}
        assert len(box.mails("Archives/Été")) == 3
        assert (box.root / "subscriptions").read_text().count("t&AOk-") == 1

    def test_a_target_that_is_the_folder_itself_is_refused(self, dotted: Dovecot) -> None:
        box = dotted.user("bruno", "pw")
        box.deliver(mail(1), "Factures")
        with imap("Factures").open(login(dotted, box)) as session:
            for spelling in ("INBOX/Factures", "INBOX.Factures"):
                with pytest.raises(ConfigurationError):
                    acknowledge(session, listing(session), After(action="move", to=spelling))
        assert [m.data for m in box.mails("Factures")] == [mail(1)]

    def test_a_folder_that_may_only_be_read_says_so(self, dovecot: Dovecot, new_user: NewUser) -> None:
        box = new_user()
        box.deliver(mail(1))
        with Proxy("127.0.0.1", dovecot.imap) as proxy:
            with imap().open(plain(dovecot, box, proxy.port)) as session:
                items = listing(session)
                answer = rb"* 1 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n\1 OK [READ-ONLY] Select completed."
                proxy.faults = Faults(answer=(rb"(\S+) SELECT", answer))
                with pytest.raises(ConfigurationError, match="may not change"):
                    acknowledge(session, items, DELETE)

    def test_a_vanished_folder_is_gone(self, dovecot: Dovecot, new_user: NewUser) -> None:
        box = new_user()
        box.deliver(mail(1), "Passager")
        with imap("Passager").open(login(dovecot, box)) as session:
            items = listing(session)
        for file in sorted(box.folder("Passager").rglob("*"), reverse=True):
            file.unlink() if file.is_file() else file.rmdir()
        box.folder("Passager").rename(box.home / "away")
        with imap("Passager").open(login(dovecot, box)) as session:
            assert bodies(session, items) == [None]
            assert set(acknowledge(session, items, DELETE).values()) == {"gone"}


class TestServersThatCanDoLess:
    MOVE = After(action="move", to="Fait")

    @pytest.mark.parametrize("action", ["move", "delete"])
    def test_without_move_only_ours_are_expunged(self, without_move: Dovecot, action: str) -> None:
        box = without_move.user(f"only_{action}", "pw")
        for number in range(3):
            box.deliver(mail(number))
        after = self.MOVE if action == "move" else DELETE
        with imap().open(login(without_move, box)) as session:
            items = listing(session)
            session._connection.select(b"INBOX", writable=True)  # type: ignore[attr-defined]
            session._connection.store([3], "\\Deleted")  # type: ignore[attr-defined]
            assert set(acknowledge(session, items[:1], after).values()) == {"done"}
        assert [(m.data, m.flags) for m in box.mails()] == [(mail(1), ""), (mail(2), "T")]
        assert [m.data for m in box.mails("Fait")] == ([mail(0)] if action == "move" else [])

    def test_without_uidplus_nothing_is_expunged_and_probe_says_so(self, bare: Dovecot) -> None:
        box = bare.user("nothing", "pw")
        for number in range(2):
            box.deliver(mail(number))
        source = imap(after={"action": "move", "to": "Fait"})
        with source.open(login(bare, box)) as session:
            items = listing(session)
            for _ in range(2):
                assert set(acknowledge(session, items[:1], self.MOVE).values()) == {"done"}
        assert [(m.data, m.flags) for m in box.mails()] == [(mail(0), "T"), (mail(1), "")]
        assert [m.data for m in box.mails("Fait")] == [mail(0)]
        told = " ".join(source.probe(login(bare, box)))
        assert "cannot move" in told
        assert "flagged as deleted" in told

    @pytest.mark.parametrize("moment", ["before", "after"])
    @pytest.mark.parametrize("effect", ["imap.create", "imap.copy", "imap.store", "imap.expunge"])
    def test_an_end_between_copy_and_expunge_copies_nothing_twice(
        self, without_move: Dovecot, effect: str, moment: str
    ) -> None:
        box = without_move.user(f"{effect}_{moment}", "pw")
        for number in (1, 2, 2, 3):
            box.deliver(mail(number))

        def stop(name: str, when: str) -> None:
            if (name, when) == (effect, moment):
                raise KeyboardInterrupt

        with imap().open(login(without_move, box)) as session:
            items = listing(session)
        observe(stop)  # type: ignore[arg-type]
        try:
            with pytest.raises(KeyboardInterrupt), imap().open(login(without_move, box)) as session:
                acknowledge(session, items, self.MOVE)
        finally:
            observe(None)
        with imap().open(login(without_move, box)) as session:
            acknowledge(session, items, self.MOVE)
        assert box.mails() == []
        assert digests(m.data for m in box.mails("Fait")) == digests([mail(1), mail(2), mail(2), mail(3)])


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    ("action", "effect"),
    [
        ("mark", "imap.store"),
        ("delete", "imap.store"),
        ("delete", "imap.expunge"),
        ("move", "imap.create"),
        ("move", "imap.move"),
    ],
)
def test_an_end_at_any_step_is_made_good(
    dovecot: Dovecot, new_user: NewUser, action: str, effect: str, moment: str
) -> None:
    box = new_user()
    for number in range(5):
        box.deliver(mail(number))
    after = After(action="move", to="Fait") if action == "move" else After.model_validate({"action": action})

    def stop(name: str, when: str) -> None:
        if (name, when) == (effect, moment):
            raise KeyboardInterrupt

    with imap().open(login(dovecot, box)) as session:
        items = listing(session)[:3]
    observe(stop)
    try:
        with pytest.raises(KeyboardInterrupt), imap().open(login(dovecot, box)) as session:
            acknowledge(session, items, after)
    finally:
        observe(None)
    with imap().open(login(dovecot, box)) as session:
        assert set(acknowledge(session, items, after).values()) <= {"done", "gone"}
    ours, others = [mail(n) for n in range(3)], [mail(n) for n in (3, 4)]
    assert [m.data for m in box.mails()] == (ours + others if action == "mark" else others)
    assert [m.data for m in box.mails() if "S" in m.flags] == (ours if action == "mark" else [])
    assert digests(m.data for m in box.mails("Fait")) == (digests(ours) if action == "move" else [])


def test_deleting_at_gmail_is_moving_to_its_trash() -> None:
    trash = "namespace inbox {\n mailbox Corbeille {\n special_use = \\Trash\n auto = create\n }\n}\n"
    with Dovecot(extra=f"imap_capability = +X-GM-EXT-1\n{trash}") as server:
        box = server.user("anna", "pw")
        for number in range(2):
            box.deliver(mail(number))
        with imap().open(login(server, box)) as session:
            assert set(acknowledge(session, listing(session)[:1], DELETE).values()) == {"done"}
        assert [m.data for m in box.mails()] == [mail(1)]
        assert [m.data for m in box.mails("Corbeille")] == [mail(0)]
        with imap("Corbeille").open(login(server, box)) as session:
            assert set(acknowledge(session, listing(session), DELETE).values()) == {"done"}
        assert box.mails("Corbeille") == []


class TestIdentity:
    def test_uids_given_to_other_mails_under_one_uidvalidity(self, dovecot: Dovecot, new_user: NewUser) -> None:
        box = new_user()
        for number in range(6):
            box.deliver(mail(number))
        with imap().open(login(dovecot, box)) as session:
            old = listing(session)
            marks = session.marks()
        dovecot.quiet(box.login)
        before = box.validity()
        box.edit_uids(order=[1, 0, 2, 4, 5, 3])
        assert box.validity() == before
        with imap().open(login(dovecot, box)) as session:
            new = listing(session, dict(marks))
            assert {i.key for i in new} == {i.key for i in old}
            unchanged = {(i.key, i.fingerprint) for i in new} & {(i.key, i.fingerprint) for i in old}
            assert len(unchanged) == 1
            states = acknowledge(session, old, DELETE)
            assert sorted(states.values()) == ["done"] + ["gone"] * 5
        assert digests(m.data for m in box.mails()) == digests(mail(n) for n in (0, 1, 3, 4, 5))

    @pytest.mark.parametrize("how", ["other mails", "another validity"])
    def test_uids_given_to_other_mails_while_it_is_seen_what_they_are(
        self, dovecot: Dovecot, new_user: NewUser, how: str
    ) -> None:
        """What was seen before the line broke proves nothing after it."""

        class Restored(Proxy):
            """Whoever comes back after the fault finds the mailbox restored from a backup, in another order."""

            def take_fault(self) -> bool:
                if not super().take_fault():
                    return False
                self._target = ("127.0.0.1", other.imap)
                return True

        box = new_user()
        with Dovecot() as other, Restored("127.0.0.1", dovecot.imap) as proxy:
            restored = other.user(box.login, box.password)
            for number in range(450):
                box.deliver(mail(number))
                restored.deliver(mail((number + 1) % 450 if how == "other mails" else number))
            with imap().open(plain(other, restored)) as session:
                listing(session)
            with imap().open(plain(dovecot, box, proxy.port)) as session:
                items = listing(session)
            other.quiet(box.login)
            restored.edit_uids(validity=box.validity() + (1 if how == "another validity" else 0))
            proxy.faults = Faults(cut_before_command=rb"UID FETCH 401:450 \(UID RFC822")
            with imap().open(plain(dovecot, box, proxy.port)) as session:
                states = acknowledge(session, items, DELETE)
            assert proxy.faults.times == 0
            assert set(states.values()) == {"gone"}
            assert len(restored.mails()) == 450
        assert len(box.mails()) == 450

    def test_a_window_is_half_open_by_time_of_arrival(self, dovecot: Dovecot, new_user: NewUser) -> None:
        box = new_user()
        start = dt.datetime(2025, 12, 31, 23, 0, tzinfo=dt.UTC)
        end = start + dt.timedelta(days=31)
        for number, at in enumerate((start - dt.timedelta(seconds=1), start, end - dt.timedelta(seconds=1), end)):
            box.deliver(mail(number), received=at.timestamp())
        with imap().open(login(dovecot, box)) as session:
            items = list(session.list({}, Window(start, end)))
            assert digests(bodies(session, items)) == digests([mail(1), mail(2)])
            assert dict(session.marks()) == {}
            assert [item.date for item in items] == [start, end - dt.timedelta(seconds=1)]

    def test_many_mails_and_large_ones_in_one_batch(self, dovecot: Dovecot, new_user: NewUser) -> None:
        box = new_user()
        texts = [mail(number, b"x" * (number * 37 % 5000)) for number in range(450)]
        texts[100] = mail(100, bytes(range(1, 256)) * 50_000)
        texts[101] = mail(101, b"y" * (8 * 1024 * 1024))
        for text in texts:
            box.deliver(text)
        with imap().open(login(dovecot, box)) as session:
            items = listing(session)
            assert digests(bodies(session, items)) == digests(box_mail.data for box_mail in box.mails())
            assert bodies(session, items[::-1])[-1] == texts[0]

    def test_what_breaks_off_a_reading_is_all_that_is_said(
        self, dovecot: Dovecot, new_user: NewUser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Answers were under way when our own disk was full, say; nobody takes them from a line that is closed."""
        lost: list[object] = []
        monkeypatch.setattr(sys, "unraisablehook", lost.append)
        box = new_user()
        for number in range(450):
            box.deliver(mail(number))
        with suppress(StageUnavailable), imap().open(login(dovecot, box)) as session:
            takings = session.read(listing(session))
            next(takings)
            raise StageUnavailable("full")
        del takings
        assert lost == []

    def test_a_mail_without_an_empty_line_and_an_empty_one(self, dovecot: Dovecot, new_user: NewUser) -> None:
        box = new_user()
        texts = [b"Subject: only head\r\nX-Long: " + b"a" * 200_000, b"\r\nonly body\r\n", b""]
        for text in texts:
            box.deliver(text)
        with imap().open(login(dovecot, box)) as session:
            items = listing(session)
            assert len(items) == 3
            assert bodies(session, items) == texts

    def test_a_mail_that_the_server_cannot_read_blocks_nobody(self, dovecot: Dovecot, new_user: NewUser) -> None:
        box = new_user()
        for number in range(5):
            box.deliver(mail(number))
        with imap().open(login(dovecot, box)) as session:
            items = listing(session)
        broken = box.mails()[2].path
        broken.chmod(0)
        with imap().open(login(dovecot, box)) as session:
            assert len(listing(session)) == 5
            good: list[bytes] = []
            failed = 0
            for taken in session.read(items):
                try:
                    assert taken.chunks is not None
                    good.append(b"".join(taken.chunks))
                except ItemFailed:
                    failed += 1
        with imap().open(login(dovecot, box)) as session:
            states = acknowledge(session, items, After(action="mark"))
        assert [states[item.key] for item in items] == ["done", "done", "failed", "done", "done"]
        assert failed == 1
        assert good == [mail(n) for n in (0, 1, 3, 4)]


class TestSecurity:
    def test_starttls_and_none(self, dovecot: Dovecot, new_user: NewUser) -> None:
        box = new_user()
        box.deliver(mail(1))
        for credentials in (plain(dovecot, box), login(dovecot, box, dovecot.imap, security="starttls")):
            with imap().open(credentials) as session:
                assert bodies(session, listing(session)) == [mail(1)]

    @pytest.mark.parametrize("password", ["Père Noël €", 'quo"te\\back', "spa ce", "ümläut\u00a0"])
    def test_any_password(self, dovecot: Dovecot, new_user: NewUser, password: str) -> None:
        box = new_user(password)
        with imap().open(login(dovecot, box)) as session:
            assert listing(session) == []

    def test_a_line_break_in_a_password_sends_nothing(self, dovecot: Dovecot, new_user: NewUser) -> None:
        box = new_user()
        with Proxy("127.0.0.1", dovecot.imap) as proxy:
            wrong = Credentials("c", "localhost", proxy.port, box.login, "x\r\na1 LOGOUT", "", {"security": "none"})
            with pytest.raises(AuthenticationFailed), imap().open(wrong):
                pass
            assert b"LOGOUT" not in proxy.received

    def test_the_certificate_is_verified(self, new_user: NewUser, dovecot: Dovecot) -> None:
        box = new_user()
        stranger = Credentials("c", "localhost", dovecot.imaps, box.login, box.password)
        with pytest.raises(SourceUnavailable, match=r"certificate .*`ca_file`"), imap().open(stranger):
            pass

    def test_an_expired_certificate_says_so(self) -> None:
        with Dovecot() as server:
            box = server.user("anna", "pw")
            server.kill()
            server.certify(not_after=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
            server.start()
            for credentials in (login(server, box), login(server, box, server.imap, security="starttls")):
                with pytest.raises(SourceUnavailable, match="expired"), imap().open(credentials):
                    pass

    def test_tls_on_a_plain_port_and_an_unreadable_ca_file(
        self, dovecot: Dovecot, new_user: NewUser, tmp_path: Any
    ) -> None:
        box = new_user()
        with pytest.raises(SourceUnavailable, match="starttls"), imap().open(login(dovecot, box, dovecot.imap)):
            pass
        (tmp_path / "ca.pem").write_text("nothing")
        for name in ("ca.pem", "absent.pem"):
            wrong = login(dovecot, box, ca_file=str(tmp_path / name))
            with pytest.raises(ConfigurationError, match="ca_file"), imap().open(wrong):
                pass

    def test_an_unknown_host(self) -> None:
        wrong = Credentials("c", "no-such-host.invalid", None, "a", "b")
        with pytest.raises(SourceUnavailable, match=r"no-such-host\.invalid"), imap().open(wrong):
            pass

    def test_xoauth2_sends_the_token_and_a_refusal_is_one(self, dovecot: Dovecot, new_user: NewUser) -> None:
        box = new_user("ya29.token")
        box.deliver(mail(1))
        with Proxy("127.0.0.1", dovecot.imap) as proxy:
            with imap().open(plain(dovecot, box, proxy.port, auth="xoauth2")) as session:
                assert len(listing(session)) == 1
            assert b"AUTHENTICATE XOAUTH2" in proxy.received
            box.password = SECRET
            with pytest.raises(AuthenticationFailed) as caught:
                with imap().open(plain(dovecot, box, proxy.port, auth="xoauth2")):
                    pass
        assert SECRET not in str(caught.value)

    def test_nothing_secret_is_logged(
        self, dovecot: Dovecot, new_user: NewUser, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        caplog.set_level(logging.DEBUG)
        caplog.set_level(logging.DEBUG, logger="imapclient")
        for password in (SECRET, SECRET + "é"):
            box = new_user(password)
            with imap().open(login(dovecot, box)) as session:
                assert SECRET not in repr(vars(session))
            with pytest.raises(AuthenticationFailed), imap().open(login(dovecot, new_user("other"), timeout=5)) as _:
                raise AuthenticationFailed("x")
        printed = capfd.readouterr()
        assert SECRET not in caplog.text + printed.out + printed.err


class TestBadNetwork:
    def batch(self, box: Mailbox, server: Dovecot) -> list[Listed]:
        for number in range(20):
            box.deliver(mail(number, b"z" * 50_000))
        with imap().open(plain(server, box)) as session:
            return listing(session)

    @pytest.mark.parametrize("after_bytes", [0, 1, 700, 20_000, 51_000, 600_000])
    def test_a_cut_in_mid_literal(self, dovecot: Dovecot, new_user: NewUser, after_bytes: int) -> None:
        box = new_user()
        with Proxy("127.0.0.1", dovecot.imap) as proxy:
            credentials = plain(dovecot, box, proxy.port)
            with imap().open(credentials) as session:
                items = self.batch(box, dovecot)
                items = listing(session)
            for times in (1, 99):
                proxy.faults = Faults(cut_after_bytes=after_bytes, cut_armed_by=rb"BODY\.PEEK\[\]", times=times)
                with imap().open(credentials) as session:
                    if times == 1 or after_bytes > 50_500:  # cut once, or where less at a time gets through
                        assert digests(bodies(session, items)) == digests(m.data for m in box.mails())
                    else:  # a server that is ill is never the mail's fault
                        with pytest.raises(SourceUnavailable):
                            bodies(session, items)
            proxy.faults = Faults(times=0)
            with imap().open(credentials) as session:
                assert digests(bodies(session, items)) == digests(m.data for m in box.mails())

    @pytest.mark.parametrize("command", [rb"LOGIN", rb"CAPABILITY", rb"LIST", rb"STATUS", rb"EXAMINE", rb"FETCH 1:\*"])
    def test_a_bye_anywhere_is_source_unavailable(self, dovecot: Dovecot, new_user: NewUser, command: bytes) -> None:
        box = new_user()
        self.batch(box, dovecot)
        with Proxy("127.0.0.1", dovecot.imap, faults=Faults(bye_on_command=command)) as proxy:
            with pytest.raises(SourceUnavailable) as caught, imap().open(plain(dovecot, box, proxy.port)) as session:
                listing(session)
            assert "\n" not in str(caught.value)
            with imap().open(plain(dovecot, box, proxy.port)) as session:
                assert len(listing(session)) == 20

    @pytest.mark.parametrize("lost", ["before", "after"])
    @pytest.mark.parametrize("action", ["mark", "move", "delete"])
    def test_a_lost_answer_to_an_acknowledgement_is_settled_by_the_next(
        self, dovecot: Dovecot, new_user: NewUser, action: str, lost: str
    ) -> None:
        box = new_user()
        self.batch(box, dovecot)
        after = After(action="move", to="Fait") if action == "move" else After.model_validate({"action": action})
        with Proxy("127.0.0.1", dovecot.imap) as proxy:
            credentials = plain(dovecot, box, proxy.port)
            with imap().open(credentials) as session:
                items = listing(session)
            pattern = {"mark": rb"UID STORE", "move": rb"UID MOVE", "delete": rb"UID EXPUNGE"}[action]
            proxy.faults = Faults(
                cut_before_command=pattern if lost == "before" else None,
                cut_after_command=pattern if lost == "after" else None,
            )
            with pytest.raises(SourceUnavailable), imap().open(credentials) as session:
                acknowledge(session, items[:10], after)
            with imap().open(credentials) as session:
                states = set(acknowledge(session, items[:10], after).values())
        assert states == ({"gone"} if lost == "after" and action != "mark" else {"done"})
        assert len(box.mails()) == (20 if action == "mark" else 10)
        assert len(box.mails("Fait")) == (10 if action == "move" else 0)
        assert sum("S" in m.flags for m in box.mails()) == (10 if action == "mark" else 0)

    def test_a_busy_server_is_not_a_refused_login(self, dovecot: Dovecot, new_user: NewUser) -> None:
        box = new_user()
        for words in (b"[UNAVAILABLE] later", b"[INUSE] x", b"[ALERT] Too many simultaneous connections. (Failure)"):
            faults = Faults(answer=(rb"(\S+) LOGIN", rb"\1 NO " + words))
            with Proxy("127.0.0.1", dovecot.imap, faults=faults) as proxy:
                with pytest.raises(SourceUnavailable), imap().open(plain(dovecot, box, proxy.port)):
                    pass

    def test_a_server_killed_and_started_again(self, dovecot: Dovecot, new_user: NewUser) -> None:
        box = new_user()
        items = self.batch(box, dovecot)
        with imap().open(login(dovecot, box)) as session:
            dovecot.kill()
            with pytest.raises(SourceUnavailable):
                bodies(session, items)
        with pytest.raises(SourceUnavailable), imap().open(login(dovecot, box)):
            pass
        dovecot.start()
        with imap().open(login(dovecot, box)) as session:
            assert None not in bodies(session, items)


class TestLargeFolder:
    """Where blocks that stand still are left out."""

    COUNT = 1300

    @pytest.fixture
    def box(self, dovecot: Dovecot, new_user: NewUser) -> Mailbox:
        box = new_user()
        for number in range(self.COUNT):
            box.deliver(mail(number, b"x" * (number % 50)))
        return box

    def look(self, server: Dovecot, box: Mailbox, marks: dict[str, str]) -> tuple[list[Listed], dict[str, str]]:
        with imap().open(login(server, box)) as session:
            return listing(session, marks), dict(session.marks())

    def test_one_new_mail_costs_one_block(self, dovecot: Dovecot, box: Mailbox) -> None:
        items, marks = self.look(dovecot, box, {})
        assert len(items) == self.COUNT
        box.deliver(mail(9999))
        fresh, marks = self.look(dovecot, box, marks)
        assert 1 <= len(fresh) <= 512
        assert len({item.key for item in fresh} - {item.key for item in items}) == 1
        for _ in range(2):
            again, marks = self.look(dovecot, box, marks)
        assert again == []

    def test_what_vanished_or_changed_flags_hides_nothing(self, dovecot: Dovecot, box: Mailbox) -> None:
        items, marks = self.look(dovecot, box, {})
        with imap().open(login(dovecot, box)) as session:
            acknowledge(session, items[100:110], After(action="mark"))
            acknowledge(session, items[600:620], DELETE)
        box.deliver(mail(9999))
        fresh, _ = self.look(dovecot, box, marks)
        assert len({item.key for item in fresh} - {item.key for item in items}) == 1
        assert len(fresh) < 2 * 512

    @pytest.mark.parametrize("kind", ["shift", "reverse", "validity"])
    def test_other_mails_under_the_same_uids_are_listed(self, dovecot: Dovecot, box: Mailbox, kind: str) -> None:
        items, marks = self.look(dovecot, box, {})
        dovecot.quiet(box.login)
        order = list(range(self.COUNT))
        if kind == "validity":
            box.edit_uids(validity=box.validity() + 1)
        else:
            box.edit_uids(order=order[1:] + order[:1] if kind == "shift" else order[::-1])
        fresh, _ = self.look(dovecot, box, marks)
        assert len(fresh) == self.COUNT
        assert not {(i.key, i.fingerprint) for i in fresh} & {(i.key, i.fingerprint) for i in items}


def test_few_round_trips(dovecot: Dovecot, new_user: NewUser) -> None:
    """So a line of 20 ms costs little: commands are counted, not seconds."""
    box = new_user()
    for number in range(600):
        box.deliver(mail(number, b"x" * 2000))
    with Proxy("127.0.0.1", dovecot.imap) as proxy, imap().open(plain(dovecot, box, proxy.port)) as session:
        items = listing(session)
        assert None not in bodies(session, items)
        assert set(acknowledge(session, items, After(action="move", to="Fait")).values()) == {"done"}
        commands = proxy.received.count(b"\r\n")
    assert commands <= 30
    assert len(box.mails("Fait")) == 600
