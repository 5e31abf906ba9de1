"""Numbers with their 95 % intervals: proportions, quantiles, means, and anything that is a function of sums.

Rows that come in clusters (several rows of one customer, near-duplicates) say less than as many rows that do not: where
cluster numbers are given, the interval is as wide as the clusters make it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ockham.errors import DataError, Defect
from ockham.evals.distributions import (
    Floats,
    binomial_quantile,
    chi_square_quantile,
    normal_quantile,
    normal_tail,
    student_quantile,
)
from ockham.records import Estimate, Score

Matrix: TypeAlias = "sparse.csr_matrix[np.float64]"
Statistic: TypeAlias = Callable[[Floats], Floats]

LEVEL = 0.95
Z = 1.959963984540054
_CHUNK = 4_000_000
"""Numbers held at once while resampling (32 MB)."""


def wilson(successes: float, n: float, level: float = LEVEL) -> Estimate:
    """Estimate a proportion with Wilson's score interval (Wilson, 1927).

    ``successes`` and ``n`` may be fractions of rows (an effective sample size); the estimate's ``n`` is then rounded.
    Raises `DataError` (``E_TOO_FEW``) where ``n`` is 0.
    """
    _check(successes, n)
    share = successes / n
    low, high = wilson_ends(share, n, Z if level == LEVEL else normal_quantile(0.5 + level / 2))
    return Estimate(value=share, low=low, high=high, n=max(1, round(n)))


def wilson_ends(share: float, n: float, z: float = Z) -> tuple[float, float]:
    """Return the ends of Wilson's interval of a share on ``n`` rows, which may be fractions of rows."""
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low = 0.0 if share == 0 else max(0.0, middle - half)
    high = 1.0 if share == 1 else min(1.0, middle + half)
    return min(low, share), max(high, share)


def proportion(values: Sequence[float], clusters: Sequence[int] | None = None) -> Estimate:
    """Estimate the share of ones among zeros and ones; Wilson's interval, on the effective sample size in clusters.

    The effective size is n over the design effect of the ratio estimator, corrected for few clusters (Korn and
    Graubard, 1998; Dean and Pagano, 2015), never above n. Raises `DataError` (``E_TOO_FEW``) without rows.
    """
    array = np.asarray(values, dtype=np.float64)
    n = array.size
    _check(float(array.sum()) if n else 0.0, n)
    share = float(array.mean())
    if clusters is None:
        return wilson(round(float(array.sum())), n)
    size = effective_size(array, clusters, share * (1 - share))
    estimate = wilson(min(share * size, size), size)
    return Estimate(value=share, low=min(estimate.low, share), high=max(estimate.high, share), n=n)


def effective_size(values: Floats, clusters: Sequence[int], variance: float) -> float:
    """Say how many independent rows tell as much about the mean as these clustered rows do; at most n.

    ``variance`` is the variance of one row, were rows independent. Where it is 0 nothing shows how alike the rows of a
    cluster are, and they count as wholly alike (Kish's (sum m)^2 / sum m^2).
    """
    codes = np.unique(np.asarray(clusters), return_inverse=True)[1].reshape(-1)
    sizes = np.bincount(codes).astype(np.float64)
    n, groups = values.size, sizes.size
    if groups == n:
        return float(n)
    kish = float(n * n / np.square(sizes).sum())
    if groups < 2 or variance <= 0:
        return kish
    residuals = np.bincount(codes, weights=values) - values.mean() * sizes
    robust = groups / (groups - 1) * float(np.square(residuals).sum()) / n**2
    if robust <= 0:
        return kish
    fewness = (Z / student_quantile(0.5 + LEVEL / 2, groups - 1)) ** 2
    return max(min(variance / robust, float(n)) * fewness, min(kish, 1.0))


def mean(values: Sequence[float], clusters: Sequence[int] | None = None) -> Estimate:
    """Estimate a mean with Student's interval, by cluster where rows come in clusters.

    Of a single value, or a single cluster: x ± 9.68 |x| (Blachman and Machol, 1987).

    Raises `DataError` (``E_TOO_FEW``) without values.
    """
    array = np.asarray(values, dtype=np.float64)
    n = array.size
    _check(0, n)
    middle = float(array.mean())
    if n == 1 or (clusters is not None and len(set(clusters)) == 1):
        half = 9.68 * abs(middle)
    else:
        rows = np.stack([array, np.ones(n)], axis=1)
        jackknifed = jackknife(
            lambda sums: sums[:, 0] / sums[:, 1], rows, clusters=range(n) if clusters is None else clusters
        )
        half = jackknifed.quantile * math.sqrt(jackknifed.variance)
    return Estimate(value=middle, low=middle - half, high=middle + half, n=n)


def bounded_mean(values: Sequence[float], clusters: Sequence[int] | None = None) -> Estimate:
    """Estimate a mean of scores in [0, 1] with Wilson's interval on the sample size that their variance implies.

    The variance is the jackknife's, by cluster where rows come in clusters, and larger as if one more row (or cluster)
    had scored the end that is farther off: a hundred equal scores are not certain. It never leaves [0, 1]. Scores of
    0 and 1 alone are a proportion. Raises `DataError` (``E_TOO_FEW``) without values.
    """
    array = np.asarray(values, dtype=np.float64)
    _check(0, array.size)
    if np.isin(array, (0.0, 1.0)).all():
        return proportion(array.tolist(), clusters)
    units = range(array.size) if clusters is None else clusters
    rows = np.stack([array, np.ones(array.size)], axis=1)
    spread = jackknife(ratio, rows, clusters=units)
    value, loss = spread.value, one_more(array, clusters)
    shifted = value - loss if value > 1 / 2 else value + loss
    size = shifted * (1 - shifted) / (spread.variance + loss**2)
    low, high = wilson_ends(value, size * (Z / spread.quantile) ** 2)
    return Estimate(value=value, low=low, high=high, n=array.size)


def ratio(sums: Floats) -> Floats:
    """Return a mean from sums of values and their numbers; 0 where there are none."""
    return np.asarray(sums[:, 0] / np.maximum(sums[:, 1], 1), dtype=np.float64)


def one_more(scores: Floats, clusters: Sequence[int] | None) -> float:
    """Return by how much one more row, or cluster, that scores the end farther off would move a mean of scores."""
    middle = float(scores.mean())
    return max(middle, 1 - middle) / ((scores.size if clusters is None else len(set(clusters))) + 1)


def rate(values: Sequence[float]) -> Estimate:
    """Estimate a rate, which is above 0: the geometric mean, with Student's interval of the logarithms.

    Of a single value: from 0 to 10.68 times the value, the part above 0 of x ± 9.68 |x| (Blachman and Machol, 1987).

    Raises `DataError` (``E_TOO_FEW``) without values.
    """
    logs = np.log(np.asarray(values, dtype=np.float64))
    _check(0, logs.size)
    middle = float(logs.mean())
    if logs.size == 1:
        return Estimate(value=values[0], low=0.0, high=10.68 * values[0], n=1)
    half = student_quantile(0.975, logs.size - 1) * float(logs.std(ddof=1)) / math.sqrt(logs.size)
    low, value, high = (math.exp(end) for end in (middle - half, middle, middle + half))
    return Estimate(value=value, low=low, high=high, n=logs.size)


def quantile(values: Sequence[float], q: float) -> Estimate:
    """Estimate a quantile; the interval is two order statistics (David and Nagaraja, 2003, section 7.1).

    No order statistic bounds a high quantile of few values from above (the 99th percentile needs 368). There the bound
    stands above the largest value by as much as an exponential tail makes necessary, whose scale is taken from the
    largest third, one standard error up. Of one value nothing is known: the interval is that value.
    Raises `DataError` (``E_TOO_FEW``) without values and `Defect` for ``q`` outside (0, 1).
    """
    array = np.sort(np.asarray(values, dtype=np.float64))
    n = array.size
    _check(0, n)
    if not 0 < q < 1:
        raise Defect("E_DEFECT", "a quantile must lie between 0 and 1", fix="report this defect")
    tail = (1 - LEVEL) / 2
    first = max(binomial_quantile(tail, n, q), 1)
    last = binomial_quantile(1 - tail, n, q) + 1
    value = float(np.quantile(array, q))
    high = float(array[min(last, n) - 1])
    if last > n and n > 1:
        top = array[-max(2, math.ceil(n / 3)) :]
        excess = 2 * float((top - top[0]).sum()) / chi_square_quantile(normal_tail(1), 2 * (top.size - 1))
        high += max(0.0, math.log(-math.log(tail)) - math.log(n * (1 - q))) * excess
    return Estimate(value=value, low=min(float(array[first - 1]), value), high=max(high, value), n=n)


@dataclass(frozen=True, slots=True, kw_only=True)
class Jackknife:
    """A statistic's value, its variance, and the two-sided 95 % quantile of Student's t for its number of units."""

    value: float
    variance: float
    quantile: float


def jackknife(
    statistic: Statistic,
    rows: Floats | Matrix,
    counts: Sequence[int] | npt.NDArray[np.int64] | None = None,
    clusters: Sequence[int] | None = None,
) -> Jackknife:
    """Leave out one row at a time, or one cluster (Efron and Stein, 1981).

    ``rows`` is (kinds, columns); ``counts`` says how many rows there are of each kind (1 without it). ``statistic``
    turns column sums of shape (m, columns) into m numbers. With ``clusters`` (one number per row) whole clusters are
    left out. Raises `DataError` (``E_TOO_FEW``) without rows.
    """
    matrix, many = _units(rows, counts, clusters)
    value, left = _left_out(statistic, matrix, many)
    units = int(many.sum())
    middle = float(np.average(left, weights=many))
    variance = (units - 1) / units * float((many * (left - middle) ** 2).sum())
    few = clusters is not None and units > 1
    return Jackknife(
        value=value, variance=variance, quantile=student_quantile(0.5 + LEVEL / 2, units - 1) if few else Z
    )


def _units(
    rows: Floats | Matrix, counts: Sequence[int] | npt.NDArray[np.int64] | None, clusters: Sequence[int] | None
) -> tuple[Matrix, npt.NDArray[np.int64]]:
    """Sum the rows of each cluster; give what is left out as a whole, and how often it stands."""
    matrix = sparse.csr_matrix(rows, dtype=np.float64)
    many = np.ones(matrix.shape[0], dtype=np.int64) if counts is None else np.asarray(counts, dtype=np.int64)
    _check(0, int(many.sum()))
    if clusters is not None:
        codes = np.unique(np.asarray(clusters), return_inverse=True)[1].reshape(-1)
        cells, groups = matrix.tocoo(), int(codes.max()) + 1
        weights = cells.data * many[cells.row]
        matrix = sparse.csr_matrix((weights, (codes[cells.row], cells.col)), shape=(groups, matrix.shape[1]))
        many = np.ones(groups, dtype=np.int64)
    return matrix, many


def _left_out(statistic: Statistic, matrix: Matrix, many: npt.NDArray[np.int64]) -> tuple[float, Floats]:
    """Work out the statistic on all rows, and without one unit of each kind."""
    total: Floats = np.asarray(many.astype(np.float64) @ matrix, dtype=np.float64)[None, :]
    step = max(1, _CHUNK // max(1, total.size))
    starts = range(0, many.size, step)
    left = [statistic(total - matrix[start : start + step].toarray()) for start in starts]
    return float(statistic(total)[0]), np.concatenate(left)


def _check(successes: float, n: float) -> None:
    if n <= 0:
        raise DataError("E_TOO_FEW", "there is no scored row to estimate from", fix="label some test rows")
    if not 0 <= successes <= n:
        raise Defect("E_DEFECT", "more successes than rows, or fewer than none", fix="report this defect")


def cluster_numbers(scores: Sequence[Score]) -> list[int] | None:
    """Return each row's cluster, or ``None`` where no two rows share one; a row without a cluster is its own."""
    named = [score.cluster for score in scores if score.cluster is not None]
    if len(set(named)) == len(named):
        return None
    free = max(named) + 1
    return [free + index if score.cluster is None else score.cluster for index, score in enumerate(scores)]
