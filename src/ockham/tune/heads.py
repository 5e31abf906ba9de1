"""The linear head on sentence vectors: multinomial logistic regression, its penalty picked on the validation rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ockham.models import choose, softmax
from ockham.models.encoder import Head, HeadSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0)
"""The values of C that validation chooses from, starting in the middle; a smaller C is a stronger penalty."""

REFIT = 1.0
"""C for a head on tuned vectors, whose labels lie further apart than those of the frozen encoder."""

Metric = Callable[[Sequence[str], Sequence[str]], float]


def fit(
    vectors: NDArray[np.float32],
    targets: Sequence[str],
    valid_vectors: NDArray[np.float32],
    valid_targets: Sequence[str],
    metric: Metric,
) -> tuple[Head, float]:
    """Choose C on the validation rows and fit the head on all rows with it; gives the head and C.

    ``vectors`` are (rows, hidden). Without validation rows, or with a single label, C is 10.
    """
    import numpy as np

    strength, temperature = 10.0, 1.0
    if len(valid_targets) and len(set(targets)) > 1:
        strength, temperature = _choose(vectors, targets, valid_vectors, valid_targets, metric)
    everything = np.concatenate([vectors, valid_vectors]) if len(valid_targets) else vectors
    head = solve(everything, [*targets, *valid_targets], strength)
    found = HeadSettings(labels=head.settings.labels, temperature=temperature)
    return Head(found, head.weight, head.bias), strength


def solve(vectors: NDArray[np.float32], targets: Sequence[str], strength: float) -> Head:
    """Fit a head with a given C: multinomial logistic regression by L-BFGS, labels in sorted order."""
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    labels = tuple(sorted(set(targets)))
    found = HeadSettings(labels=labels, temperature=1.0)
    if len(labels) == 1:
        return Head(found, np.zeros((vectors.shape[1], 1), np.float32), np.zeros(1, np.float32))
    solver: Any = LogisticRegression(C=strength, max_iter=300, tol=1e-3)
    with warnings.catch_warnings():
        # Validation judges the head as it is; a slightly early stop of the optimizer is no fault.
        warnings.simplefilter("ignore", ConvergenceWarning)
        solver.fit(vectors, np.asarray(targets, dtype=object).astype(str))
    weight, bias = solver.coef_, solver.intercept_
    if len(labels) == 2:  # one margin, for the second label
        weight, bias = np.vstack([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return Head(found, np.ascontiguousarray(weight.T, dtype=np.float32), bias.astype(np.float32))


def best(
    tuned: Head,
    vectors: Mapping[str, NDArray[np.float32]],
    targets: tuple[Sequence[str], Sequence[str]],
    metric: Metric,
) -> Head:
    """Choose between the head that was tuned and one fitted anew on the vectors as they will be served.

    ``vectors`` has ``train`` and ``valid``, (rows, hidden) each; ``targets`` are those of both. The new head is chosen
    where it is no worse on the validation rows, and then learns from these too.
    """
    import numpy as np

    train, valid = targets
    tuned = calibrated(tuned, vectors["valid"], valid)
    anew = calibrated(solve(vectors["train"], train, REFIT), vectors["valid"], valid)
    if not len(valid):
        return tuned
    scores = [
        metric(valid, softmax.best(head.margins(vectors["valid"]), head.settings.labels)) for head in (tuned, anew)
    ]
    if scores[1] < scores[0]:
        return tuned
    whole = solve(np.concatenate([vectors["train"], vectors["valid"]]), [*train, *valid], REFIT)
    found = HeadSettings(labels=whole.settings.labels, temperature=anew.settings.temperature)
    return Head(found, whole.weight, whole.bias)


def calibrated(head: Head, vectors: NDArray[np.float32], targets: Sequence[str]) -> Head:
    """Give the head the temperature that fits the validation rows as they will be served, (rows, hidden)."""
    temperature = 1.0
    if len(targets) and len(head.settings.labels) > 1:
        temperature = softmax.temperature(head.margins(vectors), targets, head.settings.labels)
    return Head(HeadSettings(labels=head.settings.labels, temperature=temperature), head.weight, head.bias)


def cross_probabilities(
    vectors: NDArray[np.float32], targets: Sequence[str], folds: Sequence[int], labels: Sequence[str], strength: float
) -> NDArray[np.float64]:
    """Give each row's label probabilities from a head that has not seen its fold: (rows, labels)."""
    import numpy as np

    places = np.asarray(folds)
    column = {label: place for place, label in enumerate(labels)}
    out = np.zeros((len(targets), len(labels)))
    for fold in sorted(set(folds)):
        inside, outside = np.flatnonzero(places == fold), np.flatnonzero(places != fold)
        head = solve(vectors[outside], [targets[int(i)] for i in outside], strength)
        columns = np.array([column[label] for label in head.settings.labels])
        out[np.ix_(inside, columns)] = softmax.probabilities(head.margins(vectors[inside]), 1.0)
    return out


def _choose(
    vectors: NDArray[np.float32],
    targets: Sequence[str],
    valid_vectors: NDArray[np.float32],
    valid_targets: Sequence[str],
    metric: Metric,
) -> tuple[float, float]:
    def trial(strength: float) -> tuple[float, float]:
        head = solve(vectors, targets, strength)
        margins = head.margins(valid_vectors)
        score = metric(valid_targets, softmax.best(margins, head.settings.labels))
        return score, softmax.temperature(margins, valid_targets, head.settings.labels)

    return choose.climb(STRENGTHS, trial, len(valid_targets))
