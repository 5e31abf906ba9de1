"""How many more test rows until a requirement is decided."""

from __future__ import annotations

import math

from ockham.records import Estimate

MOST = 10_000_000


def rows_needed(estimate: Estimate, requirement: float) -> int | None:
    """Say how many more test rows, were they like these, until the 95 % interval no longer holds the requirement.

    0 where it already does not. ``None`` where the estimate equals the requirement, where its interval has no width to
    learn from, or beyond 10 million rows. The end of the interval that faces the requirement moves as a Wilson
    interval's does for numbers in [0, 1], and as 1 / sqrt(n) does for others.
    """
    value, n = estimate.value, estimate.n
    above = value > requirement
    end = estimate.low if above else estimate.high
    if (above and end >= requirement) or (value < requirement and end < requirement):
        return 0
    if value == requirement or end == value or n < 1:
        return None
    if estimate.low >= 0 and estimate.high <= 1 and 0 < requirement < 1:
        factor = _per_row(value, requirement) / _per_row(value, end) if 0 < end < 1 else math.inf
    else:
        factor = ((value - end) / (value - requirement)) ** 2
    more = math.ceil(round(n * (factor - 1), 6)) if math.isfinite(factor) else MOST + 1
    return max(1, more) if more <= MOST else None


def _per_row(value: float, end: float) -> float:
    """Return the n / z^2 at which Wilson's interval of ``value`` ends at ``end``: end (1 - end) / (value - end)^2."""
    return end * (1 - end) / (value - end) ** 2
