"""Two candidates on the same rows: the paired difference with its interval and p-value, corrected over a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ockham.errors import DataError, Defect
from ockham.evals.intervals import cluster_numbers
from ockham.evals.task_metrics import find_metric
from ockham.records import Comparison, Score


def compare(
    first: Sequence[Score],
    second: Sequence[Score],
    metric: str,
    *,
    names: tuple[str, str] = ("", ""),
    seed: int = 0,
) -> Comparison:
    """Compare two candidates on the rows that both have a value for; ``difference`` is metric(first) - metric(second).

    Interval and test are those of the metric's kind, in `ockham.evals.paired_gaps`. ``p_holm`` is the p-value until
    `correct` fills it. Raises `DataError` (``E_TOO_FEW``) without a common row, and `Defect` where the targets of one
    row differ and for an unknown metric.
    """
    pairs = _pair(first, second)
    clusters = cluster_numbers([a for a, _ in pairs])
    difference, p_value = find_metric(metric).gap(pairs, clusters, seed)
    return Comparison(
        first=names[0], second=names[1], metric=metric, difference=difference, p_value=p_value, p_holm=p_value
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number, in the given order (Holm, 1979)."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def correct(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """Fill ``p_holm`` over all comparisons of a run."""
    adjusted = holm([comparison.p_value for comparison in comparisons])
    return tuple(dataclasses.replace(c, p_holm=p) for c, p in zip(comparisons, adjusted, strict=True))


def _pair(first: Sequence[Score], second: Sequence[Score]) -> list[tuple[Score, Score]]:
    others = {score.example: score for score in second if score.value is not None}
    pairs = [(s, others[s.example]) for s in first if s.value is not None and s.example in others]
    if not pairs:
        raise DataError(
            "E_TOO_FEW", "the two candidates have no scored row in common", fix="score both on one test set"
        )
    if any(a.target != b.target for a, b in pairs):
        raise Defect("E_DEFECT", "one row has two targets in a comparison", fix="report this defect")
    return pairs
