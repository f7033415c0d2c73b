"""`ezcold why TEXT`: everything known of an item or document, in order."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from ezcold_operators.cli.context import airflow_connection
from ezcold_operators.cli.output import labelled, print_json
from ezcold_operators.config import credentials as connections
from ezcold_operators.config.settings import Settings
from ezcold_operators.i18n import _
from ezcold_operators.ledger import history
from ezcold_operators.ledger.ledger import Ledger
from ezcold_operators.rooms.base import ledger_url


def why(text: str, as_json: bool) -> int:
    """0 found, 1 not found."""
    connections.set_fallback(airflow_connection)
    settings = Settings.from_env()
    with Ledger.open(ledger_url(settings, connections.resolve)) as ledger, ledger.read() as conn:
        found = [history.item_history(conn, item_id) for item_id in history.find_items(conn, text)]
    if as_json:
        print_json([_plain(one) for one in found])
    elif not found:
        print(_("nothing known of “{text}”: it was never listed at a watched source").format(text=text))
    for one in [] if as_json else found:
        _show(one)
    return 0 if found else 1


def _plain(one: dict[str, Any]) -> dict[str, Any]:
    """JSON columns as JSON, the reader's own process columns left out."""
    item = {k: v for k, v in one["item"].items() if k not in {"claimed_by", "claimed_until"}}
    item["handle"] = json.loads(item["handle"])
    item["envelope"] = json.loads(item["envelope"]) if item["envelope"] else None
    documents = [{**d, "metadata": json.loads(d["metadata"])} for d in one["documents"]]
    hidden = {"claimed_by", "claimed_until"}
    deliveries = [{k: v for k, v in d.items() if k not in hidden} for d in one["deliveries"]]
    return {"item": item, "documents": documents, "deliveries": deliveries, "events": one["events"]}


def _when(seconds: float | None) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S") if seconds is not None else "?"


def _show(one: dict[str, Any]) -> None:
    item = one["item"]
    names = {d["id"]: d["name"] or _("(no name)") for d in one["documents"]}
    title = item["subject"] or item["name"] or item["source_key"]
    print(f"{item['id']}  {title}  [{item['launcher']}, {STATES.get(item['state'], item['state'])}]")
    for label, value in ((_("from"), item["sender"]), (_("source"), item["source_key"]), ("sha256", item["sha256"])):
        if value:
            print("  " + labelled(label, value))
    for event in one["events"]:
        name = names.get(event["document_id"], "")
        parts = [_when(event["at"]), name, WORDS.get(event["what"], event["what"]), event["detail"], event["run_id"]]
        print("  " + "  ".join(part for part in parts if part))
    for d in one["deliveries"]:
        state = STATES.get(d["state"], d["state"])
        line = f"  d{d['document_id']} {names.get(d['document_id'], '?')} -> " + labelled(d["scenario"], state)
        print("  ".join(part for part in (line, d["receipt"] or d["last_error"]) if part))
    if item["reason"]:
        print(f"  {item['reason']}")
    print()


STATES = {
    "staged": _("fetched"), "decoded": _("waiting for its receipts"), "settled": _("settled"),
    "quarantined": _("in quarantine"), "missing": _("to be fetched again"), "owed": _("owed"),
    "sending": _("being sent"), "sent": _("sent"), "dismissed": _("dismissed"),
}  # fmt: skip
WORDS = {
    "fetched": _("fetched"), "missing": _("could not be read"), "duplicate": _("same bytes as item"),
    "downloaded": _("downloaded from the pages"),
    "needless": _("index not needed any more"), "joined": _("a part of the mail that item has"),
    "decoded": _("decoded, documents:"), "undecoded": _("could not be decoded"), "accepted": _("accepted for"),
    "rejected": _("left out"), "quarantined": _("quarantined"), "sent": _("sent to"), "refused": _("refused by"),
    "acknowledged": _("acknowledged at the source:"), "settled": _("settled"),
    "failed": _("could not be acknowledged"), "replayed": _("taken out of quarantine by"),
    "dismissed": _("dismissed by"), "resent": _("to be sent again to"),
    "renamed": _("launcher renamed from"), "envelope": _("envelope"),
}  # fmt: skip
