"""The walk over a grid: how far it goes, and when it stays in the middle."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ockham.models import grid_search

GRID = (0.1, 0.25, 0.5, 1.0, 2.0)


def walk(scores: Mapping[float, float], rows: int = 10_000) -> tuple[float, list[float]]:
    """Climb over written-down scores; gives the setting, and which were tried."""
    tried: list[float] = []

    def trial(setting: float) -> tuple[float, float]:
        tried.append(setting)
        return scores[setting], -setting

    setting, extra = grid_search.hill_climb(GRID, trial, rows)
    assert extra == -setting, "what comes along is that of the chosen setting"
    return setting, tried


@pytest.mark.parametrize(
    ("scores", "chosen", "tried"),
    [
        ((0.1, 0.2, 0.9, 0.8, 0.7), 0.5, 3),
        ((0.1, 0.2, 0.5, 0.8, 0.9), 2.0, 4),
        ((0.1, 0.2, 0.5, 0.8, 0.7), 1.0, 4),
        ((0.9, 0.8, 0.5, 0.4, 0.3), 0.1, 4),
        ((0.7, 0.8, 0.5, 0.4, 0.3), 0.25, 4),
        ((0.5, 0.5, 0.5, 0.5, 0.5), 0.5, 3),
        ((0.0, 0.8, 0.5, 0.8, 0.9), 0.25, 4),
        ((1.0, 0.1, 0.5, 0.1, 1.0), 0.5, 3),
        ((0.0, 0.0, 1.0, 1.0, 1.0), 0.5, 3),
    ],
)
def test_it_goes_to_the_better_side_while_the_score_rises(scores: tuple[float, ...], chosen: float, tried: int) -> None:
    setting, seen = walk(dict(zip(GRID, scores, strict=True)))
    assert setting == chosen
    assert len(seen) == len(set(seen)) == tried


@pytest.mark.parametrize(("rows", "chosen"), [(20, 0.5), (100, 1.0)])
def test_a_small_gain_counts_only_where_rows_are_many(rows: int, chosen: float) -> None:
    """Half a standard error of .8 is .045 on 20 rows and .02 on 100."""
    scores = {0.1: 0.0, 0.25: 0.0, 0.5: 0.8, 1.0: 0.84, 2.0: 0.8}
    assert walk(scores, rows)[0] == chosen
