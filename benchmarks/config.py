"""How long do launchers take to be read and checked, as Airflow's parser does at each interval?

python benchmarks/config.py [NUMBER]        default 1000; prints seconds, the best of five, and one launcher's share
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from ezcold_operators.config.loader import load_directory, load_launcher, load_scenarios

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
        times = []
        for _ in range(5):
            start = time.perf_counter()
            loaded = load_directory(launchers, load_scenarios(Path(folder, "scenarios.yaml")))
            times.append(time.perf_counter() - start)
        start = time.perf_counter()
        load_launcher(launchers / "l0.yaml")
        one = time.perf_counter() - start
        wrong = sum(len(entry.errors) for entry in loaded)
        print(
            f"{number} launchers: first {times[0]:.3f} s, best {min(times):.3f} s, errors {wrong}; one: {one * 1000:.2f} ms"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
