"""Peak memory of a whole run with a 300 MB mail among 20 small ones: run process and decoder child together.

    python benchmarks/river_memory.py [megabytes of the large mail]

Fails when the sum of both peaks reaches 300 MB. The sum of the peaks is an upper bound of the peak of the sum.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.servers.dovecot import Dovecot

BOUND_MB = 300
LOGIN, PASSWORD = "bench", "bench"
LINE = 57
"""Bytes that one base64 line of 76 characters holds."""


def mail(number: int, size: int) -> bytes:
    """A mail with one PDF; about `size` bytes long."""
    head = (
        f"From: f@example.org\r\nTo: ged@example.org\r\nSubject: Facture {number}\r\nMessage-ID: <{number}@x>\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="part"\r\n\r\n--part\r\n'
        f'Content-Type: application/pdf\r\nContent-Disposition: attachment; filename="{number}.pdf"\r\n'
        "Content-Transfer-Encoding: base64\r\n\r\n"
    )
    one = base64.b64encode(b"%PDF-1.4 " + str(number).encode() + os.urandom(LINE - 9 - len(str(number)))) + b"\r\n"
    return head.encode() + one * (size // len(one)) + b"--part--\r\n"


class Peaks:
    """The highest resident size of a process and of each of its children, from VmHWM of proc(5)."""

    def __init__(self, pid: int) -> None:
        self._pid, self._stop = pid, threading.Event()
        self.megabytes: dict[str, float] = {}
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            for name, pid in (("run", self._pid), *((f"child {c}", c) for c in _children(self._pid))):
                self.megabytes[name] = max(self.megabytes.get(name, 0.0), _high_water(pid))

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


def _children(pid: int) -> list[int]:
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _high_water(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(found[0]) / 1024 if found else 0.0


def measure(megabytes: int, protocol: str = "imap") -> tuple[dict[str, float], float, dict[str, object]]:
    """Peaks by process, seconds, and the summary of the run."""
    with tempfile.TemporaryDirectory(prefix="ezcold-memory-") as folder, Dovecot() as server:
        root, box = Path(folder), server.user(LOGIN, PASSWORD)
        for number in range(20):
            box.deliver(mail(number, 20_000))
            if number == 10:
                box.deliver(mail(1000, megabytes * 1_000_000))
        (root / "wait").mkdir()
        scenario = {"driver": "folder", "path": str(root / "wait")}
        (root / "scenarios.yaml").write_text(json.dumps({"scenarios": {"s1": scenario}}))
        place = {} if protocol == "pop" else {"path": "INBOX"}
        launcher = {
            "launcher": "memory",
            "source": {"protocol": protocol, "connection": "mail", "after": {"action": "delete"}} | place,
            "routes": [{"extensions": ["*"], "send_to": ["s1"]}],
            "limits": {"max_item_mb": 2 * megabytes},
        }
        (root / "memory.yaml").write_text(json.dumps(launcher))
        port = server.pop if protocol == "pop" else server.imap
        connection = {"conn_type": protocol, "host": "127.0.0.1", "port": port, "login": LOGIN, "password": PASSWORD,
                      "extra": {"security": "none", "timeout": 120}}  # fmt: skip
        env = os.environ | {
            "EZCOLD_HOME": str(root / "home"), "EZCOLD_LEDGER_URL": f"sqlite:///{root}/ledger.db",
            "AIRFLOW_CONN_MAIL": json.dumps(connection),
        }  # fmt: skip
        command = [sys.executable, "-m", "ezcold_operators.cli", "run", "--json", str(root / "memory.yaml")]
        began = time.monotonic()
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as run:
            peaks = Peaks(run.pid)
            out, _none = run.communicate()
            seconds = time.monotonic() - began
            peaks.stop()
        return peaks.megabytes, seconds, json.loads(out)


def main() -> None:
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    for protocol in ("imap", "pop"):
        peaks, seconds, counts = measure(megabytes, protocol)
        for name, peak in sorted(peaks.items()):
            print(f"{protocol:5} {name:12} {peak:7.1f} MB")
        total = sum(peaks.values())
        print(f"{protocol:5} {'together':12} {total:7.1f} MB   {seconds:.1f} s   sent {counts['sent']}")
        if counts["sent"] != {"s1": 21} or counts["settled"] != 21:
            sys.exit(f"not everything arrived: {counts}")
        if total >= BOUND_MB:
            sys.exit(f"more than {BOUND_MB} MB")


if __name__ == "__main__":
    main()
