"""7z archives, unpacked by py7zr in a child process of limited memory: the library holds 128 MB before it writes."""

from __future__ import annotations

import json
import os
import subprocess  # nosec: our own script and interpreter, no shell
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from ezcold_operators.i18n import _

from ..errors import Undecodable
from .limits import SMALL, LimitExceeded
from .members import Members
from .unfolding import Unfolding

MEMORY_BYTES = 1_500_000_000
"""Address space of the child; dictionaries of 7-Zip's highest setting need a third of it."""
CPU_SECONDS = 600
_CHILD = Path(__file__).with_name("sevenzip_child.py")
_PIECE = 1 << 20
_DISK = "disk:"


def open_sevenzip(part: Path, path: str, session: Unfolding) -> None:
    """Open a 7z archive.

    :raises Undecodable: it is damaged, encrypted, or py7zr is not installed; members read before that are given.
    :raises LimitExceeded: it unpacks to more than the limits allow.
    """
    cap, limit = _cap(part.stat().st_size, session)
    with TemporaryDirectory(dir=session.workdir, prefix=session.prefix) as folder:
        lines = _run(part, Path(folder), cap, session)
        members = Members(path, session)
        problem = _("its reader ended without an answer (more memory needed than is allowed?)")
        for line in lines:
            if "name" in line:
                file = Path(folder) / str(line["file"])
                if line.get("refused"):
                    members.refuse(line["name"], line["refused"])
                else:
                    members.give(line["name"], _consume(file))
            problem = line.get("end", problem)
    if problem.startswith(_DISK):
        number = int(problem.removeprefix(_DISK))
        raise OSError(number, os.strerror(number))
    if problem == "limit":
        raise LimitExceeded(limit)
    if problem:
        raise Undecodable(_("the 7z archive cannot be read whole: {problem}").format(problem=problem))
    members.finish()


def _cap(size: int, session: Unfolding) -> tuple[int, str]:
    limits = session.limits
    by_ratio = max(SMALL, size * limits.max_ratio)
    if by_ratio <= limits.max_unfolded_bytes:
        return by_ratio, _("max_ratio: the 7z archive holds over {max_ratio} times its size").format(
            max_ratio=limits.max_ratio
        )
    return limits.max_unfolded_bytes, _("max_item_mb: the 7z archive holds over {max_unfolded_bytes} bytes").format(
        max_unfolded_bytes=limits.max_unfolded_bytes
    )


def _run(part: Path, folder: Path, cap: int, session: Unfolding) -> list[dict[str, str]]:
    task = {
        "archive": str(part.absolute()),
        "folder": str(folder.absolute()),
        "cap": cap,
        "count": session.limits.max_documents,
        "memory": MEMORY_BYTES,
        "seconds": CPU_SECONDS,
        "passwords": list(session.options.passwords),
    }
    done = subprocess.run(  # nosec
        [sys.executable, "-I", str(_CHILD)],
        input=json.dumps(task).encode(),
        capture_output=True,
        check=False,
    )
    lines = []
    for raw in done.stdout.splitlines():
        try:
            lines.append(json.loads(raw))
        except ValueError:
            continue
    return lines


def _consume(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while piece := stream.read(_PIECE):
            yield piece
    file.unlink()
