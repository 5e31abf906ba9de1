"""Keeping only what is certain enough."""

from __future__ import annotations

from ockham.evals.intervals import wilson
from ockham.evals.metrics import risk_coverage
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
