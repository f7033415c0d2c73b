"""Batches: nothing lost, in order, within their bounds, as few as a look at one thing after another allows."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ezcold_operators.batches import batches


@given(st.lists(st.integers(0, 100)), st.integers(1, 10), st.integers(1, 150))
def test_all_in_order_within_bounds(sizes: list[int], most: int, volume: int) -> None:
    made = list(batches(sizes, most, volume, lambda size: size))
    assert [size for batch in made for size in batch] == sizes
    assert all(batch and len(batch) <= most and (sum(batch) <= volume or len(batch) == 1) for batch in made)
    for batch, following in pairwise(made):
        assert len(batch) == most or sum(batch) + following[0] > volume
