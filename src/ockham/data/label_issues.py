"""Which labels look wrong: rows whose label the models that did not see them doubt.

Confident learning (Northcutt, Jiang and Chuang, 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels",
JAIR 70), in an implementation of our own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ockham.records import Example, LabelIssue


def find_label_issues(
    examples: Sequence[Example], probabilities: Mapping[str, NDArray[np.float64]], labels: Sequence[str]
) -> tuple[LabelIssue, ...]:
    """List the rows whose label every rung doubts, worst first.

    ``probabilities`` maps each rung to its out-of-fold probabilities, (rows x labels), columns in the order of
    ``labels``. A rung doubts a row if, among the labels whose probability reaches the mean it has on the rows that
    carry them (the threshold of equation 1), the likeliest is likelier than the given one. The doubt is
    (1 + p(suggested) - p(given)) / 2 from the mean probabilities, the normalised margin on [0, 1]; the suggestion is
    the label with the highest mean among those that some rung is confident of. Targets that are not among the labels
    are passed over. Nothing is changed.
    """
    column = {label: i for i, label in enumerate(labels)}
    rows = np.array([i for i, example in enumerate(examples) if example.target in column], dtype=np.int64)
    if not len(rows) or not probabilities or len(labels) < 2:
        return ()
    current = np.array([column[examples[i].target] for i in rows], dtype=np.int64)
    at = np.arange(len(rows))
    doubted = np.ones(len(rows), dtype=bool)
    backed = np.zeros((len(rows), len(labels)), dtype=bool)
    for name, matrix in probabilities.items():
        if matrix.shape != (len(examples), len(labels)):
            raise ValueError(f"{name}: probabilities have shape {matrix.shape}, not {(len(examples), len(labels))}")
        confident = _confident(matrix[rows], current)
        doubted &= (confident >= 0) & (matrix[rows, confident] > matrix[rows, current])
        backed[at, np.maximum(confident, 0)] |= confident >= 0
    mean = np.mean([matrix[rows] for matrix in probabilities.values()], axis=0)
    backed[at, current] = False
    suggested = np.where(backed, mean, -1.0).argmax(axis=1)
    strength = np.clip((1 + mean[at, suggested] - mean[at, current]) / 2, 0, 1)
    worst = sorted(np.flatnonzero(doubted).tolist(), key=lambda i: (-strength[i], i))
    return tuple(
        LabelIssue(
            id=examples[int(rows[i])].id,
            given_label=labels[int(current[i])],
            suggested_label=labels[int(suggested[i])],
            doubt=float(strength[i]),
        )
        for i in worst
    )


def folds(clusters: NDArray[np.int64], targets: Sequence[str], k: int, seed: int) -> NDArray[np.int64]:
    """Assign each row a fold from 0 to k - 1: no cluster in two folds, every label spread as evenly as clusters allow.

    Large clusters are placed first, each into the fold that has the smallest share of its labels so far; equal ones in
    random order. ``targets`` that hardly repeat should be given as one and the same string.
    """
    if k < 2:
        raise ValueError(f"cross-validation needs at least 2 folds, got {k}")
    number = {target: i for i, target in enumerate(sorted(set(targets)))}
    labels = [number[target] for target in targets]
    totals = Counter(labels)
    rows: dict[int, list[int]] = {}
    for i, cluster in enumerate(clusters.tolist()):
        rows.setdefault(cluster, []).append(i)
    shuffled = np.random.default_rng(seed).permutation(len(rows)).tolist()
    names = list(rows)
    order = sorted(range(len(names)), key=lambda i: (-len(rows[names[i]]), shuffled[i]))
    filled = np.zeros((len(number), k))
    sizes = np.zeros(k)
    result = np.zeros(len(labels), dtype=np.int64)
    for i in order:
        members = rows[names[i]]
        counts = sorted(Counter(labels[row] for row in members).items())
        load = sum(c * filled[label] / totals[label] for label, c in counts)
        # The size of the folds settles ties, and outweighs nothing else.
        fold = int(np.argmin(load + 1e-6 * sizes / len(labels)))
        result[members] = fold
        sizes[fold] += len(members)
        for label, c in counts:
            filled[label, fold] += c
    return result


def _confident(matrix: NDArray[np.float64], current: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the label each row is confidently of, -1 where none reaches its threshold."""
    count = matrix.shape[1]
    sizes = np.bincount(current, minlength=count)
    own = np.bincount(current, weights=matrix[np.arange(len(current)), current], minlength=count)
    thresholds = np.where(sizes > 0, own / np.maximum(sizes, 1), np.inf)
    reached = matrix >= thresholds
    best = np.where(reached, matrix, -1.0).argmax(axis=1)
    return np.where(reached.any(axis=1), best, -1)
