"""Numbers with their 95 % intervals: proportions, quantiles, means, and anything that is a function of sums.

Rows that come in clusters (several rows of one customer, near-duplicates) say less than as many rows that do not: where
cluster numbers are given, the interval is as wide as the clusters make it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse, stats

from ockham.errors import DataError, Defect
from ockham.records import Estimate

Floats: TypeAlias = npt.NDArray[np.float64]
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
    z = Z if level == LEVEL else float(stats.norm.ppf(0.5 + level / 2))
    share = successes / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    high = 1.0 if successes == n else min(1.0, middle + half)
    return Estimate(value=share, low=min(low, share), high=max(high, share), n=max(1, round(n)))


def clopper_pearson(successes: int, n: int, level: float = LEVEL) -> Estimate:
    """Estimate a proportion with the exact interval: never too narrow, often too wide (Clopper and Pearson, 1934).

    Raises `DataError` (``E_TOO_FEW``) where ``n`` is 0.
    """
    _check(successes, n)
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else float(stats.beta.ppf(tail, successes, n - successes + 1))
    high = 1.0 if successes == n else float(stats.beta.ppf(1 - tail, successes + 1, n - successes))
    return Estimate(value=successes / n, low=low, high=high, n=n)


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
    found = wilson(min(share * size, size), size)
    return Estimate(value=share, low=min(found.low, share), high=max(found.high, share), n=n)


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
    fewness = (Z / float(stats.t.ppf(0.5 + LEVEL / 2, groups - 1))) ** 2
    return max(min(variance / robust, float(n)) * fewness, min(kish, 1.0))


def mean(values: Sequence[float]) -> Estimate:
    """Estimate a mean with Student's interval; of a single value, x ± 9.68 |x| (Blachman and Machol, 1987).

    Raises `DataError` (``E_TOO_FEW``) without values.
    """
    array = np.asarray(values, dtype=np.float64)
    n = array.size
    _check(0, n)
    middle = float(array.mean())
    if n == 1:
        half = 9.68 * abs(middle)
    else:
        half = float(stats.t.ppf(0.5 + LEVEL / 2, n - 1)) * float(array.std(ddof=1)) / math.sqrt(n)
    return Estimate(value=middle, low=middle - half, high=middle + half, n=n)


def quantile(values: Sequence[float], q: float) -> Estimate:
    """Estimate a quantile; the interval is two order statistics (David and Nagaraja, 2003, section 7.1).

    No order statistic bounds a high quantile of few values from above (the 99th percentile needs 368). There the bound
    stands above the largest value by as much as an exponential tail makes necessary, with the scale of the top tenth.
    Raises `DataError` (``E_TOO_FEW``) without values and `Defect` for ``q`` outside (0, 1).
    """
    array = np.sort(np.asarray(values, dtype=np.float64))
    n = array.size
    _check(0, n)
    if not 0 < q < 1:
        raise Defect("E_DEFECT", "a quantile must lie between 0 and 1", fix="report this defect")
    tail = (1 - LEVEL) / 2
    first = max(int(stats.binom.ppf(tail, n, q)), 1)
    last = int(stats.binom.ppf(1 - tail, n, q)) + 1
    value = float(np.quantile(array, q))
    high = float(array[min(last, n) - 1])
    if last > n:
        top = array[-max(2, math.ceil(n / 10)) :]
        beyond = math.log(-math.log(tail)) - math.log(n * (1 - q))
        high += max(0.0, beyond) * float(top.mean() - top[0])
    return Estimate(value=value, low=min(float(array[first - 1]), value), high=max(high, value), n=n)


def bca(
    statistic: Statistic,
    rows: Floats | Matrix,
    counts: Sequence[int] | None = None,
    clusters: Sequence[int] | None = None,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Estimate a function of column sums with the BCa bootstrap interval (Efron, 1987).

    ``rows`` is (kinds, columns); ``counts`` says how many rows there are of each kind (1 without it). ``statistic``
    turns sums of shape (m, columns) into m numbers. With ``clusters`` (one number per row) whole clusters are drawn.
    Raises `DataError` (``E_TOO_FEW``) without rows.
    """
    draws = resample(rows, counts, clusters, resamples=resamples, seed=seed)
    values = draws.apply(statistic)
    low, high = values.interval()
    value = values.value
    return Estimate(value=value, low=min(low, value), high=max(high, value), n=draws.n)


def resample(
    rows: Floats | Matrix,
    counts: Sequence[int] | None,
    clusters: Sequence[int] | None,
    *,
    resamples: int,
    seed: int,
) -> Resampled:
    """Draw the bootstrap's column sums once, for any number of statistics of them; parameters as in `bca`."""
    matrix = sparse.csr_matrix(rows, dtype=np.float64)
    many = np.ones(matrix.shape[0], dtype=np.int64) if counts is None else np.asarray(counts, dtype=np.int64)
    n = int(many.sum())
    _check(0, n)
    if clusters is not None:
        codes = np.unique(np.asarray(clusters), return_inverse=True)[1].reshape(-1)
        groups = sparse.csr_matrix((many, (codes, np.arange(codes.size))), shape=(int(codes.max()) + 1, codes.size))
        matrix, many = sparse.csr_matrix(groups.dot(matrix), dtype=np.float64), np.ones(groups.shape[0], dtype=np.int64)
    return Resampled(matrix, many, n, _sums(matrix, many, resamples, seed))


class Resampled:
    """Column sums of the rows, of each bootstrap resample, and of the rows without one unit of each kind."""

    def __init__(self, matrix: Matrix, many: npt.NDArray[np.int64], n: int, sums: Floats) -> None:
        self.n = n
        self.many = many
        self.sums = sums
        self.matrix = matrix
        self.total: Floats = np.asarray(many.astype(np.float64) @ matrix, dtype=np.float64)[None, :]

    def apply(self, statistic: Statistic) -> Bootstrap:
        """Work out one statistic on all the sums."""
        step = max(1, _CHUNK // max(1, self.total.size))
        starts = range(0, self.many.size, step)
        left = [statistic(self.total - self.matrix[start : start + step].toarray()) for start in starts]
        value = float(statistic(self.total)[0])
        return Bootstrap(value, np.sort(statistic(self.sums)), np.concatenate(left), self.many)


class Bootstrap:
    """A statistic's value, its sorted bootstrap values, and its jackknife values with their multiplicities."""

    def __init__(self, value: float, draws: Floats, jackknife: Floats, many: npt.NDArray[np.int64]) -> None:
        self.value = value
        self.draws = draws
        # A statistic that says "less than" of equal numbers because of rounding would shift the bias correction.
        near = 1e-12 * max(1.0, abs(value))
        below = float(np.searchsorted(draws, value - near) + np.searchsorted(draws, value + near, side="right")) / 2
        self.bias = float(stats.norm.ppf(_inside(below / draws.size, draws.size)))
        middle = float(np.average(jackknife, weights=many))
        pulls = middle - jackknife
        cubes, squares = float((many * pulls**3).sum()), float((many * pulls**2).sum())
        self.acceleration = cubes / (6 * squares**1.5) if squares > 1e-24 else 0.0

    @property
    def degenerate(self) -> bool:
        """Say whether every resample gave the same value, so that the bootstrap knows nothing of the error."""
        return bool(self.draws[-1] - self.draws[0] <= 1e-12)

    def interval(self) -> tuple[float, float]:
        """Give the 95 % BCa interval."""
        ends = []
        for z in (-Z, Z):
            shifted = self.bias + z
            level = stats.norm.cdf(self.bias + shifted / (1 - self.acceleration * shifted))
            ends.append(float(np.quantile(self.draws, level)))
        return ends[0], ends[1]

    def p_value(self, null: float = 0.0) -> float:
        """Give the two-sided p-value of "the truth is ``null``": the level at which the BCa interval ends there."""
        if self.degenerate:
            return 1.0
        size = self.draws.size
        below = float(np.searchsorted(self.draws, null) + np.searchsorted(self.draws, null, side="right")) / 2
        shifted = float(stats.norm.ppf(_inside(below / size, size))) - self.bias
        z = shifted / max(1 + self.acceleration * shifted, 1e-9) - self.bias
        return min(1.0, 2 * float(stats.norm.sf(abs(z))))


def _sums(matrix: Matrix, many: npt.NDArray[np.int64], resamples: int, seed: int) -> Floats:
    """Draw as many units as there are, with replacement, ``resamples`` times; give the column sums of each draw."""
    rng = np.random.default_rng(seed)
    kinds, units = many.size, int(many.sum())
    step = max(1, _CHUNK // max(units, kinds))
    parts = []
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        if kinds * 4 < units:
            drawn = rng.multinomial(units, many / units, size=size)
        else:
            places = np.repeat(np.arange(kinds), many)[rng.integers(0, units, size=(size, units))]
            places += np.arange(size)[:, None] * kinds
            drawn = np.bincount(places.reshape(-1), minlength=size * kinds).reshape(size, kinds)
        parts.append(np.asarray(drawn.astype(np.float64) @ matrix, dtype=np.float64))
    return np.concatenate(parts)


def _inside(share: float, size: int) -> float:
    """Keep a share of draws off 0 and 1, where its normal quantile is infinite."""
    return min(max(share, 0.5 / size), 1 - 0.5 / size)


def _check(successes: float, n: float) -> None:
    if n <= 0:
        raise DataError("E_TOO_FEW", "there is no scored row to estimate from", fix="label some test rows")
    if not 0 <= successes <= n:
        raise Defect("E_DEFECT", "more successes than rows, or fewer than none", fix="report this defect")
