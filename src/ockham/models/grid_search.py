"""Choose a setting on the validation rows: a short walk over an ordered grid."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from ockham import machine

T = TypeVar("T")

MARGIN = 0.5
"""How many standard errors better a setting must be than the one nearer to the middle."""


def hill_climb(
    grid: Sequence[float], trial: Callable[[float], tuple[float, T]], rows: int, *, together: bool = False
) -> tuple[float, T]:
    """Walk from the middle of the grid to the better side while the score clearly rises; gives setting and extra.

    ``trial`` maps a setting to (score, extra), the score a share in [0, 1] over ``rows`` validation rows; larger is
    better. The middle is what usually works, so it stays where a neighbour is not better by half a standard error:
    small validation sets do not send the choice to the edge by chance. ``together`` says that trials may run side by
    side.
    """
    middle = len(grid) // 2
    first = (middle, middle - 1, middle + 1)
    jobs = [partial(trial, grid[index]) for index in first]
    tried = dict(zip(first, machine.run_parallel(jobs) if together else [job() for job in jobs], strict=True))
    score = tried[middle][0]
    margin = MARGIN * math.sqrt(max(score * (1 - score), 0.0) / max(1, rows))
    best = max((middle - 1, middle + 1), key=lambda index: tried[index][0])
    if tried[best][0] <= score + margin:
        return grid[middle], tried[middle][1]
    step = best - middle
    while 0 <= best + step < len(grid):
        tried[best + step] = trial(grid[best + step])
        if tried[best + step][0] <= tried[best][0] + margin:
            break
        best += step
    return grid[best], tried[best][1]
