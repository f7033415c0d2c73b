"""Envelopes of the French public sector, as Adullact's platforms hand them over: ACTES, Hélios PES V2, Chorus Pro.

`decode_envelope` recognises an envelope by its content, hands on its files, and says what is known of it under the keys
of the contract. It never fails for what an envelope holds: rules that it breaks stand in `Decoded.quarantined`.
"""

from __future__ import annotations

from pathlib import Path

from ezcold_operators.decoding.adullact.assemble import assemble
from ezcold_operators.decoding.adullact.recognise import is_container
from ezcold_operators.decoding.adullact.work import Work
from ezcold_operators.decoding.adullact.xml import XmlRefused
from ezcold_operators.decoding.base import Decoded, Options
from ezcold_operators.decoding.limits import LimitExceeded

__all__ = ["decode_envelope"]


def decode_envelope(raw: Path, workdir: Path, options: Options, prefix: str = "") -> Decoded | None:
    """The documents and facts of one envelope, or None if this file is none.

    XML with a DOCTYPE is quarantined even when its type cannot be known; so is a damaged or hostile archive, but only
    where nothing but envelopes is expected (`kind` adullact): elsewhere it is the archive decoder's.

    :param raw: one file: an XML, a PDF, an archive, or the bundle in which the source hands over files side by side.
    :param workdir: an existing directory of ours; new files get names of ours, which begin with `prefix`.
    :raises ConfigurationError: a Factur-X comes and pypdf is not installed, or `EZCOLD_XSD_DIR` is wrong.
    """
    work = Work(workdir, options, raw.stat().st_size, prefix)
    try:
        work.envelope = assemble(raw, work, options)
    except (LimitExceeded, XmlRefused) as refused:
        work.problem(str(refused))
    work.clear()
    if work.envelope is not None or (work.broken and (options.kind == "adullact" or not is_container(raw))):
        return work.result()
    return None
