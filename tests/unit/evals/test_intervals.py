"""Intervals against SciPy, statsmodels, textbook numbers and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from ockham.errors import DataError, Defect
from ockham.evals.intervals import jackknife, mean, proportion, quantile, rate, wilson


@pytest.mark.parametrize(("right", "n"), [(0, 10), (10, 10), (1, 7), (45, 50), (4103, 4500)])
def test_wilson_equals_scipy_and_statsmodels(right: int, n: int) -> None:
    found = wilson(right, n)
    reference = stats.binomtest(right, n).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high), abs=1e-9)
    assert (found.low, found.high) == pytest.approx(proportion_confint(right, n, method="wilson"), abs=1e-6)
    assert (found.value, found.n) == (right / n, n)


def test_wilson_at_another_level_equals_statsmodels() -> None:
    found = wilson(45, 50, level=0.9)
    assert (found.low, found.high) == pytest.approx(proportion_confint(45, 50, alpha=0.1, method="wilson"))


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(max_examples=50)
def test_an_interval_holds_its_value_and_stays_in_bounds(case: tuple[int, int]) -> None:
    found = wilson(*case)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high


def test_no_rows_is_an_error_and_not_a_zero() -> None:
    for act in (proportion, mean, rate, lambda values: quantile(values, 0.5), lambda values: wilson(0, len(values))):
        with pytest.raises(DataError, match="E_TOO_FEW"):
            act([])
    with pytest.raises(Defect):
        wilson(3, 2)


def test_rows_that_repeat_each_other_count_once() -> None:
    values = [1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0] * 10
    alone = proportion(values)
    copied = proportion([v for v in values for _ in range(5)], [i for i in range(len(values)) for _ in range(5)])
    assert copied.value == alone.value
    assert copied.n == 5 * alone.n
    # 80 clusters instead of infinitely many: Student's quantile is 1.99 and not 1.96.
    assert copied.high - copied.low == pytest.approx(alone.high - alone.low, rel=0.03)
    assert copied.high - copied.low >= alone.high - alone.low


def test_clusters_of_one_row_are_no_clusters() -> None:
    values = [1.0, 0.0, 1.0, 1.0]
    assert proportion(values, [4, 9, 2, 7]) == proportion(values)


def test_right_answers_in_clusters_promise_no_more_than_their_clusters() -> None:
    found = proportion([1.0] * 100, [i // 10 for i in range(100)])
    assert found.low == pytest.approx(wilson(10, 10).low)


def test_clustered_intervals_hold_the_truth_where_plain_ones_do_not() -> None:
    rng = np.random.default_rng(3)
    clusters = np.repeat(np.arange(60), 5)
    plain = robust = 0
    for _ in range(300):
        chance = rng.beta(4, 1, 60)
        values = (rng.random(300) < chance[clusters]).astype(float).tolist()
        narrow, wide = proportion(values), proportion(values, clusters.tolist())
        plain += narrow.low <= 0.8 <= narrow.high
        robust += wide.low <= 0.8 <= wide.high
    assert robust / 300 >= 0.93
    assert plain < robust


def test_mean_equals_students_interval() -> None:
    values = [2.0, 3.5, 4.0, 8.25]
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    found = mean(values)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert mean([2.0]).high == pytest.approx(2 + 9.68 * 2)
    copied = mean([v for v in values for _ in range(3)], [i for i in range(4) for _ in range(3)])
    assert (copied.low, copied.high) == pytest.approx((low, high))
    assert copied.n == 12


def test_a_rate_has_students_interval_of_its_logarithms() -> None:
    values = [2.0, 3.5, 4.0, 8.25]
    logs = np.log(values)
    low, high = np.exp(stats.t.interval(0.95, 3, loc=logs.mean(), scale=stats.sem(logs)))
    found = rate(values)
    assert (found.low, found.value, found.high, found.n) == pytest.approx((low, stats.gmean(values), high, 4))
    wild = rate([0.5, 90.0, 4000.0])
    assert 0 < wild.low < wild.value < wild.high
    alone = rate([2.0])
    assert (alone.low, alone.value, alone.high, alone.n) == pytest.approx((0, 2, 2 + 9.68 * 2, 1))


def test_median_of_ten_has_the_textbook_ranks() -> None:
    # Conover: for n = 10 the 2nd and the 9th value hold the median with 97.9 %.
    found = quantile([float(v) for v in range(1, 11)], 0.5)
    assert (found.low, found.high) == (2.0, 9.0)


@pytest.mark.parametrize(("q", "n"), [(0.5, 60), (0.95, 200), (0.99, 100), (0.99, 500)])
def test_quantile_intervals_hold_the_truth(q: float, n: int) -> None:
    rng = np.random.default_rng(1)
    truth = -math.log(1 - q)
    found = [quantile(rng.exponential(size=n).tolist(), q) for _ in range(400)]
    assert np.mean([e.low <= truth <= e.high for e in found]) >= 0.925


def test_a_high_quantile_of_few_values_is_not_bounded_by_their_largest() -> None:
    values = [1.0 + i / 10 for i in range(20)]
    assert quantile(values, 0.99).high > max(values)


def test_jackknife_of_a_mean_is_its_standard_error_by_row_and_by_cluster() -> None:
    values = np.random.default_rng(2).normal(size=30)
    rows = np.c_[values, np.ones(30)]
    found = jackknife(lambda sums: sums[:, 0] / sums[:, 1], rows)
    assert found.variance == pytest.approx(stats.sem(values) ** 2)
    paired = jackknife(lambda sums: sums[:, 0] / sums[:, 1], rows, clusters=[i // 2 for i in range(30)])
    assert paired.variance == pytest.approx(stats.sem(values.reshape(15, 2).mean(axis=1)) ** 2)
    assert paired.quantile == pytest.approx(stats.t.ppf(0.975, 14))
