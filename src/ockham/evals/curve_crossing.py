"""Where a learning curve reaches a given value: between the sizes that were measured, or beyond them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

FARTHEST = 10
"""A curve is not continued beyond so many times the rows that were measured."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """After how many training rows a curve reaches a value, and whether that lies beyond what was measured."""

    rows: float
    extrapolated: bool


def find_crossing(sizes: Sequence[int], values: Sequence[float], value: float) -> Crossing | None:
    """Return where a curve reaches ``value``, linear in the logarithm of the rows; ``None`` where it does not.

    ``sizes`` are rows, rising and above 0, ``values`` what was measured at each. Between two sizes the curve is
    interpolated. Beyond the last it goes on as it rose from the last size but one, up to `FARTHEST` times the rows.
    """
    if not sizes:
        return None
    if values[0] >= value:
        return Crossing(sizes[0], extrapolated=False)
    places = [math.log(size) for size in sizes]
    for index in range(1, len(sizes)):
        if values[index] >= value:
            slope = (values[index] - values[index - 1]) / (places[index] - places[index - 1])
            return Crossing(math.exp(places[index - 1] + (value - values[index - 1]) / slope), extrapolated=False)
    if len(sizes) < 2 or values[-1] <= values[-2]:
        return None
    slope = (values[-1] - values[-2]) / (places[-1] - places[-2])
    further = (value - values[-1]) / slope
    return Crossing(math.exp(places[-1] + further), extrapolated=True) if further <= math.log(FARTHEST) else None
