"""Which rows a label's margin is learnt from where there are very many labels.

One label against all other rows costs rows times labels. Nearly all of those rows are easy: far from the label,
whatever its margin. So each label learns from its own rows, those of the labels whose centroids are nearest, and some
others drawn at random (Jain et al. 2019, Slice). ``scripts/bench large_fit`` has what it costs and saves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

MANY = 10_000_000
"""From this product of rows and labels on, with more than `LABELS` labels."""
LABELS = 500
NEAREST = 100
DRAWN = 1000


def pay_off(rows: int, labels: int) -> bool:
    """Whether there are so many labels that each learns from a part of the rows."""
    return labels > LABELS and rows * labels >= MANY


def choose(matrix: csr_matrix, labels: NDArray[np.int64], seed: int) -> Iterator[NDArray[np.int64]]:
    """Return for each label, in order, the rows to learn its margin from, ascending; ``labels[row]`` counts from 0."""
    import numpy as np
    from scipy.sparse import csr_matrix

    count = int(labels.max()) + 1
    belongs = csr_matrix((np.ones(len(labels), np.float32), (labels, np.arange(len(labels)))))
    sums = belongs @ matrix
    lengths = np.sqrt(np.asarray(sums.multiply(sums).sum(axis=1)).ravel())
    likeness = (sums @ sums.T).toarray() / np.maximum(np.outer(lengths, lengths), np.finfo(np.float32).tiny)
    ordered = np.argsort(labels, kind="stable")
    members = np.split(ordered, np.searchsorted(labels[ordered], np.arange(1, count)))
    random = np.random.default_rng(seed)
    for label in range(count):
        likeness[label, label] = np.inf
        nearest = np.argpartition(-likeness[label], min(NEAREST, count - 1))[: NEAREST + 1]
        drawn = random.choice(len(labels), min(DRAWN, len(labels)), replace=False)
        yield np.unique(np.concatenate([drawn, *(members[near] for near in nearest)]))
