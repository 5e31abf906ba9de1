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

MANY = 2_000_000
"""From this product of rows and labels on, with more than `LABELS` labels."""
LABELS = 500
NEAREST = 100
DRAWN = 300
COMMON = 0.1
"""Labels are compared by the terms that so large a share of them has, or a smaller one: the others tell none apart."""


def pay_off(rows: int, labels: int) -> bool:
    """Whether there are so many labels that each learns from a part of the rows."""
    return labels > LABELS and rows * labels >= MANY


def choose(
    matrix: csr_matrix, labels: NDArray[np.int64], seed: int, nearest_labels: int | None = None
) -> Iterator[NDArray[np.int64]]:
    """Return for each label, in order, the rows to learn its margin from, ascending; ``labels[row]`` counts from 0.

    They are its own rows, those of the ``nearest_labels`` (`NEAREST`, unless named), and `DRAWN` others.
    """
    import numpy as np

    count = int(labels.max()) + 1
    likeness = _likeness(matrix, labels)
    ordered = np.argsort(labels, kind="stable")
    members = np.split(ordered, np.searchsorted(labels[ordered], np.arange(1, count)))
    random = np.random.default_rng(seed)
    wide = NEAREST if nearest_labels is None else nearest_labels
    for label in range(count):
        likeness[label, label] = np.inf
        nearest = np.argpartition(-likeness[label], min(wide, count - 1))[: wide + 1]
        drawn = random.choice(len(labels), min(DRAWN, len(labels)), replace=False)
        yield np.unique(np.concatenate([drawn, *(members[near] for near in nearest)]))


def _likeness(matrix: csr_matrix, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the cosine of the centroids of every two labels, (labels, labels), by terms that not many labels have."""
    import numpy as np
    from scipy.sparse import csr_matrix

    belongs = csr_matrix((np.ones(len(labels), np.float32), (labels, np.arange(len(labels)))))
    sums = (belongs @ matrix).tocsr()
    labels_with = np.bincount(sums.indices, minlength=sums.shape[1])
    sums.data[labels_with[sums.indices] > max(LABELS // 10, COMMON * sums.shape[0])] = 0
    sums.eliminate_zeros()
    lengths = np.sqrt(np.asarray(sums.multiply(sums).sum(axis=1)).ravel())
    products = (sums @ sums.T).toarray()
    likeness: NDArray[np.float64] = products / np.maximum(np.outer(lengths, lengths), np.finfo(np.float32).tiny)
    return likeness
