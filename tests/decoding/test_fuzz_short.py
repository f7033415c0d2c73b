"""The short form of tests/decoding/fuzz.py: a few hundred mutants from a seed that is printed."""

from __future__ import annotations

import random

from tests.decoding.fuzz import CORPUS, fuzz


def test_a_few_hundred_mutants() -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    seeds = [file.read_bytes() for file in sorted(CORPUS.glob("*.eml")) if file.stat().st_size < 20_000]
    tried, _ = fuzz(4, seed, seeds)
    assert tried > 20
