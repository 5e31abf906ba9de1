"""Union-find over documents (Tarjan, 1975), one part after the other, and groups put together to sets of bounded size.

Parts are joined from the last to the first. A group that meets documents of earlier parts keeps a link to one of them;
that the others belong to it too is said by an edge between two of those, for an earlier part to join. So each part
needs its own documents in memory alone, and an edge is handed on at most once for each part.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ockham.curation.kernels.jit import compile_kernel

NONE = 0xFFFFFFFF
"""No link."""


@compile_kernel
def unite(
    edges: NDArray[np.uint64],
    first: int,
    parents: NDArray[np.uint32],
    links: NDArray[np.uint32],
    more: NDArray[np.uint64],
) -> int:
    """Join documents by edges (the later one in the upper 32 bits); return how many were handed on in ``more``.

    The later document of each edge is in the part that begins with ``first``; ``parents`` and ``links`` are of that
    part. The root of a group is its least member, in whatever order the groups were joined; it alone has a link.
    """
    count = 0
    for at in range(len(edges)):
        root = _root(parents, np.int64(edges[at] >> np.uint64(32)) - first)
        other = np.int64(edges[at] & np.uint64(0xFFFFFFFF)) - first
        link = np.uint32(NONE)
        if other < 0:
            link = np.uint32(other + first)
        else:
            other = _root(parents, other)
            if root == other:
                continue
            if root > other:
                root, other = other, root
            parents[other] = np.uint32(root)
            link = links[other]
            links[other] = NONE
        if link == NONE:
            continue
        if links[root] == NONE:
            links[root] = link
        elif links[root] != link:
            more[count] = (np.uint64(max(link, links[root])) << np.uint64(32)) | np.uint64(min(link, links[root]))
            count += 1
    return count


@compile_kernel
def _root(parents: NDArray[np.uint32], document: np.int64) -> np.int64:
    while parents[document] != document:
        parents[document] = parents[parents[document]]
        document = np.int64(parents[document])
    return document


@compile_kernel
def settle(parents: NDArray[np.uint32]) -> None:
    """Let the parent of each document be its root; a parent is never behind its child."""
    for document in range(len(parents)):
        parents[document] = parents[parents[document]]


@compile_kernel
def fill(
    roots: NDArray[np.uint32], weights: NDArray[np.int64], sets: NDArray[np.uint32], begun: tuple[int, int, int]
) -> tuple[int, int]:
    """Set the number of the set of each document of a part; return the number of the last set and what that one holds.

    A set is filled with whole groups in the order of their roots, up to so much weight. ``begun`` is that number and
    weight before, and the most; groups of negative weight have their set already.
    """
    number, held, most = begun
    for document in range(len(roots)):
        if roots[document] == document and weights[document] >= 0:
            if held > 0 and held + weights[document] > most:
                number += 1
                held = 0
            held += weights[document]
            sets[document] = number
    for document in range(len(roots)):
        sets[document] = sets[roots[document]]
    return number, held
