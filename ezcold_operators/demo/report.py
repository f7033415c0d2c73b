"""What became of every document, read from the ledger and from the waiting directories."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import Connection, select

from ezcold_operators.i18n import _
from ezcold_operators.ledger.history import item_history
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.ledger.tables import item


def show(console: Console, ledger_file: Path, launchers: list[str], waiting: Path) -> int:
    """Print a table a launcher and what lies in each waiting directory; how many documents lie there."""
    with Ledger.open(f"sqlite:///{ledger_file.absolute()}") as ledger, ledger.read() as conn:
        for launcher in launchers:
            table = Table(title=f"\n{launcher}", title_justify="left", title_style="bold", expand=True)
            table.add_column(_("From"), ratio=3, overflow="fold")
            table.add_column(_("Document"), ratio=3, overflow="fold")
            table.add_column(_("Where it went, or why not"), ratio=5, overflow="fold")
            for row in _rows(conn, launcher):
                table.add_row(*row)
            console.print(table)
    console.print(_("\n[bold]Waiting directories[/bold] (what EzGED will pick up)"))
    count = 0
    for folder in sorted(path for path in waiting.iterdir() if path.is_dir()):
        files = sorted(file.name for file in folder.iterdir())
        count += len(files)
        console.print(
            _("  {folder}  [dim]{count} file(s)[/dim]").format(folder=folder, count=len(files)),
            soft_wrap=True,
            highlight=False,
        )
        for name in files:
            console.print(f"    {name}", markup=False, soft_wrap=True, highlight=False)
    return count


def _rows(conn: Connection, launcher: str) -> Iterator[tuple[str, str, str]]:
    ids = conn.execute(select(item.c.id).where(item.c.launcher == launcher).order_by(item.c.id)).scalars().all()
    for item_id in ids:
        history = item_history(conn, item_id)
        of = history["item"]
        origin = escape(of["name"]) or f"{escape(of['subject'])}\n[dim]{escape(of['sender'])}[/dim]"
        if not history["documents"]:
            yield origin, "-", escape(of["reason"]) or _("[dim]nothing to take: no attachment[/dim]")
        for document in history["documents"]:
            yield origin, escape(document["name"] or _("(no name)")), "\n".join(_fate(document, history["deliveries"]))
            origin = ""


def _fate(document: dict[str, Any], deliveries: list[dict[str, Any]]) -> Iterator[str]:
    mine = [delivery for delivery in deliveries if delivery["document_id"] == document["id"]]
    for delivery in mine:
        if delivery["state"] == "sent":
            name = escape(Path(delivery["final"]).name)
            yield _("[green]{scenario}[/green] as {name}").format(scenario=delivery["scenario"], name=name)
        else:
            yield f"[red]{delivery['scenario']}: {delivery['state']} {escape(delivery['last_error'])}[/red]"
    if not mine:
        yield f"[yellow]{document['verdict']}[/yellow]: {escape(document['reason'])}"
