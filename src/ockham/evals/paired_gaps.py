"""The paired difference of two candidates on the same rows, with its 95 % interval and its p-value, by kind of metric.

Shares (accuracy, validity): Tango's score interval and the exact McNemar test; in clusters the interval on the
effective sample size and the sign-flip test over clusters, which is McNemar's where every cluster is one row. F1: the
paired jackknife. Similarity, and grades of a scorer: the paired jackknife of the mean difference, as if each candidate
alone had one more row at the end farther off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from scipy import sparse

from ockham.evals import field_scores
from ockham.evals.distributions import Floats, normal_tail, sign_test
from ockham.evals.f1 import LabelAverage, mistake_cost, shortfall, tabulate
from ockham.evals.field_scores import one_mistake
from ockham.evals.intervals import Jackknife, Z, effective_size, jackknife, mean, one_more, ratio
from ockham.records import Estimate, Score

Pairs: TypeAlias = "Sequence[tuple[Score, Score]]"
Clusters: TypeAlias = "Sequence[int] | None"
Gap: TypeAlias = "tuple[Estimate, float]"
"""A difference, first minus second, and the p-value of none."""
_FLIPS = 10_000


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value of McNemar's test from the two counts of rows that one alone got right."""
    if only_first + only_second == 0:
        return 1.0
    return sign_test(only_first, only_first + only_second)


def tango(only_first: float, only_second: float, n: float) -> tuple[float, float]:
    """Return the 95 % score interval of a paired difference of proportions (Tango, 1998); counts may be fractions.

    Found by bisection: the ends are the differences at which the score statistic is ±1.96.
    """
    gap = (only_first - only_second) / n

    def score(delta: float) -> float:
        b = -only_first - only_second + (2 * n - only_first + only_second) * delta
        c = -only_second * delta * (1 - delta)
        other = (math.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
        spread = n * (2 * other + delta * (1 - delta))
        return (
            (only_first - only_second - n * delta) / math.sqrt(spread)
            if spread > 0
            else math.copysign(math.inf, gap - delta)
        )

    ends = []
    for goal, far in ((Z, -1.0), (-Z, 1.0)):
        outside, inside = far, gap
        for _ in range(60):
            middle = (outside + inside) / 2
            if abs(score(middle)) > abs(goal):
                outside = middle
            else:
                inside = middle
        ends.append((outside + inside) / 2)
    return ends[0], ends[1]


def share_gap(value: Callable[[Score], float], pairs: Pairs, clusters: Clusters, seed: int) -> Gap:
    """Compare the mean values of rows, which are 0 and 1 for shares; others by Student's paired interval."""
    gaps = np.array([value(a) - value(b) for a, b in pairs])
    n = gaps.size
    if not np.isin(gaps, (-1.0, 0.0, 1.0)).all():
        return _mean_gap(gaps, clusters)
    better, worse = int((gaps > 0).sum()), int((gaps < 0).sum())
    gap = (better - worse) / n
    if clusters is None:
        low, high = tango(better, worse, n)
        return Estimate(value=gap, low=low, high=high, n=n), mcnemar(better, worse)
    share = effective_size(gaps, clusters, (better + worse) / n - gap * gap) / n
    low, high = tango(better * share, worse * share, n * share)
    codes = np.unique(clusters, return_inverse=True)[1].reshape(-1)
    return Estimate(value=gap, low=low, high=high, n=n), _sign_flip(
        np.bincount(codes, weights=gaps).astype(np.float64), seed
    )


def _mean_gap(gaps: Floats, clusters: Clusters) -> Gap:
    estimate = mean(gaps.tolist(), clusters)
    half = estimate.high - estimate.value
    if half == 0:
        return estimate, 1.0 if estimate.value == 0 else 0.0
    return estimate, 2 * normal_tail(Z * abs(estimate.value) / half)


def grade_gap(value: Callable[[Score], float], pairs: Pairs, clusters: Clusters, seed: int) -> Gap:
    """Compare mean grades by the paired jackknife, as if each candidate alone had one more row at the far end."""
    del seed  # nothing is drawn
    grades = np.array([[value(a), value(b)] for a, b in pairs])
    rows = np.stack([grades[:, 0] - grades[:, 1], np.ones(len(pairs))], axis=1)
    spread = jackknife(ratio, rows, clusters=range(len(pairs)) if clusters is None else clusters)
    extra = sum(one_more(column, clusters) ** 2 for column in grades.T)
    return _gap(spread, spread.value, extra, len(pairs))


def _sign_flip(totals: Floats, seed: int) -> float:
    """Test whether clusters favour neither candidate: how often random signs give a sum as large (both sides)."""
    moved = totals[totals != 0]
    if moved.size == 0:
        return 1.0
    rng = np.random.default_rng(seed)
    seen, reached = abs(float(moved.sum())), 0
    step = max(1, 4_000_000 // moved.size)
    for start in range(0, _FLIPS, step):
        signs = rng.integers(0, 2, size=(min(step, _FLIPS - start), moved.size)) * 2 - 1
        reached += int((np.abs(signs @ moved) >= seen - 1e-9).sum())
    return (reached + 1) / (_FLIPS + 1)


def f1_micro_gap(pairs: Pairs, clusters: Clusters, seed: int) -> Gap:
    """Compare two micro F1 by the jackknife, as if each candidate alone had made one more mistake."""
    del seed  # nothing is drawn
    left, right = (field_scores.tally((pair[side].answer, pair[side].target) for pair in pairs) for side in (0, 1))
    jackknifed = jackknife(
        lambda sums: field_scores.f1_micro(sums[:, :3]) - field_scores.f1_micro(sums[:, 3:]),
        np.hstack([left, right]),
        clusters=clusters,
    )
    extra = sum(one_mistake(counts, clusters) ** 2 for counts in (left, right))
    return _gap(jackknifed, jackknifed.value, extra, len(pairs))


def label_f1_gap(average: LabelAverage, pairs: Pairs, clusters: Clusters, seed: int) -> Gap:
    """Compare two F1 by the jackknife, as if each candidate alone had made one more mistake."""
    del clusters, seed  # the tables hold the clusters, and nothing is drawn
    statistic = average.statistic
    left, right = (tabulate([pair[side] for pair in pairs], apart=True) for side in (0, 1))
    half = 3 * len(left.labels)
    rows = sparse.csr_matrix(sparse.hstack([left.rows, right.rows]))
    jackknifed = jackknife(
        lambda sums: statistic(sums[:, :half]) - statistic(sums[:, half:]), rows, clusters=left.clusters
    )
    extra = sum(mistake_cost(statistic, cells)[1] for cells in (left, right))
    gap = jackknifed.value
    if average.has_shortfall:
        gap += shortfall(left.total, len(left.labels)) - shortfall(right.total, len(right.labels))
    return _gap(jackknifed, gap, extra, len(pairs))


def _gap(jackknifed: Jackknife, gap: float, extra: float, n: int) -> Gap:
    """Return a difference with its interval around ``gap``, its variance ``extra`` larger, and the p-value of none."""
    error = math.sqrt(jackknifed.variance + extra)
    low, high = (min(max(gap + side * jackknifed.quantile * error, -1.0), 1.0) for side in (-1, 1))
    value = jackknifed.value
    p_value = 2 * normal_tail(abs(gap) / error * Z / jackknifed.quantile) if error > 0 else 1.0
    return Estimate(value=value, low=min(low, value), high=max(high, value), n=n), min(1.0, p_value)
