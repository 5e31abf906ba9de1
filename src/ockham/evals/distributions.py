"""Distributions that intervals and tests are made from, by scipy's special functions.

`scipy.stats` has them too, and takes four times as long to import as all else that a command loads to measure.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import special

Floats: TypeAlias = npt.NDArray[np.float64]


def normal_quantile(share: float) -> float:
    """Return the value below which a share of the standard normal distribution lies."""
    return float(special.ndtri(share))


def normal_tail(value: float) -> float:
    """Return the share of the standard normal distribution above a value."""
    return float(special.ndtr(-value))


def student_quantile(share: float, freedom: float) -> float:
    """Return the value below which a share of Student's t with so many degrees of freedom lies."""
    return float(special.stdtrit(freedom, share))


def chi_square_quantile(share: float, freedom: float) -> float:
    """Return the value below which a share of the chi-square distribution lies."""
    return 2 * float(special.gammaincinv(freedom / 2, share))


def binomial_quantile(share: float, n: int, rate: float) -> int:
    """Return the least count that at least a share of the binomial distribution does not exceed."""
    guess = float(special.bdtrik(share, n, rate))
    count = min(max(math.ceil(guess), 0), n) if math.isfinite(guess) else 0
    while count > 0 and special.bdtr(count - 1, n, rate) >= share:
        count -= 1
    while count < n and special.bdtr(count, n, rate) < share:
        count += 1
    return count


def binomial_shares(counts: npt.NDArray[np.int64], n: int, rate: float) -> Floats:
    """Return the probability of each count among ``n`` rows."""
    ways = special.gammaln(n + 1) - special.gammaln(counts + 1) - special.gammaln(n - counts + 1)
    shares: Floats = np.exp(ways + special.xlogy(counts, rate) + special.xlog1py(n - counts, -rate))
    return shares


def poisson_shares(counts: npt.NDArray[np.int64], means: Floats) -> Floats:
    """Return the probability of each count for each mean; the shapes are broadcast."""
    shares: Floats = np.exp(special.xlogy(counts, means) - special.gammaln(counts + 1) - means)
    return shares


def sign_test(fewer: int, n: int) -> float:
    """Return the exact two-sided p-value of ``fewer`` heads, or tails, in ``n`` throws of a fair coin."""
    return min(1.0, 2 * float(special.bdtr(min(fewer, n - fewer), n, 0.5)))
