"""Answer what is sure, pass on the rest: a threshold on confidence, chosen on some rows and measured on others.

Chosen on the rows that it is measured on, a threshold would promise more than it holds (El-Yaniv and Wiener, 2010).
"""

from __future__ import annotations

from collections.abc import Sequence

from ockham.evals.intervals import cluster_numbers, proportion
from ockham.evals.metrics import with_values
from ockham.records import Score, SelectiveAnswers

LEAST_KEPT = 20
"""Fewer answers of the validation rows say too little of the error among them."""


def choose_threshold(scores: Sequence[Score], most_error: float) -> float | None:
    """Return the least confidence at which the answers kept are wrong at most this often; it keeps the most answers.

    ``None`` where no threshold does, or where fewer than `LEAST_KEPT` answers would say so.
    """
    sure = sorted(
        ((s.confidence, s.value != 1.0) for s in with_values(scores) if s.confidence is not None), reverse=True
    )
    wrong, threshold = 0, None
    for place, (confidence, is_wrong) in enumerate(sure, 1):
        wrong += is_wrong
        ends = place == len(sure) or sure[place][0] < confidence
        if ends and place >= LEAST_KEPT and wrong <= most_error * place:
            threshold = confidence
    return threshold


def selective_answers(scores: Sequence[Score], threshold: float, aim: float) -> SelectiveAnswers | None:
    """Estimate the share of answers that a threshold keeps, and the error among them; ``None`` where it keeps none."""
    judged = with_values(scores)
    kept_scores = [s for s in judged if s.confidence is not None and s.confidence >= threshold]
    if not kept_scores:
        return None
    shares = [float(s.confidence is not None and s.confidence >= threshold) for s in judged]
    return SelectiveAnswers(
        threshold=threshold,
        aim=aim,
        share=proportion(shares, cluster_numbers(judged)),
        error=proportion([float(s.value != 1.0) for s in kept_scores], cluster_numbers(kept_scores)),
        whole=proportion([float(s.value != 1.0) for s in judged], cluster_numbers(judged)),
    )
