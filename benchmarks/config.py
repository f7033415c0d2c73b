"""How long do launchers take to be read and checked, as Airflow's parser does at each interval?

python benchmarks/config.py [NUMBER]        default 1000; prints seconds: first of five rounds, best, CPU time
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from ezcold_operators.config.loader import load_directory, load_scenarios

LAUNCHER = """\
launcher: l{n}
title: facturesfournisseurs {n}
description: Factures fournisseurs reçues par mail
schedule: "*/5 * * * *"
source:
  protocol: imap
  connection: gmail_{n}
  path: INBOX
  after: {{action: move, to: Traité}}
  rejected: {{action: keep}}
take: [attachments]
filters:
  - '/.*\\.(?!db).*/'
  - '/(?!brouillon{n}).*\\..*/'
routes:
  - extensions: [pdf]
    send_to: [factures]
  - extensions: [xml, zip]
    send_to: [factures, clients]
  - extensions: ["*"]
    send_to: [clients]
backup: {{keep_days: 30}}
limits: {{max_item_mb: 150, max_documents: 5000}}
owner: compta
"""
SCENARIOS = """\
scenarios:
  factures: {driver: folder, path: /ged/wait/factures}
  clients: {driver: ezged, connection: ezged, waitdir: clients}
"""


def main(number: int = 1000) -> None:
    """Write the files, read them five times."""
    with tempfile.TemporaryDirectory() as folder:
        launchers = Path(folder, "launchers")
        launchers.mkdir()
        Path(folder, "scenarios.yaml").write_text(SCENARIOS, "utf-8")
        for n in range(number):
            (launchers / f"l{n}.yaml").write_text(LAUNCHER.format(n=n), "utf-8")
        wall, cpu = [], []
        for _ in range(5):
            start, worked = time.perf_counter(), time.process_time()
            loaded = load_directory(launchers, load_scenarios(Path(folder, "scenarios.yaml")))
            wall.append(time.perf_counter() - start)
            cpu.append(time.process_time() - worked)
        wrong = sum(len(entry.errors) for entry in loaded)
        print(
            f"{number} launchers, {wrong} errors: first {wall[0]:.3f} s, best {min(wall):.3f} s, CPU {min(cpu):.3f} s"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
