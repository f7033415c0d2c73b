"""Listing and reading a mailbox over IMAP: ezcold's source beside a bare batch FETCH, one FETCH a mail, Airflow's
ImapHook, imap_tools and getmail6, on the same Dovecot in the same run; on loopback and over a line of 20 ms.

    python -m benchmarks.imap_fetch [--mails 3000] [--size 20000] [--latency 0 0.02] [--quick]
"""

from __future__ import annotations

import argparse
import contextlib
import imaplib
import io
import json
from collections.abc import Callable

from benchmarks.mailbox import filled, getmail, line, measure
from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import SourceConfig
from ezcold_operators.sources.imap import ImapSource

Run = Callable[[], tuple[int, int]]


def raw_batches(port: int, batch: int) -> tuple[int, int]:
    """FETCH to nowhere, `batch` mails at a time."""
    client = imaplib.IMAP4("localhost", port)
    client.login("bench", "bench")
    client.select("INBOX", readonly=True)
    uids = client.uid("SEARCH", "ALL")[1][0].split()
    count = volume = 0
    for start in range(0, len(uids), batch):
        _, parts = client.uid("FETCH", b",".join(uids[start : start + batch]).decode(), "(BODY.PEEK[])")
        for part in parts:
            if isinstance(part, tuple):
                count, volume = count + 1, volume + len(part[1])
    client.logout()
    return count, volume


def ezcold(port: int) -> tuple[int, int]:
    """List with fingerprints, read, verify; chunks to nowhere."""
    source = ImapSource(SourceConfig(protocol="imap", connection="c", path="INBOX"))
    count = volume = 0
    credentials = Credentials("c", "localhost", port, "bench", "bench", "", {"security": "none"})
    with source.open(credentials) as session:
        for taken in session.read(list(session.list({}))):
            assert taken.chunks is not None
            volume += sum(map(len, taken.chunks))
            count += 1
    return count, volume


def imap_tools(port: int) -> tuple[int, int]:
    """fetch() in bulks of 200."""
    import imap_tools as peer

    count = volume = 0
    with peer.MailBoxUnencrypted("localhost", port).login("bench", "bench") as box:
        for message in box.fetch(mark_seen=False, bulk=200):
            count, volume = count + 1, volume + message.size_rfc822
    return count, volume


def airflow_hook(port: int) -> tuple[int, int]:
    """Airflow's ImapHook: attachments by name, one FETCH a mail."""
    import os

    settings = {"host": "localhost", "port": port, "login": "bench", "password": "bench", "extra": {"use_ssl": False}}
    os.environ["AIRFLOW_CONN_BENCH"] = json.dumps({"conn_type": "imap"} | settings)
    from airflow.providers.imap.hooks.imap import ImapHook

    with contextlib.redirect_stdout(io.StringIO()), ImapHook("bench") as hook:  # it logs a line for each attachment
        found = hook.retrieve_mail_attachments(".*", check_regex=True)
    return len(found), sum(len(payload) for _, payload in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=3000)
    parser.add_argument("--size", type=int, default=20_000)
    parser.add_argument("--latency", type=float, nargs="*", default=[0.0, 0.02])
    parser.add_argument("--quick", action="store_true", help="without the peers that fetch mail by mail")
    options = parser.parse_args()
    with filled(options.mails, options.size) as (server, _box):
        raw_batches(server.imap, 200)  # the server's indices and the page cache are warm for everybody
        for latency in options.latency:
            with line(server.imap, latency) as port:
                print(f"-- round trip {latency * 1000:.0f} ms")
                base = measure("raw, 200 mails a FETCH, to nowhere", lambda: raw_batches(port, 200))
                ours = measure("ezcold: list, read, verify", lambda: ezcold(port))
                single = measure("raw, one FETCH a mail", lambda: raw_batches(port, 1))
                measure("imap_tools, bulks of 200", lambda: imap_tools(port))
                if not options.quick:
                    measure("Airflow ImapHook", lambda: airflow_hook(port))
                    measure(
                        "getmail6, to a Maildir",
                        lambda: getmail(f"type = SimpleIMAPRetriever\nport = {port}\nmailboxes = ('INBOX',)\n"),
                    )
                print(f"   ezcold: {ours / base:.2f} x raw batches; {single / ours:.1f} times faster than one by one")


if __name__ == "__main__":
    main()
