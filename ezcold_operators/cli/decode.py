"""`ezcold decode FILE ...`: what is found in a file; writes nothing but a temporary folder."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from ezcold_operators.cli.output import labelled, print_json
from ezcold_operators.decoding.base import Decoded, Options
from ezcold_operators.decoding.guard import DecoderProcess
from ezcold_operators.decoding.requests import Failure, Request
from ezcold_operators.filtering import link_of
from ezcold_operators.i18n import _

EVERYTHING = ("mail", "outlook", "tnef", "smime", "archive", "envelope")


def decode(files: list[Path], as_json: bool) -> int:
    """0; 1 if any was quarantined or could not be read."""
    bad = False
    with tempfile.TemporaryDirectory(prefix="ezcold-decode-") as folder, DecoderProcess() as decoder:
        for n, file in enumerate(files):
            answer = _one(decoder, file, Path(folder) / str(n))
            bad = bad or bool(answer["quarantined"] or answer["error"])
            print_json(answer) if as_json else _show(answer)
    return 1 if bad else 0


def _one(decoder: DecoderProcess, file: Path, workdir: Path) -> dict[str, Any]:
    empty: dict[str, Any] = {
        "file": str(file), "documents": [], "references": [], "envelope": None, "quarantined": None, "error": None,
    }  # fmt: skip
    if not file.is_file():
        return empty | {"error": _("{file} is not a file").format(file=file)}
    workdir.mkdir()
    options = Options(kind="any", name=file.name, unpack=EVERYTHING)
    for _request, answer in decoder.map([Request(file.resolve(), workdir, options)]):
        if isinstance(answer, Failure):
            return empty | {"quarantined": answer.reason}
        return empty | _plain(answer)
    return empty


def _plain(answer: Decoded) -> dict[str, Any]:
    documents = []
    for one in (one for one in answer.documents if one.role != "reference"):
        document: dict[str, Any] = {
            "name": one.name, "path": one.path, "media_type": one.media_type, "size": one.size, "sha256": one.sha256,
            "sniffed": one.sniffed, "role": one.role, "inline": one.inline,
        }  # fmt: skip
        if one.metadata:
            document["metadata"] = dict(one.metadata)
        documents.append(document)
    envelope = answer.envelope
    references = [
        {"name": one.name, "path": one.path, **one.metadata} for one in answer.documents if one.role == "reference"
    ]
    return {
        "documents": documents,
        "references": references,
        "envelope": {"type": envelope.type, "metadata": dict(envelope.metadata)} if envelope else None,
        "quarantined": answer.quarantined,
    }


def _show(answer: dict[str, Any]) -> None:
    print(answer["file"])
    if answer["envelope"]:
        print("  " + labelled(_("envelope"), answer["envelope"]["type"]))
        for key, value in answer["envelope"]["metadata"].items():
            print(f"    {key}: {value}")
    for one in answer["documents"]:
        print(f"  {one['path']}  {one['name'] or _('(no name)')}  {one['size']}  {one['media_type']}  {one['role']}")
    for one in answer["references"]:
        label = labelled(_("only a link"), link_of(one))
        print(f"  {one['path']}  {one['name'] or _('(no name)')}  {label}")
    for key, label in (("quarantined", _("quarantined")), ("error", _("error"))):
        if answer[key]:
            print("  " + labelled(label, answer[key]))
