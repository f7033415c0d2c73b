"""What a listing can leave out: a folder that stands still, and in a large one the blocks of mails that stand still.

A mark holds the folder's counts with a few fingerprints, and for each block of neighbouring UIDs a digest of UIDs,
sizes and dates of arrival, and the fingerprints of its first and last mail. So one new mail among 50,000 kept ones
costs the headers of one block, not of all (which on Gmail would soon be more than it gives out in a day). UIDs alone
would not do: a server that lost its index may number the same mails in another order under the same UIDVALIDITY.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ezcold_operators.sources.imap_parse import Fetched

LARGE = 1000
"""Mails from which on blocks are kept; the headers of fewer are simply read again."""
SURVEY = "UID RFC822.SIZE INTERNALDATE"
SHIFT = 9
"""A block is 2**SHIFT UIDs at least, more where the UIDs lie far apart."""
BLOCKS = 512


def digest(value: Any) -> str:
    """Short, of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:32]


class Mark:
    """A mark's two parts; the blocks count only under the same UIDVALIDITY."""

    def __init__(self, head: str = "", validity: int = 0, shift: int = SHIFT, blocks: Mapping[int, str] | None = None):
        self.head, self.validity, self.shift, self.blocks = head, validity, shift, dict(blocks or {})

    @classmethod
    def parse(cls, text: str | None) -> Mark:
        """An empty one for what is no mark of ours."""
        try:
            head, validity, shift, blocks = json.loads(text or "null")
            return cls(str(head), int(validity), int(shift), {int(k): str(v) for k, v in blocks.items()})
        except (ValueError, TypeError, AttributeError):
            return cls()

    def __str__(self) -> str:
        return json.dumps([self.head, self.validity, self.shift, self.blocks], separators=(",", ":"))


class Survey:
    """The blocks of a folder as it is now, beside those of its mark.

    :param listing: answers to SURVEY.
    """

    def __init__(self, validity: int, old: Mark, listing: Mapping[int, Fetched]) -> None:
        self.validity = validity
        self.shift = old.shift if old.validity == validity else SHIFT
        while len({uid >> self.shift for uid in listing}) > BLOCKS:
            self.shift += 1
        self._old = old.blocks if (old.validity, old.shift) == (validity, self.shift) else {}
        self.blocks: dict[int, list[int]] = {}
        for uid in sorted(listing):
            self.blocks.setdefault(uid >> self.shift, []).append(uid)
        rows = {uid: (uid, v.get(b"RFC822.SIZE"), str(v.get(b"INTERNALDATE"))) for uid, v in listing.items()}
        self._rows = {block: digest([rows[uid] for uid in uids]) for block, uids in self.blocks.items()}

    def probes(self) -> list[int]:
        """UIDs whose fingerprints decide whether a block that seems to stand still does."""
        same = [uids for block, uids in self.blocks.items() if self._old.get(block, "").startswith(self._rows[block])]
        return sorted({uid for uids in same for uid in (uids[0], uids[-1])})

    def entry(self, block: int, proofs: Mapping[int, str]) -> str | None:
        """What a mark keeps of a block; None where a fingerprint is missing."""
        first, last = proofs.get(self.blocks[block][0]), proofs.get(self.blocks[block][-1])
        return None if first is None or last is None else f"{self._rows[block]}{digest([first, last])}"

    def still(self, proofs: Mapping[int, str]) -> set[int]:
        """Blocks that are as the mark has them."""
        return {
            block for block in self.blocks.keys() & self._old.keys() if self.entry(block, proofs) == self._old[block]
        }

    def kept(self, proofs: Mapping[int, str], unreadable: set[int]) -> dict[int, str]:
        """The blocks for the next mark, without those that hold a mail which could not be read."""
        entries = {b: self.entry(b, proofs) for b, uids in self.blocks.items() if not unreadable & set(uids)}
        return {block: entry for block, entry in entries.items() if entry is not None}
