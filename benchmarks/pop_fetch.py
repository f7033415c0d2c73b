"""Listing and reading a mailbox over POP3: ezcold's source beside one RETR at a time (poplib) and getmail6, on the same
Dovecot in the same run; on loopback and over a line of 20 ms.

    python -m benchmarks.pop_fetch [--mails 1000] [--size 20000] [--latency 0 0.02] [--quick]
"""

from __future__ import annotations

import argparse
import poplib

from benchmarks.mailbox import filled, getmail, line, measure
from ezcold_operators.config.credentials import Credentials
from ezcold_operators.config.launcher import SourceConfig
from ezcold_operators.sources.pop import PopSource


def one_by_one(port: int) -> tuple[int, int]:
    """RETR to nowhere, each after the answer to the one before; no listing of headers."""
    client = poplib.POP3("localhost", port)
    client.user("bench")
    client.pass_("bench")
    count = client.stat()[0]
    volume = sum(client.retr(number)[2] for number in range(1, count + 1))
    client.quit()
    return count, volume


def ezcold(port: int) -> tuple[int, int]:
    """List with fingerprints (TOP of each), read, verify; chunks to nowhere."""
    source = PopSource(SourceConfig(protocol="pop", connection="c"))
    count = volume = 0
    with source.open(Credentials("c", "localhost", port, "bench", "bench", "", {"security": "none"})) as session:
        for taken in session.read(list(session.list({}))):
            assert taken.chunks is not None
            volume += sum(map(len, taken.chunks))
            count += 1
    return count, volume


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=1000)
    parser.add_argument("--size", type=int, default=20_000)
    parser.add_argument("--latency", type=float, nargs="*", default=[0.0, 0.02])
    parser.add_argument("--quick", action="store_true", help="without getmail6")
    options = parser.parse_args()
    with filled(options.mails, options.size) as (server, _box):
        one_by_one(server.pop)  # the server's indices and the page cache are warm for everybody
        for latency in options.latency:
            with line(server.pop, latency) as port:
                print(f"-- round trip {latency * 1000:.0f} ms")
                ours = measure("ezcold: list, read, verify", lambda: ezcold(port))
                single = measure("poplib, one RETR at a time", lambda: one_by_one(port))
                if not options.quick:
                    measure("getmail6, to a Maildir", lambda: getmail(f"type = SimplePOP3Retriever\nport = {port}\n"))
                print(f"   ezcold: {single / ours:.1f} times faster than one by one")


if __name__ == "__main__":
    main()
