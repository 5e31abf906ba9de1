"""Keeping only what is certain enough."""

from __future__ import annotations

from ockham.evals.intervals import wilson
from ockham.evals.metrics import risk_coverage
from ockham.evals.selective import LEAST_KEPT, choose_threshold, selective_answers
from ockham.records import Score


def answer(place: int, right: bool, confidence: float | None) -> Score:
    return Score(
        example=str(place), answer="a", target="a" if right else "b", value=float(right), confidence=confidence
    )


def test_the_curve_counts_what_each_threshold_keeps() -> None:
    rows = [answer(i, right=i < 8, confidence=1 - i / 10) for i in range(10)]
    curve = risk_coverage(rows, points=5)
    assert [(point.threshold, point.share) for point in curve] == [
        (0.9, 0.2),
        (0.7, 0.4),
        (0.5, 0.6),
        (0.30000000000000004, 0.8),
        (0.09999999999999998, 1.0),
    ]
    assert curve[-1].error == wilson(2, 10)
    assert curve[0].error == wilson(0, 2)


def test_equal_confidences_are_kept_together() -> None:
    curve = risk_coverage([answer(i, right=True, confidence=0.5) for i in range(6)])
    assert [(point.threshold, point.share) for point in curve] == [(0.5, 1.0)]


def test_an_answer_without_confidence_is_never_kept_and_always_counted() -> None:
    rows = [answer(0, right=True, confidence=0.9), answer(1, right=False, confidence=None)]
    assert [point.share for point in risk_coverage(rows)] == [0.5]
    assert risk_coverage(rows[1:]) == ()
    assert risk_coverage([]) == ()


def test_the_threshold_keeps_as_much_as_the_error_allows() -> None:
    rows = [answer(i, right=i % 10 != 9 or i < 40, confidence=1 - i / 100) for i in range(100)]
    threshold = choose_threshold(rows, 0.03)
    assert threshold == 1 - 68 / 100, "69 answers hold two wrong ones, the 70th would be the third of 70"
    assert choose_threshold(rows, 0.0) == 1 - 48 / 100
    assert choose_threshold(rows, 1.0) == 1 - 99 / 100
    assert choose_threshold([answer(i, right=False, confidence=0.5) for i in range(50)], 0.1) is None
    assert choose_threshold(rows[: LEAST_KEPT - 1], 0.5) is None
    assert choose_threshold([answer(0, right=True, confidence=None)] * 30, 0.5) is None


def test_equal_confidences_fall_on_one_side_of_a_threshold() -> None:
    rows = [answer(i, right=i < 25, confidence=0.9 if i < 24 else 0.5) for i in range(40)]
    assert choose_threshold(rows, 0.1) == 0.9


def test_what_a_threshold_does_is_measured_on_other_rows() -> None:
    rows = [answer(i, right=i != 3, confidence=None if i == 9 else 1 - i / 10) for i in range(10)]
    outcome = selective_answers(rows, 0.5, aim=0.05)
    assert outcome is not None
    assert (outcome.share, outcome.error, outcome.whole) == (wilson(6, 10), wilson(1, 6), wilson(1, 10))
    assert selective_answers(rows, 1.5, aim=0.05) is None
