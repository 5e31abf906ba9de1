"""What MinHash means here, for clustering rows and for the compiled loops of curation: its orders, bands and hash.

Nothing here needs numba, so that fitting can use it without waiting for that. MinHash: Broder, 1997; banding: Leskovec,
Rajaraman and Ullman, "Mining of Massive Datasets", chapter 3.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

PERMUTATIONS = 128
GOLDEN = np.uint64(0x9E3779B97F4A7C15)

Hashes = TypeVar("Hashes", np.uint64, NDArray[np.uint64])


class Orders(NamedTuple):
    """The random orders of MinHash: ``value * factors[k] + terms[k]`` modulo 2^32."""

    factors: NDArray[np.uint32]
    terms: NDArray[np.uint32]


def orders(seed: int = 0) -> Orders:
    """Draw the random orders."""
    rng = np.random.default_rng(seed)
    factors = rng.integers(0, 1 << 31, PERMUTATIONS, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return Orders(factors, rng.integers(0, 1 << 32, PERMUTATIONS, dtype=np.uint32))


def rows_for(threshold: float, missed: float = 0.005) -> int:
    """Choose the rows of a band: the most with which a pair at the threshold is missed with this probability or less.

    A threshold of .8 and one missed of 200 give 21 bands of 6 rows: a pair at .8 is missed with probability .0017. (16
    bands of 8, which are usual, miss .053 of the pairs at .8. More candidates cost little, since each is checked
    exactly.) At most 32 rows.
    """
    rows = 1
    while rows < PERMUTATIONS // 4 and (1 - threshold ** (rows + 1)) ** (PERMUTATIONS // (rows + 1)) <= missed:
        rows += 1
    return rows


def mix_bits(value: Hashes) -> Hashes:
    """Spread every input bit over all output bits (the finalizer of SplitMix64; Steele, Lea and Flood, 2014)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
