"""`python -m ezcold_operators.demo`: see the package. `--bare` starts Airflow alone, on this checkout's own dags/."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx2
import yaml
from rich.console import Console

from ezcold_operators.demo.airflow import LOGIN, ROOT, Airflow
from ezcold_operators.demo.mails import scans
from ezcold_operators.demo.mailserver import MailServer
from ezcold_operators.demo.processes import Processes
from ezcold_operators.demo.report import show
from ezcold_operators.i18n import _

HOME = Path(os.environ.get("EZCOLD_DEMO_HOME") or ROOT / ".demo")
PARSE_SECONDS, RUN_SECONDS = 120.0, 240.0
LOCK = "lock"
LAUNCHERS = ("factures_mail", "courrier_scan")
FILTERS = [r"/.*\.(?!db).*/", r"/(?!brouillon).*\..*/"]


def scenarios(home: Path) -> dict[str, Any]:
    """Two waiting directories below the demo's own folder."""
    waiting = home / "ged" / "ocr" / "wait"
    parts = str(home / "ged" / "ocr" / ".parts")
    both = {"facturesfournisseurs": 87, "documentsclients": 69}
    return {
        name: {"number": number, "driver": "folder", "path": str(waiting / name), "parts": parts}
        for name, number in both.items()
    }


def launchers(home: Path) -> list[dict[str, Any]]:
    """A mailbox and a folder of scans."""
    clients, invoices = ["documentsclients"], ["facturesfournisseurs"]
    return [
        {
            "launcher": "factures_mail",
            "title": "Factures reçues par mail",
            "description": "La boîte factures@mairie-exemple.fr, servie par pymap",
            "source": {
                "protocol": "imap",
                "connection": "demo_mail",
                "path": "INBOX",
                "after": {"action": "move", "to": "Traité"},
            },
            "filters": FILTERS,
            "routes": [
                {"extensions": ["pdf"], "send_to": invoices},
                {"extensions": ["xml", "zip"], "send_to": invoices + clients},
                {"extensions": ["*"], "send_to": clients},
            ],
            "backup": {"keep_days": 30},
            "owner": "compta",
        },
        {
            "launcher": "courrier_scan",
            "title": "Courrier numérisé",
            "description": f"Déposez un PDF dans {home / 'scans'}, puis lancez ce DAG",
            "source": {
                "protocol": "folder",
                "path": str(home / "scans" / "*.*"),
                "subfolders": True,
                "settle_seconds": 1,
                "after": {"action": "move", "to": str(home / "scans_traites")},
            },
            "filters": FILTERS,
            "routes": [{"extensions": ["pdf", "tif"], "send_to": clients}],
            "owner": "accueil",
        },
    ]


def prepare(home: Path) -> None:
    """A fresh folder: every demo begins at the beginning."""
    for old in home.iterdir():
        if old.name != LOCK:
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    (home / "launchers").mkdir(parents=True)
    for scenario in scenarios(home).values():
        Path(scenario["path"]).mkdir(parents=True)
    write(home / "scenarios.yaml", {"scenarios": scenarios(home)})
    for launcher in launchers(home):
        write(home / "launchers" / f"{launcher['launcher']}.yaml", launcher)
    long_ago = 60
    for name, content in scans().items():
        file = home / "scans" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        os.utime(file, (file.stat().st_atime - long_ago, file.stat().st_mtime - long_ago))


class Plain(yaml.SafeDumper):
    """Writes no aliases: a launcher may not hold any."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def write(file: Path, content: dict[str, Any]) -> None:
    """YAML as a person would read it."""
    file.write_text(yaml.dump(content, Dumper=Plain, allow_unicode=True, sort_keys=False), encoding="utf-8")


@contextmanager
def progress(console: Console) -> Iterator[Callable[[str], None]]:
    """One line that changes on a terminal; a line a change elsewhere."""
    if console.is_terminal:
        with console.status("") as status:
            yield lambda text: status.update(text)
        return
    last = [""]

    def say(text: str) -> None:
        if text != last[0]:
            last[0] = text
            console.print(f"  {text}", highlight=False, soft_wrap=True)

    yield say


def start(console: Console, airflow: Airflow) -> None:
    """Airflow up, with its time."""
    begun = monotonic()
    console.print(_("[bold]Airflow starts[/bold] (about half a minute)"))
    with progress(console) as say:
        airflow.start(say)
    airflow.sign_in()
    console.print(_("Airflow is up after {seconds:.0f} s").format(seconds=monotonic() - begun))


def wait_for_dags(airflow: Airflow, say: Callable[[str], None]) -> None:
    """:raises RuntimeError: the DAGs did not appear."""
    deadline = monotonic() + PARSE_SECONDS
    while missing := set(LAUNCHERS) - airflow.dags():
        airflow.alive()
        if monotonic() > deadline:
            names = ", ".join(sorted(missing))
            raise RuntimeError(_("Airflow did not show {names} in {s:.0f} s").format(names=names, s=PARSE_SECONDS))
        say(_("waiting for the DAGs {names}").format(names=", ".join(sorted(missing))))
        sleep(0.5)


def run_both(airflow: Airflow, say: Callable[[str], None]) -> dict[str, str]:
    """Run both launchers; the state in which each run ended."""
    runs = {dag_id: airflow.run(dag_id) for dag_id in LAUNCHERS}
    states = dict.fromkeys(runs, "queued")
    deadline = monotonic() + RUN_SECONDS
    while not set(states.values()) <= {"success", "failed"}:
        airflow.alive()
        if monotonic() > deadline:
            raise RuntimeError(f"the runs did not end within {RUN_SECONDS:.0f} s: {states}")
        told = []
        for dag_id, run_id in runs.items():
            states[dag_id], tasks = airflow.state(dag_id, run_id)
            done = [name for name, state in tasks.items() if state in {"success", "skipped", "failed"}]
            told.append(
                _("{launcher} {state}, {done} of {all} tasks").format(
                    launcher=dag_id, state=states[dag_id], done=len(done), all=len(tasks)
                )
            )
        say("; ".join(told))
        sleep(0.5)
    return states


def wait_for_the_end(console: Console) -> None:
    """Until Ctrl-C."""
    console.print(_("[bold]Ctrl-C stops everything.[/bold]"))
    while True:
        signal.pause()


def address(console: Console, airflow: Airflow) -> None:
    """Where to look, and as whom."""
    text = _("\n[bold]Airflow[/bold]  {url}   login [bold]{login}[/bold]   password [bold]{password}[/bold]")
    console.print(text.format(url=airflow.url, login=LOGIN, password=airflow.password), highlight=False)


def demo(console: Console) -> int:
    """The whole of it; 1 if a run failed or nothing arrived."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(_("a demo is running in {home} already: stop it first").format(home=HOME)) from None
        prepare(HOME)
        return _demo(console)


def _demo(console: Console) -> int:
    settings = {
        "EZCOLD_HOME": str(HOME / "ezcold"),
        "EZCOLD_LAUNCHERS_DIR": str(HOME / "launchers"),
        "EZCOLD_SCENARIOS": str(HOME / "scenarios.yaml"),
        "EZCOLD_LEDGER_URL": "",
    }
    with Processes(HOME / "logs", os.environ) as others:
        server = MailServer(others)
        settings["AIRFLOW_CONN_DEMO_MAIL"] = server.connection
        console.print(
            _("A mail server on 127.0.0.1:{port} holds {mails} mails; {files} files wait").format(
                port=server.port, mails=server.fill(), files=len(scans())
            )
        )
        with Airflow(HOME / "airflow", settings) as airflow:
            return _play(console, airflow, server)


def _play(console: Console, airflow: Airflow, server: MailServer) -> int:
    start(console, airflow)
    with progress(console) as say:
        wait_for_dags(airflow, say)
        states = run_both(airflow, say)
    count = show(console, HOME / "ezcold" / "ledger.db", list(LAUNCHERS), HOME / "ged" / "ocr" / "wait")
    runs = ", ".join(f"{name} {state}" for name, state in states.items())
    folders = ", ".join(f"{name} {number}" for name, number in sorted(server.folders().items()))
    console.print(_("\nRuns: {runs}. Mails now: {folders}.").format(runs=runs, folders=folders))
    address(console, airflow)
    if os.environ.get("EZCOLD_DEMO_EXIT") != "1":
        text = _("Launchers: {home}/launchers. Put a PDF into {home}/scans and run courrier_scan again.")
        console.print(text.format(home=HOME))
        wait_for_the_end(console)
    return int(set(states.values()) != {"success"} or count == 0)


def bare(console: Console) -> int:
    """Airflow on dags/ and plugins/ of this checkout; its home is AIRFLOW_HOME or .airflow/ here, and is kept."""
    home = Path(os.environ.get("AIRFLOW_HOME") or ROOT / ".airflow").absolute()
    home.mkdir(parents=True, exist_ok=True)
    if home == ROOT / ".airflow":
        (home / ".gitignore").write_text("*\n")
    with Airflow(home, {}) as airflow:
        start(console, airflow)
        address(console, airflow)
        wait_for_the_end(console)
    return 0


def _interrupt(*_args: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Exit code 0 when asked to stop, 1 with a sentence when something failed."""
    console = Console(width=None if sys.stdout.isatty() else 160)
    # SIGINT too: a shell starts what runs in its background with SIGINT ignored, and Python then leaves it so.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        return bare(console) if "--bare" in sys.argv[1:] else demo(console)
    except KeyboardInterrupt:
        console.print(_("stopped"))
        return 0
    except (RuntimeError, OSError, httpx2.HTTPError) as error:
        console.print(f"[red]{error}[/red]", soft_wrap=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
