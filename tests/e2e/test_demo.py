"""`make demo` on ports that are taken: what arrives, what is said of the rest, nothing left running after Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(400)]

EXPECTED = {
    "documentsclients": [
        "F-2026-0412.xml",
        "acte_naissance_n°12.pdf",
        "dossier_aubry.zip",
        "relevé_2026-10.csv",
        "scan_0001.pdf",
        "scan_0002.pdf",
    ],
    "facturesfournisseurs": [
        "F-2026-0412.pdf",
        "F-2026-0412.xml",
        "Facture n° 2026-1107 été.pdf",
        "PP-77.pdf",
        "TM-5520.pdf",
        "dossier_aubry.zip",
        "facture_EL-88213.pdf",
    ],
}


@pytest.fixture
def taken_ports() -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for port in (8080, 1143):
            probe = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                probe.listen()
        yield


@pytest.mark.usefixtures("taken_ports")
def test_the_demo_shows_what_arrived_and_ctrl_c_stops_everything(tmp_path: Path) -> None:
    env = os.environ | {"EZCOLD_DEMO_HOME": str(tmp_path / "demo"), "PYTHONUNBUFFERED": "1"}
    env = {name: value for name, value in env.items() if not name.startswith("AIRFLOW_")}
    command = [sys.executable, "-m", "ezcold_operators.demo"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as demo:
        assert demo.stdout is not None
        said = []
        for line in demo.stdout:
            said.append(line)
            if "Ctrl-C stops everything" in line:
                break
        text = "".join(said)
        assert demo.poll() is None, text
        family = psutil.Process(demo.pid).children(recursive=True)
        demo.send_signal(signal.SIGINT)
        try:
            code = demo.wait(60)
        except subprocess.TimeoutExpired:
            demo.terminate()
            raise
        assert code == 0, text
    assert len(family) > 4
    assert [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
    for scenario, names in EXPECTED.items():
        files = (tmp_path / "demo" / "ged" / "ocr" / "wait" / scenario).iterdir()
        assert sorted(f"{file.stem.rsplit('__', 1)[0]}{file.suffix}" for file in files) == names
    for refused in ("Thumbs.db", "brouillon_devis_toiture.pdf", "image001.png", "no attachment", "notes.odt"):
        assert refused in text
    assert "INBOX 2" in text
    assert "password" in text
