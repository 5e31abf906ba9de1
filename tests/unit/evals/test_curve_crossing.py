"""Where a learning curve reaches the value of a model that learns nothing from the rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ockham.evals.curve_crossing import FARTHEST, find_crossing


@pytest.mark.parametrize(
    ("value", "rows", "beyond"),
    [
        (0.5, 100, False),
        (0.6, 100, False),
        (0.65, 10**2.5, False),
        (0.7, 1000, False),
        (0.75, 10**3.5, True),
    ],
)
def test_known_crossings(value: float, rows: float, beyond: bool) -> None:
    crossing = find_crossing([100, 1000], [0.6, 0.7], value)
    assert crossing is not None
    assert crossing.rows == pytest.approx(rows)
    assert crossing.extrapolated is beyond


@pytest.mark.parametrize(
    ("sizes", "values", "value"),
    [([], [], 0.5), ([100], [0.6], 0.7), ([100, 1000], [0.6, 0.6], 0.7), ([100, 200], [0.7, 0.6], 0.8)],
)
def test_a_curve_that_does_not_rise_leads_nowhere(sizes: list[int], values: list[float], value: float) -> None:
    assert find_crossing(sizes, values, value) is None


def test_a_curve_is_not_continued_too_far() -> None:
    crossing = find_crossing([100, 1000], [0.6, 0.7], 0.7999)
    assert crossing is not None
    assert crossing.extrapolated
    assert crossing.rows == pytest.approx(FARTHEST * 1000, rel=0.01)
    assert find_crossing([100, 1000], [0.6, 0.7], 0.801) is None


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6), st.floats(0, 1))
def test_interpolation_agrees_with_numpy(values: list[float], value: float) -> None:
    sizes = [20 * 2**n for n in range(len(values))]
    crossing = find_crossing(sizes, values, value)
    if crossing is not None and not crossing.extrapolated and crossing.rows > sizes[0]:
        assert np.interp(np.log(crossing.rows), np.log(sizes), values) == pytest.approx(value, abs=1e-9)
