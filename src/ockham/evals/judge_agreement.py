"""What a judge's opinions come to: its accuracy, and how far it agrees with exact scoring on the same rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ockham.evals.distributions import Floats
from ockham.evals.intervals import cluster_numbers, jackknife, proportion
from ockham.records import Estimate, JudgeSummary, Score


def summarize_opinions(
    model: str, scores: Sequence[Score], opinions: Sequence[bool | None], cost: float | None
) -> JudgeSummary:
    """Count opinions against exact scores, one each per row; rows without an opinion count as unusable alone."""
    pairs = [
        (score, opinion)
        for score, opinion in zip(scores, opinions, strict=True)
        if opinion is not None and score.value is not None
    ]
    rows = [score for score, _ in pairs]
    table = np.array([_cell(opinion, bool(score.value)) for score, opinion in pairs]).reshape(-1, 4)
    both_right, judge_alone, exact_alone, both_wrong = (int(count) for count in table.sum(axis=0))
    clusters = cluster_numbers(rows)
    return JudgeSummary(
        model=model,
        accuracy=proportion([float(opinion) for _, opinion in pairs], clusters) if pairs else None,
        both_right=both_right,
        judge_alone=judge_alone,
        exact_alone=exact_alone,
        both_wrong=both_wrong,
        unusable=len(scores) - len(pairs),
        kappa=kappa(table, clusters),
        cost=cost,
    )


def kappa(table: Floats, clusters: Sequence[int] | None) -> Estimate | None:
    """Estimate Cohen's kappa (1960) of two judges: agreement beyond what their shares of "right" alone would give.

    ``table`` has a row for each case and a column for each cell (both right, first alone, second alone, both wrong).
    The interval is the jackknife's, by cluster where there are clusters. ``None`` where both say the same of every case
    and it is one thing: nothing could then be agreed on.
    """
    if int((table.sum(axis=0) > 0).sum()) < 2:
        return None
    jackknifed = jackknife(_kappa, table, clusters=clusters)
    half = jackknifed.quantile * math.sqrt(jackknifed.variance)
    low, high = max(-1.0, jackknifed.value - half), min(1.0, jackknifed.value + half)
    return Estimate(value=jackknifed.value, low=low, high=high, n=len(table))


def _cell(judge: bool, exact: bool) -> list[float]:
    return [float(judge and exact), float(judge and not exact), float(exact and not judge), float(not (judge or exact))]


def _kappa(sums: Floats) -> Floats:
    a, b, c, d = sums.T
    n = a + b + c + d
    agreed = (a + d) / n
    chance = ((a + b) * (a + c) + (c + d) * (b + d)) / n**2
    # Where one cell holds everything there is nothing to agree on beyond chance.
    return np.where(chance < 1, (agreed - chance) / np.where(chance < 1, 1 - chance, 1.0), 0.0)
