"""A few of many rows are from all over them."""

from __future__ import annotations

import itertools

import pytest

from ockham.readers.row_sample import evenly_spaced


@pytest.mark.parametrize("count", [0, 1, 2, 7, 63, 64, 65, 100, 127, 128, 1000])
@pytest.mark.parametrize("most", [1, 2, 64])
def test_a_few_of_many_are_from_all_over_them(count: int, most: int) -> None:
    chosen = evenly_spaced(range(count), most)
    assert len(chosen) == min(count, most)
    assert chosen == sorted(set(chosen))
    assert chosen[:1] == list(range(count))[:1]
    if most > 1:
        assert chosen[-1:] == list(range(count))[-1:]
    gaps = [after - before for before, after in itertools.pairwise(chosen)]
    assert max(gaps, default=1) - min(gaps, default=1) <= 1
