"""What one metric of a report does not show: how many whole objects are right, and what is weakest."""

from __future__ import annotations

from collections.abc import Sequence

from ockham.records import Estimate, LabelScore, Report, Requirements
from ockham.records.quantities import FIELD, QUANTITIES
from ockham.verdict.conclusion import HALF, AnswerQuality, WeakSpot


def answer_quality(report: Report) -> AnswerQuality:
    """Count the whole objects that are right, where fields are extracted, and name the weakest field or label.

    Of two that are equally weak it is the one with more test rows, then the first by name.
    """
    extracts = any(QUANTITIES[name].right == "fields" for name in report.metrics if name in QUANTITIES)
    spots = [
        WeakSpot(kind="field" if extracts else "label", name=score.label, f1=score.f1, rows=score.n)
        for score in report.per_label
        if score.f1 is not None and score.n
    ]
    weakest = min(spots, key=lambda spot: (spot.f1.value, -spot.rows, spot.name), default=None)
    if not extracts:
        return AnswerQuality(weakest=weakest if len(spots) > 2 else None)
    values = [score.value for score in report.scores if score.value is not None]
    poor = sorted((spot.f1.value, spot.name) for spot in spots if spot.f1.value < HALF)
    return AnswerQuality(
        right=sum(value == 1.0 for value in values),
        rows=len(values),
        weakest=weakest,
        unusable=tuple(name for _, name in poor),
    )


def required_fields(per_label: Sequence[LabelScore], requirements: Requirements) -> dict[str, Estimate]:
    """Return the F1 of each field that something is required of, by the name of that metric."""
    return {
        f"{FIELD}{score.label}": score.f1
        for score in per_label
        if score.label in requirements.min_field and score.f1 is not None
    }
