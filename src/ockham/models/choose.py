"""Choose a setting on the validation rows: a short walk over an ordered grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def climb(grid: Sequence[float], trial: Callable[[float], tuple[float, float]]) -> tuple[float, float]:
    """Walk from the middle of the grid to the better side while the score rises; gives the setting and its extra.

    ``trial`` maps a setting to (score, extra); larger scores are better. The middle is what usually works, so it stays
    where its neighbours are not strictly better: small validation sets do not send the choice to the edge by chance.
    """
    middle = len(grid) // 2
    tried = {place: trial(grid[place]) for place in (middle, middle - 1, middle + 1)}
    best = max(sorted(tried, key=lambda place: abs(place - middle)), key=lambda place: tried[place][0])
    step = best - middle
    while step and 0 <= best + step < len(grid):
        tried[best + step] = trial(grid[best + step])
        if tried[best + step][0] <= tried[best][0]:
            break
        best += step
    return grid[best], tried[best][1]
