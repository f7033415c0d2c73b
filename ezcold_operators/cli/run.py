"""`ezcold run FILE`: the whole river once."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Any

from ezcold_operators.cli.context import ledger_name, load, new_run_id, progress
from ezcold_operators.cli.output import print_json
from ezcold_operators.i18n import _, ngettext
from ezcold_operators.rooms.base import River
from ezcold_operators.rooms.river import Run


def run(file: Path, as_json: bool) -> int:
    """Exit code of the contract."""
    gc.freeze()  # modules live as long as we do: the collector need not look through them again and again
    launcher, scenarios, settings = load(file)
    print(_("ledger: {url}").format(url=ledger_name(settings)), file=sys.stderr)
    if launcher.reprise is not None:
        print(_("an archive is taken by backfills only (`ezcold reprise`): this run pays debts"), file=sys.stderr)
    with progress() as show, River.open(launcher, scenarios, settings, new_run_id(), progress=show) as river:
        work = Run(river)
        counts = work.rooms()
    if as_json:
        print_json(counts)
    else:
        show_counts(counts)
    for error in counts["errors"]:
        print(error, file=sys.stderr)
    return work.exit_code(counts)


def show_counts(counts: dict[str, Any]) -> None:
    """The run in words."""
    n = counts["fetched"]
    print(ngettext("{n} item fetched", "{n} items fetched", n).format(n=n))
    n = counts["documents"]
    print(ngettext("{n} document found", "{n} documents found", n).format(n=n))
    for scenario, n in counts["sent"].items():
        print(ngettext("{n} document sent to {to}", "{n} documents sent to {to}", n).format(n=n, to=scenario))
    n = counts["rejected"]
    print(ngettext("{n} document left out", "{n} documents left out", n).format(n=n))
    n = counts["settled"]
    print(ngettext("{n} item settled", "{n} items settled", n).format(n=n))
    n = counts["quarantined"]
    if n:
        print(ngettext("{n} item quarantined", "{n} items quarantined", n).format(n=n))
    n = counts["owed"]
    if n:
        print(ngettext("{n} delivery still owed", "{n} deliveries still owed", n).format(n=n))
