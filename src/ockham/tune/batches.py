"""How rows become batches: rows of like length together, so that hardly any padding is computed."""

from __future__ import annotations

from collections.abc import Sequence

from ockham.tune.spec import TuneSpec

_STRETCH = 32
"""Batches that are sorted by length together: enough for equal lengths, few enough to stay random."""


def by_length(lengths: Sequence[tuple[int, ...]], spec: TuneSpec, epoch: int) -> list[list[int]]:
    """Shuffle the rows, sort each stretch of them by length, and shuffle the batches that this gives.

    Gives the places of rows; the order follows from the spec's seed and the pass alone.
    """
    import numpy as np

    random = np.random.default_rng([spec.seed, epoch])
    order = random.permutation(len(lengths)).tolist()
    done: list[list[int]] = []
    for start in range(0, len(order), _STRETCH * spec.batch):
        stretch = sorted(order[start : start + _STRETCH * spec.batch], key=lambda place: lengths[place])
        done += [stretch[at : at + spec.batch] for at in range(0, len(stretch), spec.batch)]
    return [done[place] for place in random.permutation(len(done)).tolist()]
