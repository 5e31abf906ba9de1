"""Metrics of scored answers: accuracy, F1 (macro and weighted), per label, and which labels are taken for which.

A score without a value (it could not be judged) is left out everywhere. An answer of ``None`` is wrong, and no label.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from ockham.evals.intervals import cluster_numbers, mean, proportion
from ockham.records import CoveragePoint, Estimate, LabelScore, Score


def accuracy(scores: Sequence[Score]) -> Estimate:
    """Estimate the share of right answers, or the mean score where scores lie between 0 and 1."""
    values = [value for score in scores if (value := score.value) is not None]
    if all(value in (0.0, 1.0) for value in values):
        return proportion(values, cluster_numbers(scores))
    return mean(values, cluster_numbers(scores))


def share_right(targets: Sequence[str], answers: Sequence[str | None]) -> float:
    """Return the share of answers that are their targets."""
    return sum(a == t for t, a in zip(targets, answers, strict=True)) / len(targets)


def macro_f1(targets: Sequence[str], answers: Sequence[str | None]) -> float:
    """Return the mean F1 of the labels, as scikit-learn does with ``labels=sorted(set(targets))``."""
    label_f1 = _f1_of_labels(targets, answers)
    return sum(label_f1.values()) / len(label_f1)


def weighted_f1(targets: Sequence[str], answers: Sequence[str | None]) -> float:
    """Return the mean F1 of the labels weighted by their targets, as scikit-learn does."""
    label_f1 = _f1_of_labels(targets, answers)
    return sum(label_f1[label] * count for label, count in Counter(targets).items()) / len(targets)


def _f1_of_labels(targets: Sequence[str], answers: Sequence[str | None]) -> dict[str, float]:
    answer_counts = Counter(answers)
    right = Counter(t for t, a in zip(targets, answers, strict=True) if t == a)
    return {label: 2 * right[label] / (count + answer_counts[label]) for label, count in Counter(targets).items()}


def per_label(scores: Sequence[Score]) -> tuple[LabelScore, ...]:
    """Estimate precision, recall and F1 of every label that is a target or an answer, in the labels' order.

    All three have Wilson's interval: F1 = 2j / (1 + j) grows with the share j of right answers among the rows where
    the label is target or answer. ``None`` where no row says anything.
    """
    judged = with_values(scores)
    targets: dict[str, list[Score]] = {}
    answers: dict[str, list[Score]] = {}
    for score in judged:
        targets.setdefault(score.target, []).append(score)
        if score.answer is not None:
            answers.setdefault(score.answer, []).append(score)
    label_scores = []
    for label in sorted(targets.keys() | answers.keys()):
        targeted, answered = targets.get(label, []), answers.get(label, [])
        either = targeted + [score for score in answered if score.target != label]
        label_scores.append(
            LabelScore(
                label=label,
                precision=_right(answered),
                recall=_right(targeted),
                f1=_f1_from_jaccard(_right(either)),
                n=len(targeted),
            )
        )
    return tuple(label_scores)


def confusions(scores: Sequence[Score], top: int = 20) -> list[tuple[str, str, int]]:
    """List the commonest mistakes as (target, answer, rows), most frequent first, then by name.

    An answer of ``None`` is not a label and is not listed.
    """
    pairs = Counter((s.target, s.answer) for s in with_values(scores) if s.answer is not None and s.answer != s.target)
    ordered = sorted(((t, a, n) for (t, a), n in pairs.items()), key=lambda item: (-item[2], item[0], item[1]))
    return ordered[:top]


def with_values(scores: Iterable[Score]) -> list[Score]:
    """Keep the scores that have a value."""
    return [score for score in scores if score.value is not None]


def _right(scores: Sequence[Score]) -> Estimate | None:
    if not scores:
        return None
    return proportion([float(score.answer == score.target) for score in scores], cluster_numbers(scores))


def _f1_from_jaccard(share: Estimate | None) -> Estimate | None:
    if share is None:
        return None
    value, low, high = (2 * j / (1 + j) for j in (share.value, share.low, share.high))
    return Estimate(value=value, low=low, high=high, n=share.n)


def risk_coverage(scores: Sequence[Score], points: int = 20) -> tuple[CoveragePoint, ...]:
    """Draw the risk-coverage curve (El-Yaniv and Wiener, 2010): about ``points`` thresholds, highest first.

    A threshold keeps every answer at least as confident. An answer without a confidence is never kept, and counts in
    the share. The error has Wilson's interval. Empty where no answer has a confidence.
    """
    judged = with_values(scores)
    sure = sorted((s for s in judged if s.confidence is not None), key=lambda s: -(s.confidence or 0.0))
    curve: list[CoveragePoint] = []
    for step in range(1, points + 1):
        if not sure:
            break
        threshold = sure[math.ceil(step * len(sure) / points) - 1].confidence or 0.0
        if curve and curve[-1].threshold == threshold:
            continue
        covered = [s for s in sure if (s.confidence or 0.0) >= threshold]
        wrong = [float(s.value != 1.0) for s in covered]
        curve.append(
            CoveragePoint(
                threshold=threshold, share=len(covered) / len(judged), error=proportion(wrong, cluster_numbers(covered))
            )
        )
    return tuple(curve)
