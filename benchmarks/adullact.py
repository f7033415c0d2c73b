"""Memory and time of a large PES: `python benchmarks/adullact.py [megabytes]` (default 500; exit 1 over 200 MB of RSS).

A PES_Aller is written with 100,000 mandats and random pieces of 40 MB (gzip in base64), then decoded in its own
process, whose peak is VmHWM (getrusage would count its parent's). Every piece is compared by its sha256.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROMISE_MB = 200
PIECE = 40 << 20
HEAD = (
    '<?xml version="1.0" encoding="ISO-8859-1"?>\n'
    '<n:PES_Aller xmlns:n="http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/aller"><Enveloppe><Parametres>'
    '<Version V="2"/><TypFic V="PESALR2"/><NomFic V="GRAND"/></Parametres></Enveloppe><EnTetePES>'
    '<DteStr V="2024-01-01"/></EnTetePES><PES_DepenseAller>'
)


def write_pes(file: Path, megabytes: int) -> list[str]:
    """A PES of about this size; gives the sha256 of its pieces."""
    sums = []
    with file.open("w", encoding="iso-8859-1") as out:
        out.write(HEAD)
        for number in range(100):
            out.write(f'<Bordereau><BlocBordereau><Exer V="2024"/><IdBord V="{number}"/></BlocBordereau>')
            for piece in range(1000):
                out.write(
                    f'<Piece><BlocPiece><InfoPce><IdPce V="{number}{piece:04d}"/><Obj V="FOURNITURES"/>'
                    "</InfoPce></BlocPiece></Piece>"
                )
            out.write("</Bordereau>")
        out.write("</PES_DepenseAller><PES_PJ>")
        while out.tell() < megabytes * 1_000_000 - PIECE:
            data = os.urandom(PIECE)
            sums.append(hashlib.sha256(data).hexdigest())
            zipped = io.BytesIO()
            with gzip.GzipFile(fileobj=zipped, mode="wb", compresslevel=1) as squeeze:
                squeeze.write(data)
            text = base64.b64encode(zipped.getvalue()).decode()
            out.write(f'<PJ><Contenu><Fichier MIMEType="application/pdf">{text}</Fichier></Contenu>')
            out.write(f'<IdUnique V="U{len(sums)}"/><NomPJ V="{len(sums)}.pdf"/></PJ>')
        out.write("</PES_PJ></n:PES_Aller>")
    return sums


def peak_kb() -> int:
    """This process's highest resident size (proc(5), Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def decode(file: Path) -> None:
    """In the child: decode, and say what it cost."""
    from ezcold_operators.decoding.adullact import decode_envelope
    from ezcold_operators.decoding.base import Limits, Options

    start = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=file.parent) as work:
        options = Options(kind="adullact", name=file.name, limits=Limits(max_item_mb=2000))
        found = decode_envelope(file, Path(work), options)
        assert found is not None
        cost = {
            "seconds": round(time.perf_counter() - start, 1),
            "peak_mb": peak_kb() // 1024,
            "pieces": [document.sha256 for document in found.documents if document.role == "piece"],
            "quarantined": found.quarantined,
        }
    print(json.dumps(cost))


def main(megabytes: int) -> int:
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "pes.xml"
        sums = write_pes(file, megabytes)
        child = subprocess.run(
            [sys.executable, __file__, "--decode", str(file)],
            capture_output=True,
            check=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        )
        cost = json.loads(child.stdout)
        size = file.stat().st_size // 1_000_000
    right = cost["pieces"] == sums and cost["quarantined"] is None
    print(f"PES of {size} MB, {len(sums)} pieces: {cost['seconds']} s, peak {cost['peak_mb']} MB, right: {right}")
    return 0 if right and cost["peak_mb"] < PROMISE_MB else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--decode"]:
        decode(Path(sys.argv[2]))
    else:
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 500))
