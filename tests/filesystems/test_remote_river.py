"""The whole river from an SFTP server to a share and back to SFTP, killed at random while EzGED eats.

Sizes and moments come from EZCOLD_SEED, which a failing test shows.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.samba import PASSWORD, Samba
from tests.servers.sshd import Sshd

pytestmark = [pytest.mark.crash, pytest.mark.samba, pytest.mark.sshd]
SEED = int(os.environ.get("EZCOLD_SEED", random.SystemRandom().randrange(1 << 32)))
DOCUMENTS = 40
KILLS = 8

LAUNCHER = """
launcher: remote
source:
  protocol: folder
  path: {source}/*.pdf
  connection: files
  subfolders: true
  after: {{action: move, to: "{done}"}}
routes:
  - extensions: [pdf]
    send_to: [on_smb, on_sftp]
"""
SCENARIOS = """
scenarios:
  on_smb: {{driver: folder, path: "{smb}", connection: share}}
  on_sftp: {{driver: folder, path: "{sftp}", connection: files}}
"""


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


@contextmanager
def eaters(*pairs: tuple[Path, Path]) -> Iterator[None]:
    """EzGED, twice: takes what waits, at its own pace."""
    stop = threading.Event()

    def eat() -> None:
        while not stop.wait(0.01):
            for waiting, eaten in pairs:
                for path in list(waiting.iterdir()):
                    (eaten / path.name).write_bytes(path.read_bytes())
                    path.unlink()

    thread = threading.Thread(target=eat)
    thread.start()
    try:
        yield
    finally:
        time.sleep(0.1)
        stop.set()
        thread.join()


@pytest.mark.timeout(600)
def test_killed_at_random_nothing_is_lost_nor_sent_twice(tmp_path: Path) -> None:
    chosen = random.Random(SEED)
    with Sshd() as ssh, Samba() as smb:
        folders = {name: ssh.run / name for name in ("in", "done", "wait", "eaten_ssh")}
        folders |= {"smb": smb.share / "wait", "eaten_smb": smb.run / "eaten"}
        for folder in folders.values():
            folder.mkdir()
        (folders["in"] / "été").mkdir()
        wanted: Counter[str] = Counter()
        for number in range(DOCUMENTS):
            data = chosen.randbytes(chosen.randrange(1, 100_000))
            wanted[digest(data)] += 1
            file = folders["in"] / ("été" if number % 2 else "") / f"reçu {number}.pdf"
            file.write_bytes(data)
            os.utime(file, (1, 1 + number))
        (tmp_path / "launchers").mkdir()
        launcher = tmp_path / "launchers" / "remote.yaml"
        launcher.write_text(LAUNCHER.format(source=ssh.url(folders["in"]), done=ssh.url(folders["done"])))
        scenarios = SCENARIOS.format(smb=smb.url(folders["smb"]), sftp=ssh.url(folders["wait"]))
        (tmp_path / "scenarios.yaml").write_text(scenarios)
        login = ssh.credentials()
        files = {"conn_type": "sftp", "login": login.login, "extra": dict(login.extra)}
        share = {"conn_type": "samba", "login": login.login, "password": PASSWORD}
        environment = os.environ | {
            "EZCOLD_HOME": str(tmp_path / "home"),
            "AIRFLOW_CONN_FILES": json.dumps(files),
            "AIRFLOW_CONN_SHARE": json.dumps(share),
        }

        def start() -> subprocess.Popen[str]:
            code = "from ezcold_operators.cli import main; main()"
            command = [sys.executable, "-c", code, "run", "--json", str(launcher)]
            return subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )

        with eaters((folders["smb"], folders["eaten_smb"]), (folders["wait"], folders["eaten_ssh"])):
            for _kill in range(KILLS // 2):
                both = [start(), start()]
                time.sleep(chosen.uniform(0.7, 4))
                for process in both:
                    process.kill()
                    process.communicate()
            for _run in range(10):
                output, _none = start().communicate()
                assert PASSWORD not in output
                if not any(path.is_file() for path in folders["in"].rglob("*")):
                    break
                time.sleep(10)  # until the claims of the dead end
        for eaten in ("eaten_smb", "eaten_ssh"):
            arrived = Counter(digest(path.read_bytes()) for path in folders[eaten].iterdir())
            assert arrived == wanted, f"EZCOLD_SEED={SEED} {eaten}\n{output}"
        moved = Counter(digest(path.read_bytes()) for path in folders["done"].rglob("*") if path.is_file())
        assert moved == wanted, f"EZCOLD_SEED={SEED}\n{output}"
