"""Union-find over members of buckets (Tarjan, 1975), and its groups put together to sets of bounded size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ockham.data.kernels.compiler import compiled


@compiled
def unite(
    members: NDArray[np.uint32], buckets: NDArray[np.uint64], parents: NDArray[np.uint32], seen: NDArray[np.bool_]
) -> None:
    """Join members that follow each other in the same bucket, and note which were seen.

    The root of a group is its least member, in whatever order the groups were joined.
    """
    for at in range(len(members)):
        one = members[at]
        seen[one] = True
        if at == 0 or buckets[at] != buckets[at - 1]:
            continue
        other = members[at - 1]
        while parents[one] != one:
            parents[one] = parents[parents[one]]
            one = parents[one]
        while parents[other] != other:
            parents[other] = parents[parents[other]]
            other = parents[other]
        if one < other:
            parents[other] = one
        else:
            parents[one] = other


def sets_of(parents: NDArray[np.uint32], weights: NDArray[np.uint32], most: int) -> int:
    """Replace the parent of each member by the number of its set, and give how many sets there are.

    A set is filled with whole groups in the order of their roots, up to so much weight; members without weight count
    for nothing.
    """
    return _sets_of(parents, weights, most, np.zeros(len(parents), dtype=np.uint32))


@compiled
def _sets_of(parents: NDArray[np.uint32], weights: NDArray[np.uint32], most: int, sizes: NDArray[np.uint32]) -> int:
    for one in range(len(parents)):
        root = parents[one]
        while parents[root] != root:
            root = parents[root]
        parents[one] = root
        sizes[root] = min(np.int64(sizes[root]) + np.int64(weights[one]), np.int64(0xFFFFFFFF))
    number = held = 0
    for one in range(len(parents)):
        if parents[one] == one:
            if held > 0 and held + sizes[one] > most:
                number += 1
                held = 0
            held += sizes[one]
            sizes[one] = number
    for one in range(len(parents)):
        parents[one] = sizes[parents[one]]
    return number + 1
