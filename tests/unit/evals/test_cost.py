"""What serving costs, by hand-worked numbers."""

from __future__ import annotations

import datetime as dt

import pytest

from ockham.catalog import ApiPrice
from ockham.errors import Defect
from ockham.evals.cost import api_per_million, break_even, machines, per_day, per_million

PRICE = ApiPrice(name="x", input_per_million=2.0, output_per_million=8.0, date=dt.date(2025, 1, 1), source="list price")


def test_a_day_costs_whole_machines_that_are_half_busy() -> None:
    # One machine at 1 per second serves 43,200 a day at half load.
    assert machines(1.0, 0) == 1
    assert machines(1.0, 43_200) == 1
    assert machines(1.0, 43_201) == 2
    assert per_day(1.0, 43_201, 0.10) == pytest.approx(4.8)


def test_a_million_requests() -> None:
    assert per_million(100.0, 0.36) == pytest.approx(2.0)
    assert api_per_million(500, 20, PRICE) == pytest.approx(1160.0)


def test_break_even_is_where_both_cost_the_same() -> None:
    api = api_per_million(500, 20, PRICE)
    daily = break_even(api, 10.0, 0.10)
    assert daily is not None
    assert daily * api / 1e6 == pytest.approx(per_day(10.0, daily, 0.10))
    assert break_even(1.0, 0.01, 0.10) is None
    assert break_even(0.0, 10.0, 0.10) is None


def test_a_throughput_of_nothing_is_a_defect() -> None:
    with pytest.raises(Defect, match="throughput"):
        per_day(0.0, 10, 0.1)
