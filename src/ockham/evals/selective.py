"""Answer only what is certain enough: the share of answers kept at each threshold, and the error among the kept."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ockham.evals.clusters import cluster_numbers
from ockham.evals.intervals import proportion
from ockham.evals.metrics import known
from ockham.records import CoveragePoint, Score


def risk_coverage(scores: Sequence[Score], points: int = 20) -> tuple[CoveragePoint, ...]:
    """Draw the risk-coverage curve (El-Yaniv and Wiener, 2010): about ``points`` thresholds, highest first.

    A threshold keeps every answer at least as confident. An answer without a confidence is never kept, and counts in
    the share. The error has Wilson's interval. Empty where no answer has a confidence.
    """
    judged = known(scores)
    sure = sorted((s for s in judged if s.confidence is not None), key=lambda s: -(s.confidence or 0.0))
    curve: list[CoveragePoint] = []
    for step in range(1, points + 1):
        if not sure:
            break
        threshold = sure[math.ceil(step * len(sure) / points) - 1].confidence or 0.0
        if curve and curve[-1].threshold == threshold:
            continue
        kept = [s for s in sure if (s.confidence or 0.0) >= threshold]
        wrong = [float(s.value != 1.0) for s in kept]
        curve.append(
            CoveragePoint(
                threshold=threshold, share=len(kept) / len(judged), error=proportion(wrong, cluster_numbers(kept))
            )
        )
    return tuple(curve)
