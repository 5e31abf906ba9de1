"""How sure a decision is: one-sided p-values read off an interval, and Holm's correction over several candidates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ockham.records import Estimate

ALPHA = 0.05
Z = 1.959963984540054


def p_below(estimate: Estimate, limit: float) -> float:
    """Return the one-sided p-value of "the truth is at or below ``limit``".

    The score test at the effective sample size that the interval's low end implies: n / z^2 = low (1 - low) /
    (value - low)^2, so p is .025 exactly where the low end is the limit (for Wilson's interval, clustered or not).
    """
    value, low = estimate.value, estimate.low
    if value <= limit:
        return 1.0
    if estimate.high <= low:
        return 0.0
    # An interval corrected for bias can stand off its value; then half of its width says how sure it is.
    z = Z * (value - limit) / (value - low if low < value else (estimate.high - low) / 2)
    if 0 < low < value and 0 < limit < 1:
        z *= math.sqrt(low * (1 - low) / (limit * (1 - limit)))
    return normal_tail(z)


def p_worse(difference: Estimate, tolerance: float) -> float:
    """Return the one-sided p-value of "the difference is at least ``tolerance``", normal on the high side."""
    if difference.value >= tolerance:
        return 1.0
    width = difference.high - difference.low
    if width <= 0:
        return 0.0
    side = difference.high - difference.value
    return normal_tail(Z * (tolerance - difference.value) / (side if side > 0 else width / 2))


def holm_threshold(p_values: Sequence[float], family: int) -> float:
    """Return the level at which Holm's procedure stops: every p-value at or below it is rejected, at 5 % together."""
    left = max(family, len(p_values), 1)
    for p in sorted(p_values):
        if p > ALPHA / left:
            break
        left = max(left - 1, 1)
    return ALPHA / left


def normal_tail(z: float) -> float:
    """Return the standard normal probability above ``z``."""
    return 0.5 * math.erfc(z / math.sqrt(2))


def normal_quantile(share: float) -> float:
    """Return the standard normal quantile, by bisection."""
    low, high = -40.0, 40.0
    for _ in range(80):
        middle = (low + high) / 2
        if 1 - normal_tail(middle) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def widen(estimate: Estimate, z: float) -> Estimate:
    """Widen a 95 % interval to the level that a correction for several candidates asks for (never narrower)."""
    by = max(1.0, z / Z)
    low = estimate.value - (estimate.value - estimate.low) * by
    high = estimate.value + (estimate.high - estimate.value) * by
    within = estimate.low >= 0 and estimate.high <= 1
    return replace(estimate, low=max(0.0, low) if within else low, high=min(1.0, high) if within else high)
