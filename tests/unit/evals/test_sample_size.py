"""Rows needed, against a search by trying."""

from __future__ import annotations

import pytest

from ockham.evals.intervals import wilson
from ockham.evals.sample_size import rows_needed
from ockham.records import Estimate


@pytest.mark.parametrize(
    ("share", "n", "bar"), [(0.92, 250, 0.9), (0.88, 500, 0.9), (0.99, 300, 0.985), (0.3, 50, 0.25)]
)
def test_rows_needed_is_the_first_n_whose_wilson_interval_clears(share: float, n: int, bar: float) -> None:
    def clears(rows: int) -> bool:
        found = wilson(share * rows, rows)
        return found.low >= bar if share > bar else found.high < bar

    expected = next(rows for rows in range(n, 10**6) if clears(rows)) - n
    found = rows_needed(wilson(share * n, n), bar)
    assert found == pytest.approx(expected, abs=1)


def test_what_is_settled_needs_none_and_what_is_equal_cannot_be_settled() -> None:
    assert rows_needed(wilson(95, 100), 0.85) == 0
    assert rows_needed(wilson(50, 100), 0.85) == 0
    assert rows_needed(wilson(90, 100), 0.9) is None
    assert rows_needed(wilson(90_000, 100_000), 0.8999999) is None


def test_other_numbers_narrow_with_the_square_root() -> None:
    latency = Estimate(value=100.0, low=80.0, high=130.0, n=50)
    assert rows_needed(latency, 115.0) == 150
    assert rows_needed(latency, 90.0) == 150
    difference = Estimate(value=-0.01, low=-0.03, high=0.01, n=100)
    assert rows_needed(difference, 0.0) == 300
