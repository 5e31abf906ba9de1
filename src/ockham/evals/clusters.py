"""Which scored rows belong together."""

from __future__ import annotations

from collections.abc import Sequence

from ockham.records import Score


def cluster_numbers(scores: Sequence[Score]) -> list[int] | None:
    """Give each row's cluster, or ``None`` where no two rows share one; a row without a cluster is its own."""
    named = [score.cluster for score in scores if score.cluster is not None]
    if len(set(named)) == len(named):
        return None
    free = max(named) + 1
    return [free + place if score.cluster is None else score.cluster for place, score in enumerate(scores)]
