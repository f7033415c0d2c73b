"""The whole river over a real mailbox: exactly what is accepted arrives, once, and only that is acknowledged."""

from __future__ import annotations

import hashlib
import io
import random
import socket
import zipfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from ezcold_operators.ledger.tables import document, item
from tests.rooms.works import Works, mail
from tests.servers.dovecot import Dovecot, Mailbox
from tests.servers.proxy import Faults, Proxy


def mixed(random_: random.Random, n: int) -> tuple[bytes, str, list[tuple[str, bytes]]]:
    """A mail of some kind: its bytes, the kind, and the documents that are in it."""
    data = [random_.randbytes(random_.randint(0, 3000)) + str((n, k)).encode() for k in range(3)]
    pdf = b"%PDF-1.4\n" + data[0]
    kind = ("one", "several", "none", "brouillon", "other", "inner", "name")[n % 7]
    if kind == "one":
        files = [(f"facture {n}.pdf", pdf)]
    elif kind == "several":
        files = [(f"a{n}.pdf", pdf), (f"b{n}.XML", b"<x>" + data[1]), ("même nom.pdf", b"%PDF-1.4\n" + data[2])]
    elif kind == "none":
        files = []
    elif kind == "brouillon":
        files = [(f"brouillon{n}.pdf", pdf), ("Thumbs.db", data[1])]
    elif kind == "other":
        files = [(f"notes{n}.doc", data[0]), (f"ok{n}.pdf", pdf)]
    elif kind == "inner":
        inner = mail(f"Transféré {n}", (f"dedans{n}.pdf", pdf))
        return mail(f"Mail {n}", (f"transféré{n}.eml", inner)), kind, [(f"dedans{n}.pdf", pdf)]
    else:
        files = [("état des lieux/" + "é" * 90 + f"{n}.pdf", pdf)]
    return mail(f"Mail {n} {kind}", *files), kind, files


def wanted(name: str) -> str | None:
    """The scenario of a document, by the rules that `rules` gives the launcher."""
    if name.startswith("brouillon") or name.endswith(".db"):
        return None
    return {"pdf": "s1", "xml": "s2"}.get(name.rpartition(".")[2].lower())


def rules(works: Works) -> None:
    works.launcher |= {
        "filters": ["/.*\\.(?!db).*/", "/(?!brouillon).*\\..*/"],
        "routes": [{"extensions": ["pdf"], "send_to": ["s1"]}, {"extensions": ["xml"], "send_to": ["s2"]}],
    }


def test_three_hundred_mixed_mails(works: Works, box: Mailbox) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    random_ = random.Random(seed)
    rules(works)
    expected: dict[str, Counter[bytes]] = {"s1": Counter(), "s2": Counter()}
    with_something: list[bytes] = []
    without: list[bytes] = []
    for n in range(300):
        raw, _kind, files = mixed(random_, n)
        box.deliver(raw)
        sent_to = {name: wanted(name.rsplit("/", 1)[-1]) for name, _data in files}
        for name, data in files:
            if (scenario := sent_to[name]) is not None:
                expected[scenario][data] += 1
        (with_something if any(sent_to.values()) else without).append(raw)
    code, counts = works.run()
    assert (code, counts["errors"]) == (0, [])
    for name, found in expected.items():
        assert works.arrived(name) - found == found - works.arrived(name) == Counter()
    assert counts["fetched"] == counts["settled"] == 300
    assert counts["sent"] == {name: found.total() for name, found in expected.items()}
    assert counts["rejected"] == works.verdicts()["rejected"]
    assert box.mails() == []
    assert Counter(m.data for m in box.mails("Done")) == Counter(with_something)
    assert Counter(m.data for m in box.mails("Nothing")) == Counter(without)
    assert works.items() == {"settled": 300}
    everything = {p.name for folder in works.waiting.values() for p in folder.iterdir()}
    code, counts = works.run()
    assert (code, counts["fetched"], counts["sent"], counts["settled"]) == (0, 0, {}, 0)
    assert {p.name for folder in works.waiting.values() for p in folder.iterdir()} == everything
    assert not any(Path(works.scenarios["s1"]["parts"]).glob("*__*"))


def archive(members: dict[str, bytes], spoil: str = "") -> bytes:
    """A zip archive; the bytes of the member `spoil` are changed, so that its checksum does not hold."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as found:
        for name, data in members.items():
            found.writestr(name, data)
    return out.getvalue().replace(members[spoil], members[spoil][::-1]) if spoil else out.getvalue()


def test_what_is_readable_of_an_item_is_delivered_and_the_item_stays(works: Works, box: Mailbox) -> None:
    works.launcher["unpack"] = ["mail", "archive"]
    good, bad = b"%PDF-1.4 good", b"%PDF-1.4 bad 0123456789"
    spoilt = mail("Spoilt", ("lot.zip", archive({"good.pdf": good, "bad.pdf": bad}, spoil="bad.pdf")))
    box.deliver(spoilt)
    box.deliver(mail("Well", ("well.pdf", b"%PDF-1.4 well")))
    code, counts = works.run()
    assert (code, counts["quarantined"], counts["settled"]) == (1, 1, 1)
    assert works.arrived() == Counter([good, b"%PDF-1.4 well"])
    assert [m.data for m in box.mails()] == [spoilt]
    assert works.items() == {"quarantined": 1, "settled": 1}
    ((_id, sha256),) = [r[:2] for r in works.rows(item.c.id, item.c.sha256, item.c.state) if r[2] == "quarantined"]
    with works.river() as river:
        assert river.stage.path(sha256).read_bytes() == spoilt
    assert works.run()[1]["sent"] == {}


def test_a_mail_that_kills_its_decoder_takes_no_neighbour_with_it(works: Works, box: Mailbox, tmp_path: Path,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    killer = mail("Killer", ("k.pdf", b"%PDF-1.4 k"))
    # Python runs sitecustomize at its start: here, one that makes the decoder of a marked mail die by a signal.
    (tmp_path / "site").mkdir()
    victim = hashlib.sha256(killer).hexdigest()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        f"""
import os, signal, sys
def hook(event, args):
    if event == "open" and isinstance(args[0], str) and args[0].endswith({victim!r}):
        os.kill(os.getpid(), signal.SIGKILL)
if any("decoding.worker" in argument for argument in sys.orig_argv):
    sys.addaudithook(hook)
"""
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    for n in range(20):
        box.deliver(mail(f"N{n}", (f"{n}.pdf", b"%PDF-1.4 " + str(n).encode())))
        if n == 10:
            box.deliver(killer)
    code, counts = works.run()
    assert (code, counts["quarantined"], counts["settled"]) == (1, 1, 20)
    assert works.arrived() == Counter(b"%PDF-1.4 " + str(n).encode() for n in range(20))
    assert [m.data for m in box.mails()] == [killer]
    assert len(works.events("undecoded")) == 2
    ((reason,),) = [r[1:2] for r in works.rows(item.c.id, item.c.reason, item.c.state) if r[2] == "quarantined"]
    assert "SIGKILL" in reason


def test_an_oversized_mail_is_quarantined_and_not_downloaded(works: Works, box: Mailbox, dovecot: Dovecot) -> None:
    works.launcher["limits"] = {"max_item_mb": 1}
    large = mail("Large", ("large.pdf", b"%PDF" + b"x" * 1_000_000))
    box.deliver(large)
    box.deliver(mail("Small", ("small.pdf", b"%PDF-1.4 small")))
    with Proxy("127.0.0.1", dovecot.imap) as proxy:
        works.imap(dovecot, box.login, port=proxy.port, after={"action": "move", "to": "Done"})
        code, counts = works.run()
        assert (code, counts["fetched"], counts["quarantined"]) == (1, 1, 1)
        assert proxy.received.count(b"BODY.PEEK[]") == 1
        assert works.names() == ["small.pdf"]
        assert [m.data for m in box.mails()] == [large]
        code, counts = works.run()
        assert (code, counts["quarantined"], counts["errors"]) == (0, 0, [])
        assert proxy.received.count(b"BODY.PEEK[]") == 1


def test_the_same_mail_again_is_acknowledged_under_its_new_key(works: Works, box: Mailbox) -> None:
    raw = mail("Twice", ("a.pdf", b"%PDF-1.4 a"))
    box.deliver(raw)
    box.deliver(raw)
    code, counts = works.run()
    assert (code, counts["fetched"], counts["sent"], counts["settled"]) == (0, 2, {"s1": 1}, 2)
    box.deliver(raw)
    code, counts = works.run()
    assert (code, counts["fetched"], counts["sent"], counts["settled"]) == (0, 1, {}, 1)
    assert (box.mails(), len(box.mails("Done")), works.names()) == ([], 3, ["a.pdf"])
    works.launcher["duplicates"] = "occurrence"
    box.deliver(raw)
    assert works.run()[1]["sent"] == {"s1": 1}


def test_the_backup_is_browsed_by_date_and_holds_mail_and_documents(works: Works, box: Mailbox) -> None:
    works.launcher["backup"] = {"keep_days": 30}
    raw = mail("Votre facture d'été: 12/2026", ("reçu.pdf", b"%PDF-1.4 r"), ("reçu.pdf", b"%PDF-1.4 s"))
    box.deliver(raw)
    assert works.run()[0] == 0
    (day,) = (works.home / "backup" / "works").iterdir()
    assert len(day.name) == 10
    (folder,) = day.iterdir()
    assert "Votre facture d'été" in folder.name
    found = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert found.pop("mail.eml") == raw
    assert sorted(found.values()) == [b"%PDF-1.4 r", b"%PDF-1.4 s"]
    assert all("reçu.pdf" in name for name in found)


def test_per_run_takes_the_rest_in_the_next_runs(works: Works, box: Mailbox) -> None:
    works.launcher["limits"] = {"per_run": 2}
    for n in range(5):
        box.deliver(mail(f"N{n}", (f"{n}.pdf", b"%PDF" + str(n).encode())))
    assert [works.run()[1]["fetched"] for _ in range(4)] == [2, 2, 1, 0]
    assert works.arrived().total() == 5


@pytest.mark.parametrize(
    ("faults", "troubles"),
    [
        (Faults(cut_after_bytes=10_000, cut_armed_by=rb"BODY\.PEEK\[\]"), 0),
        (Faults(cut_after_bytes=400, cut_armed_by=rb"BODY\.PEEK\[\]", times=500), 1),
        (Faults(bye_on_command=rb"BODY\.PEEK\[\]", times=50), 1),
        (Faults(cut_before_command=rb"MOVE|COPY", times=50), 1),
        (Faults(cut_after_command=rb"MOVE|COPY", times=50, grace=0.05), 1),
    ],
    ids=["cut once in mid-literal", "cut always", "BYE", "cut before MOVE", "cut after MOVE"],
)
def test_a_line_that_breaks_loses_nothing(
    works: Works, box: Mailbox, dovecot: Dovecot, faults: Faults, troubles: int
) -> None:
    expected = Counter[bytes]()
    for n in range(12):
        data = b"%PDF-1.4 " + str(n).encode() * 3000
        box.deliver(mail(f"N{n}", (f"{n}.pdf", data)))
        expected[data] += 1
    with Proxy("127.0.0.1", dovecot.imap, faults=faults) as proxy:
        works.imap(dovecot, box.login, port=proxy.port, after={"action": "move", "to": "Done"})
        code, counts = works.run()
        assert (code, len(counts["errors"])) == (3 if troubles else 0, troubles)
        assert works.arrived() <= expected
        proxy.faults.times = 0
        assert works.run()[0] == 0
    assert works.arrived() == expected
    assert (box.mails(), len(box.mails("Done"))) == ([], 12)
    assert works.items() == {"settled": 12}


def test_a_mailbox_that_is_down_does_not_stop_yesterdays_debts(works: Works, box: Mailbox, dovecot: Dovecot) -> None:
    box.deliver(mail("One", ("1.pdf", b"%PDF 1")))
    works.waiting["s1"].rename(works.root / "unmounted")
    code, counts = works.run()
    assert (code, counts["owed"], counts["settled"], len(counts["errors"])) == (3, 1, 0, 1)
    assert len(box.mails()) == 1
    (works.root / "unmounted").rename(works.waiting["s1"])
    port = works.credentials.port
    works.imap(dovecot, box.login, port=1, after={"action": "move", "to": "Done"})
    code, counts = works.run()
    assert (code, counts["sent"], counts["owed"], counts["settled"]) == (3, {"s1": 1}, 0, 0)
    works.imap(dovecot, box.login, port=port or 0, after={"action": "move", "to": "Done"})
    code, counts = works.run()
    assert (code, counts["sent"], counts["settled"]) == (0, {}, 1)
    assert (box.mails(), works.names()) == ([], ["1.pdf"])


def test_a_failed_item_and_a_mailbox_down_say_first_that_an_item_failed(works: Works, box: Mailbox,
                                                                       dovecot: Dovecot) -> None:  # fmt: skip
    works.launcher["routes"] = [{"extensions": ["pdf"], "send_to": ["s1", "s2"]}]
    works.launcher["limits"] = {"max_item_mb": 1}
    box.deliver(mail("Large", ("large.pdf", b"x" * 1_000_000)))
    box.deliver(mail("Small", ("small.pdf", b"%PDF small")))
    works.waiting["s2"].rename(works.root / "unmounted")
    code, counts = works.run()
    assert (code, counts["quarantined"], counts["owed"], len(counts["errors"])) == (1, 1, 1, 2)


def test_references_and_signatures_are_rows_with_reasons(works: Works, box: Mailbox) -> None:
    box.deliver(mail("Signed", ("smime.p7s", b"x"), ("a.pdf", b"%PDF a")))
    assert works.run()[0] == 0
    reasons = works.rows(document.c.id, document.c.name, document.c.verdict, document.c.reason)
    assert all(reason for _id, _name, verdict, reason in reasons if verdict == "rejected")
    assert works.arrived()[b"%PDF a"] == 1


class Dying(Proxy):
    """A server that is gone for good after its first fault."""

    def take_fault(self) -> bool:
        used = super().take_fault()
        if used:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
        return used


def test_what_came_before_the_server_died_is_delivered_in_the_same_run(works: Works, box: Mailbox,
                                                                      dovecot: Dovecot) -> None:  # fmt: skip
    small = [b"%PDF-1.4 " + bytes([65 + n]) * 100 for n in range(3)]
    for n, data in enumerate(small):
        box.deliver(mail(f"N{n}", (f"{n}.pdf", data)))
    large = b"%PDF-1.4 large" + b"x" * 8_000_000
    box.deliver(mail("Large", ("large.pdf", large)))
    faults = Faults(cut_after_bytes=2_000_000, cut_armed_by=rb"BODY\.PEEK\[\]<")
    with Dying("127.0.0.1", dovecot.imap, faults=faults) as proxy:
        works.imap(dovecot, box.login, port=proxy.port)
        code, counts = works.run()
        assert (code, counts["fetched"], counts["quarantined"], len(counts["errors"])) == (3, 3, 0, 1)
    assert works.arrived() == Counter(small)
    assert works.items() == {"settled": 3}
