"""How long Airflow takes to parse 1,000 launchers, beside 1,000 hand-written five-task DAGs in one loop.

Each figure is the best of several fresh processes in turn; imports of Airflow itself are done before the clock runs.
The worker's figure is one task's parse: the DAG file with `get_parsing_context().dag_id` set, ours minus the bare one.
Exit 1 if a bound is missed: 2 times the hand-written DAGs, 100 ms in a worker.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

COUNT = 1000
RATIO, WORKER_MS = 2.0, 100.0
ROUNDS = 3
OURS = Path(__file__).parent.parent / "dags" / "ezcold.py"
BY_HAND = f"""
from datetime import datetime
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator
for number in range({COUNT}):
    with DAG(f"hand_{{number}}", schedule="*/5 * * * *", start_date=datetime(2026, 1, 1), catchup=False,
             tags=["hand"], default_args={{"retries": 2}}) as dag:
        rooms = [BashOperator(task_id=f"room_{{room}}", bash_command="true") for room in range(5)]
        rooms[0] >> rooms[1] >> rooms[2] >> rooms[3] >> rooms[4]
    globals()[dag.dag_id] = dag
"""
LAUNCHER = """launcher: lanceur_{number}
title: "{number} - factures"
description: Factures reçues par mail
schedule: "*/5 * * * *"
source:
  protocol: imap
  connection: boite_{number}
  path: INBOX
  after: {{action: move, to: Traité}}
filters:
  - '/.*\\.(?!db).*/'
  - '/(?!brouillon).*\\..*/'
routes:
  - extensions: [pdf]
    send_to: [facturesfournisseurs]
backup: {{keep_days: 30}}
"""
SCENARIOS = """scenarios:
  facturesfournisseurs: {number: 87, driver: folder, path: /ged/ocr/wait/facturesfournisseurs}
"""
PARSE = """
import json, sys, time
import airflow.sdk, airflow.sdk.definitions.dag, airflow.sdk.bases.operator
from airflow.dag_processing.dagbag import DagBag
if {warm!r}:
    import airflow.timetables.trigger, airflow.timetables.interval
start = time.perf_counter()
bag = DagBag({file!r}, collect_dags=False)
bag.process_file({file!r}, only_if_updated=False)
seconds = time.perf_counter() - start
print(json.dumps([seconds, len(bag.dags), {{k: str(v) for k, v in bag.import_errors.items()}}]))
"""


def parse(file: Path, home: Path, only: str | None = None) -> tuple[float, int]:
    """(seconds, DAGs) of one parse in a fresh process."""
    env = dict(os.environ, AIRFLOW_HOME=str(home), EZCOLD_LAUNCHERS_DIR=str(home / "launchers"))
    env |= {"AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "300"}
    if only:
        env["_AIRFLOW_PARSING_CONTEXT_DAG_ID"] = only
    code = PARSE.format(file=str(file), warm=bool(only))
    done = subprocess.run([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True, check=True)
    seconds, count, errors = json.loads(done.stdout.splitlines()[-1])
    if errors:
        raise SystemExit(f"{file}: {errors}")
    return float(seconds), int(count)


def main() -> int:
    """Print the two tables; the exit code says whether the bounds hold."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "launchers").mkdir()
        (home / "scenarios.yaml").write_text(SCENARIOS)
        for number in range(COUNT):
            (home / "launchers" / f"lanceur_{number}.yaml").write_text(LAUNCHER.format(number=number))
        by_hand, one = home / "by_hand.py", home / "one.py"
        by_hand.write_text(BY_HAND)
        one.write_text(BY_HAND.replace(f"range({COUNT})", "range(1)"))
        rounds = [(parse(by_hand, home), parse(OURS, home)) for _ in range(ROUNDS)]
        workers = [(parse(one, home, "hand_0"), parse(OURS, home, "lanceur_500")) for _ in range(2 * ROUNDS)]
    assert all(ours[1] == hand[1] == COUNT for hand, ours in rounds), rounds
    assert all(ours[1] == hand[1] == 1 for hand, ours in workers), workers
    hand, ours = (min(pair[side][0] for pair in rounds) for side in (0, 1))
    bare, task = (min(pair[side][0] for pair in workers) * 1000 for side in (0, 1))
    print(
        f"{COUNT} DAGs     by hand {hand:6.2f} s    ezcold {ours:6.2f} s    {ours / hand:4.2f} times (at most {RATIO})"
    )
    print(f"one task      by hand {bare:6.0f} ms   ezcold {task:6.0f} ms   (at most {WORKER_MS:.0f})")
    return int(ours / hand > RATIO or task > WORKER_MS)


if __name__ == "__main__":
    sys.exit(main())
