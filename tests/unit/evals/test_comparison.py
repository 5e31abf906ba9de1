"""Paired comparisons against statsmodels, an independent score interval, and known truths."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize_scalar
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.multitest import multipletests

from ockham.errors import DataError, Defect
from ockham.evals.comparison import compare, correct, holm
from ockham.evals.paired_gaps import mcnemar, tango
from ockham.evals.task_metrics import metrics_of
from ockham.evals.tasks import metric_value
from ockham.records import Score


def model(pairs: list[tuple[str, str]], cluster: int | None = None) -> list[Score]:
    return [
        Score(
            example=str(i), answer=a, target=t, value=float(a == t), cluster=None if cluster is None else i // cluster
        )
        for i, (t, a) in enumerate(pairs)
    ]


def outcomes(both: int, first: int, second: int, neither: int) -> tuple[list[Score], list[Score]]:
    ours = [("a", "a")] * (both + first) + [("a", "b")] * (second + neither)
    theirs = [("a", "a")] * both + [("a", "b")] * first + [("a", "a")] * second + [("a", "b")] * neither
    return model(ours), model(theirs)


@pytest.mark.parametrize(("b", "c"), [(0, 0), (5, 0), (12, 2), (30, 31), (121, 59)])
def test_mcnemar_equals_statsmodels(b: int, c: int) -> None:
    expected = reference_mcnemar([[40, b], [c, 9]], exact=True).pvalue if b + c else 1.0
    assert mcnemar(b, c) == pytest.approx(expected)


@pytest.mark.parametrize(("b", "c", "n"), [(12, 2, 44), (0, 0, 50), (9, 9, 30), (3, 0, 200), (240, 190, 4500)])
def test_tango_ends_where_the_constrained_score_test_is_196(b: int, c: int, n: int) -> None:
    def z(delta: float) -> float:
        # Maximise the multinomial likelihood under p12 - p21 = delta numerically.
        def loss(p21: float) -> float:
            cells = ((b, p21 + delta), (c, p21), (n - b - c, 1 - 2 * p21 - delta))
            return -sum(k * math.log(max(p, 1e-300)) for k, p in cells if k)

        bounds = (max(0.0, -delta), (1 - delta) / 2)
        p21 = float(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x)
        return float((b - c - n * delta) / math.sqrt(n * (2 * p21 + delta * (1 - delta))))

    low, high = tango(b, c, n)
    assert -1 <= low <= (b - c) / n <= high <= 1
    assert z(low) == pytest.approx(1.96, abs=2e-3)
    assert z(high) == pytest.approx(-1.96, abs=2e-3)


def test_accuracy_is_compared_row_by_row() -> None:
    ours, theirs = outcomes(80, 12, 2, 6)
    found = compare(ours, theirs, "accuracy", names=("large", "small"))
    assert (found.first, found.second, found.metric) == ("large", "small", "accuracy")
    assert found.difference.value == pytest.approx(0.10)
    assert found.p_value == found.p_holm == pytest.approx(reference_mcnemar([[80, 12], [2, 6]], exact=True).pvalue)
    turned = compare(theirs, ours, "accuracy").difference
    assert (turned.low, turned.high) == pytest.approx((-found.difference.high, -found.difference.low))


def test_order_of_rows_and_rows_of_one_side_do_not_matter() -> None:
    ours, theirs = outcomes(30, 6, 2, 2)
    expected = compare(ours, theirs, "accuracy")
    assert compare(ours[::-1], theirs, "accuracy") == expected
    extra = Score(example="only here", answer="a", target="a", value=1.0)
    unjudged = Score(example="0", answer=None, target="a", value=None)
    assert compare([*ours, extra], theirs, "accuracy") == expected
    assert compare([unjudged, *ours[1:]], theirs, "accuracy").difference.n == 39


@pytest.mark.parametrize("metric", metrics_of("classify"))
def test_a_candidate_against_itself_differs_by_nothing_yet_not_for_certain(metric: str) -> None:
    ours, _ = outcomes(30, 6, 2, 2)
    found = compare(ours, ours, metric)
    assert found.difference.value == 0.0
    assert found.p_value == 1.0
    assert found.difference.low < 0 < found.difference.high


def test_copied_rows_prove_nothing_more() -> None:
    ours, theirs = outcomes(70, 20, 4, 6)
    pairs = [[(s.target, s.answer or "") for s in rows for _ in range(4)] for rows in (ours, theirs)]
    for metric in metrics_of("classify"):
        alone = compare(ours, theirs, metric)
        copied = compare(model(pairs[0], 4), model(pairs[1], 4), metric)
        blind = compare(model(pairs[0]), model(pairs[1]), metric)
        width = alone.difference.high - alone.difference.low
        assert copied.difference.high - copied.difference.low == pytest.approx(width, rel=0.1)
        assert blind.difference.high - blind.difference.low < 0.6 * width
        assert copied.p_value == pytest.approx(alone.p_value, rel=0.6)
        assert blind.p_value < alone.p_value / 100


def test_sign_flips_of_single_rows_are_mcnemars_test() -> None:
    ours, theirs = outcomes(20, 9, 3, 4)
    # One cluster of two rows that agree turns on the clustered test and moves no count.
    rows = [
        [*side, *([Score(example=f"x{i}", answer="a", target="a", value=1.0, cluster=1) for i in range(2)])]
        for side in (ours, theirs)
    ]
    found = compare(rows[0], rows[1], "accuracy").p_value
    assert found == pytest.approx(mcnemar(9, 3), abs=0.012)


def test_f1_differences_hold_the_truth() -> None:
    chance = random.Random(8)
    labels = "abcdef"
    rows = [chance.choice(labels) for _ in range(4000)]
    first = [t if chance.random() < 0.85 else chance.choice(labels) for t in rows]
    second = [a if chance.random() < 0.9 else chance.choice(labels) for a in first]
    rng = np.random.default_rng(9)
    for metric in ("f1_macro", "f1_weighted"):
        truth = metric_value("classify", metric, rows, first) - metric_value("classify", metric, rows, second)
        hits = 0
        for _ in range(150):
            drawn = rng.integers(0, 4000, 150)
            pairs = [model([(rows[i], answers[i]) for i in drawn]) for answers in (first, second)]
            found = compare(pairs[0], pairs[1], metric).difference
            hits += found.low <= truth <= found.high
        assert hits / 150 >= 0.92


def test_holm_equals_statsmodels_and_keeps_the_order() -> None:
    values = [0.04, 0.001, 0.03, 0.5, 0.012]
    assert holm(values) == pytest.approx(list(multipletests(values, method="holm")[1]))
    assert holm([]) == []
    ours, theirs = outcomes(70, 20, 4, 6)
    corrected = correct([compare(ours, theirs, "accuracy"), compare(ours, ours, "accuracy")])
    assert corrected[0].p_holm == pytest.approx(2 * corrected[0].p_value)
    assert corrected[1].p_holm == 1.0


def test_what_cannot_be_compared_is_refused() -> None:
    ours, _ = outcomes(3, 0, 0, 0)
    other = [Score(example="0", answer="b", target="b", value=1.0)]
    with pytest.raises(DataError, match="E_TOO_FEW"):
        compare(ours, [], "accuracy")
    with pytest.raises(Defect, match="two targets"):
        compare(ours, other, "accuracy")


def test_scores_between_0_and_1_are_compared_by_their_means() -> None:
    values = [(0.5, 0.25), (1.0, 0.5), (0.75, 0.75), (0.25, 0.0), (1.0, 0.75), (0.5, 0.25)]
    sides = [
        [Score(example=str(i), answer="a", target="t", value=pair[side]) for i, pair in enumerate(values)]
        for side in (0, 1)
    ]
    found = compare(sides[0], sides[1], "accuracy")
    low, high = stats.ttest_rel([a for a, _ in values], [b for _, b in values]).confidence_interval(0.95)
    assert (found.difference.low, found.difference.high) == pytest.approx((low, high))
    assert found.p_value < 0.05
