"""The folder driver beside a plain loop of copy, fsync, rename: documents per second into a waiting directory.

    python -m benchmarks.dispatch [--documents 1000] [--bytes 100000] [--rounds 5] [--folder DIR]

Both write the same documents to the same disk, in turn, so that a busy machine slows both. What counts is the ratio of
the medians. The plain loop promises less: it syncs no folder.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

from ezcold_operators.cold import create
from ezcold_operators.cold.base import Outgoing, Prepared
from ezcold_operators.config.scenario import Scenario

BATCH = 200
"""As the dispatch room."""


def documents(folder: Path, count: int, size: int) -> list[Outgoing]:
    """A stage full of them."""
    out = []
    for number in range(count):
        data = os.urandom(size)
        file = folder / f"{number}"
        file.write_bytes(data)
        out.append(Outgoing(number, file, size, hashlib.sha256(data).hexdigest(), f"facture {number}.pdf"))
    return out


def plain(batch: Sequence[Outgoing], root: Path) -> None:
    """What one would write in ten lines."""
    waiting, parts = root / "wait", root / "parts"
    waiting.mkdir()
    parts.mkdir()
    for outgoing in batch:
        part = parts / str(outgoing.delivery_id)
        with outgoing.file.open("rb") as source, part.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
        part.rename(waiting / outgoing.name)


def driver(batch: Sequence[Outgoing], root: Path) -> None:
    """The driver, in the batches of the dispatch room."""
    waiting = root / "wait"
    waiting.mkdir()
    with create(Scenario(id="s", driver="folder", path=str(waiting))).open(None) as entrance:
        rest = iter(batch)
        while some := list(islice(rest, BATCH)):
            ready = [one for one in entrance.prepare(some) if isinstance(one, Prepared)]
            sent = list(entrance.deliver(list(zip(ready, some, strict=True))))
            if any(one.error for one in sent):
                raise SystemExit("the driver failed")


def timed(work: Callable[[Sequence[Outgoing], Path], None], batch: Sequence[Outgoing], folder: Path) -> float:
    """Seconds; also that everything arrived."""
    root = Path(tempfile.mkdtemp(dir=folder))
    os.sync()
    began = time.perf_counter()
    work(batch, root)
    took = time.perf_counter() - began
    arrived = [path.stat().st_size for path in (root / "wait").iterdir()]
    if sorted(arrived) != sorted(outgoing.size for outgoing in batch):
        raise SystemExit("not everything arrived")
    shutil.rmtree(root)
    return took


def main() -> None:
    """Print the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--bytes", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        (folder / "stage").mkdir()
        batch = documents(folder / "stage", options.documents, options.bytes)
        times: dict[str, list[float]] = {"copy, fsync, rename": [], "folder driver": []}
        for _round in range(options.rounds):
            times["copy, fsync, rename"].append(timed(plain, batch, folder))
            times["folder driver"].append(timed(driver, batch, folder))
    medians = {name: statistics.median(took) for name, took in times.items()}
    for name, took in medians.items():
        print(f"{name:22} {took:7.2f} s  {options.documents / took:8.0f} documents/s")
    ratio = medians["copy, fsync, rename"] / medians["folder driver"]
    print(f"the driver runs at {ratio:.0%} of the plain loop's speed (wanted: at least 90 %)")


if __name__ == "__main__":
    main()
