"""The linear head on sentence vectors: multinomial logistic regression, its penalty picked on the validation rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ockham import machine
from ockham.models import grid_search, softmax
from ockham.models.encoder import HeadSettings, LinearHead

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0)
"""The values of C that validation chooses from, starting in the middle; a smaller C is a stronger penalty."""

REFIT = 1.0
"""C for a head on tuned vectors, whose labels lie further apart than those of the frozen encoder."""

Metric = Callable[[Sequence[str], Sequence[str]], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedHead:
    """A head, its C, and the answers to the validation rows of a head that had not seen them."""

    head: LinearHead
    strength: float
    answers: tuple[str, ...]
    confidences: tuple[float, ...] = ()


def fit(
    vectors: NDArray[np.float32],
    targets: Sequence[str],
    valid_vectors: NDArray[np.float32],
    valid_targets: Sequence[str],
    metric: Metric,
) -> FittedHead:
    """Choose C on the validation rows and fit the head on all rows with it.

    ``vectors`` are (rows, hidden). Without validation rows C is 10.
    """
    import numpy as np

    def trial(strength: float) -> tuple[float, LinearHead]:
        head = calibrate_head(solve(vectors, targets, strength), valid_vectors, valid_targets)
        return metric(valid_targets, head.best(valid_vectors)), head

    if not len(valid_targets):
        return FittedHead(head=solve(vectors, targets, 10.0), strength=10.0, answers=())
    strength, seen = grid_search.hill_climb(STRENGTHS, trial, len(valid_targets), together=True)
    [whole] = machine.run_parallel(
        [lambda: solve(np.concatenate([vectors, valid_vectors]), [*targets, *valid_targets], strength)]
    )
    return FittedHead(
        head=whole.with_temperature(seen.settings.temperature),
        strength=strength,
        answers=tuple(seen.best(valid_vectors)),
        confidences=_confidences(seen, valid_vectors),
    )


def _confidences(head: LinearHead, vectors: NDArray[np.float32]) -> tuple[float, ...]:
    return softmax.confidences(head.margins(vectors), head.settings.temperature)


def solve(vectors: NDArray[np.float32], targets: Sequence[str], strength: float) -> LinearHead:
    """Fit a head with a given C: multinomial logistic regression by L-BFGS, labels in sorted order."""
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    labels = tuple(sorted(set(targets)))
    settings = HeadSettings(labels=labels, temperature=1.0)
    if len(labels) == 1:
        return LinearHead(settings, np.zeros((vectors.shape[1], 1), np.float32), np.zeros(1, np.float32))
    solver: Any = LogisticRegression(C=strength, max_iter=1000, tol=1e-4)
    with warnings.catch_warnings():
        # Validation judges the head as it is; a slightly early stop of the optimizer is no fault.
        warnings.simplefilter("ignore", ConvergenceWarning)
        solver.fit(vectors, np.asarray(targets, dtype=object).astype(str))
    weight, bias = solver.coef_, solver.intercept_
    if len(labels) == 2:  # one margin, for the second label
        weight, bias = np.vstack([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return LinearHead(settings, np.ascontiguousarray(weight.T, dtype=np.float32), bias.astype(np.float32))


def best(
    tuned: LinearHead,
    vectors: Mapping[str, NDArray[np.float32]],
    targets: tuple[Sequence[str], Sequence[str]],
    metric: Metric,
) -> tuple[LinearHead, tuple[str, ...], tuple[float, ...]]:
    """Choose between the head that was tuned and one fitted anew on the vectors as they will be served.

    ``vectors`` has ``train`` and ``valid``, (rows, hidden) each; ``targets`` are those of both. The new head is chosen
    where it is no worse on the validation rows, and then learns from these too. Gives the head, and the answers to the
    validation rows, with their confidences, of the one that had not seen them.
    """
    import numpy as np

    train, valid = targets
    if not len(valid):
        return tuned, (), ()
    everything = np.concatenate([vectors["train"], vectors["valid"]])
    anew, whole = machine.run_parallel(
        [lambda: solve(vectors["train"], train, REFIT), lambda: solve(everything, [*train, *valid], REFIT)]
    )
    tuned, anew = (calibrate_head(head, vectors["valid"], valid) for head in (tuned, anew))
    tuned_answers, fresh = (tuple(head.best(vectors["valid"])) for head in (tuned, anew))
    if metric(valid, fresh) < metric(valid, tuned_answers):
        return tuned, tuned_answers, _confidences(tuned, vectors["valid"])
    return whole.with_temperature(anew.settings.temperature), fresh, _confidences(anew, vectors["valid"])


def calibrate_head(head: LinearHead, vectors: NDArray[np.float32], targets: Sequence[str]) -> LinearHead:
    """Fit the temperature of a head to the validation rows as they will be served, (rows, hidden)."""
    temperature = 1.0
    if len(targets) and len(head.settings.labels) > 1:
        temperature = softmax.temperature(head.margins(vectors), targets, head.settings.labels)
    return head.with_temperature(temperature)


def cross_margins(
    vectors: NDArray[np.float32], targets: Sequence[str], folds: Sequence[int], labels: Sequence[str], strength: float
) -> NDArray[np.float64]:
    """Return each row's margins from a head that has not seen its fold: (rows, labels); -inf for labels it has not.

    Every head learns from the rows of a fold below 0, which get no margins.
    """
    import numpy as np

    row_folds = np.asarray(folds)
    column = {label: index for index, label in enumerate(labels)}
    out = np.full((len(targets), len(labels)), -np.inf)
    for fold in sorted(fold for fold in set(folds) if fold >= 0):
        inside, outside = np.flatnonzero(row_folds == fold), np.flatnonzero(row_folds != fold)
        head = solve(vectors[outside], [targets[int(i)] for i in outside], strength)
        columns = np.array([column[label] for label in head.settings.labels])
        out[np.ix_(inside, columns)] = head.margins(vectors[inside])
    return out
