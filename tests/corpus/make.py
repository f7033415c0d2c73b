"""Writes the corpus: `python tests/corpus/make.py`; run again after a change, the files are committed.

Each mail stands in mails/NAME.eml with what must be found in it in mails/NAME.json.
"""

from __future__ import annotations

import json
from pathlib import Path

import cases_encodings
import cases_headers
import cases_names
import cases_structure
from build import Case

MAILS = Path(__file__).parent / "mails"


def all_cases() -> list[Case]:
    """Every case; a name is used once."""
    found = [
        case for module in (cases_structure, cases_encodings, cases_names, cases_headers) for case in module.cases()
    ]
    names = [case.name for case in found]
    assert len(names) == len(set(names)), sorted(name for name in names if names.count(name) > 1)
    return found


def main() -> None:
    """Write all files and remove those that no case makes any more."""
    MAILS.mkdir(exist_ok=True)
    kept = set()
    for case in all_cases():
        for suffix, data in ((".eml", case.raw), (".json", _json(case))):
            file = MAILS / (case.name + suffix)
            file.write_bytes(data)
            kept.add(file.name)
    for file in MAILS.iterdir():
        if file.name not in kept:
            file.unlink()
    print(f"{len(kept) // 2} mails in {MAILS}")


def _json(case: Case) -> bytes:
    return json.dumps(case.expected(), indent=1, ensure_ascii=False, sort_keys=True).encode() + b"\n"


if __name__ == "__main__":
    main()
