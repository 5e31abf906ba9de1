"""Latency at a rate: what a caller waits where requests come on their own time, not one after the other.

A machine answers one request at a time, first come, first served; requests come at random (Poisson). The wait of each
follows from the one before it (Lindley, 1952): with the service times that were measured, nothing else is assumed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ockham.records import Estimate, Profile, RateLatency

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FULL = 0.95
"""The share of its time that a machine can be busy; above it, the queue of a day has no end worth naming."""
_SECONDS = 86_400
_WARM_UP = 500
_REQUESTS = 4_000
_QUEUES = 100
_RESAMPLES = 300
_ENDS = (2.5, 97.5)


def at_rate(profile: Profile, requests_per_day: float, *, machines: int, seed: int) -> RateLatency:
    """Estimate p50, p95 and p99 from a request's arrival to its answer, where ``machines`` share a daily traffic.

    The service times are those of the profile, at batch 1. The intervals are a bootstrap's over them (Efron, 1979), the
    chance of the arrivals included, and never narrower than those at batch 1. Where a machine would be busy more than
    95 % of its time, or no times were kept, the percentiles are ``None``.
    """
    import numpy as np

    per_second = requests_per_day / _SECONDS / machines
    times = np.asarray(profile.times_ms, dtype=np.float64)
    if not times.size or per_second * times.mean() / 1000 > FULL:
        return RateLatency(requests_per_second=per_second, machines=machines)
    waited = _simulate(times, 1000 / per_second, seed)

    def estimate(percent: float, alone: Estimate) -> Estimate:
        value = float(np.percentile(waited[:, :_QUEUES], percent))
        low, high = np.percentile(np.percentile(waited[:, _QUEUES:], percent, axis=0), _ENDS)
        return Estimate(
            value=value,
            low=min(float(low), value - (alone.value - alone.low)),
            high=max(float(high), value + (alone.high - alone.value)),
            n=times.size,
        )

    return RateLatency(
        requests_per_second=per_second,
        machines=machines,
        p50_ms=estimate(50, profile.p50_ms),
        p95_ms=estimate(95, profile.p95_ms),
        p99_ms=estimate(99, profile.p99_ms),
    )


def _simulate(times: NDArray[np.float64], gap: float, seed: int) -> NDArray[np.float64]:
    """Return the milliseconds from arrival to answer, (requests, queues); ``gap`` is the mean time between arrivals.

    The first queues draw from the times as they were measured, the others from a resample of them each.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    again = times[rng.integers(times.size, size=(_RESAMPLES, times.size))]
    served = np.concatenate([np.broadcast_to(times, (_QUEUES, times.size)), again])
    queue = np.arange(len(served))
    waits, seen = np.zeros(len(served)), np.empty((_REQUESTS, len(served)))
    for step in range(-_WARM_UP, _REQUESTS):
        took = served[queue, rng.integers(times.size, size=len(served))]
        if step >= 0:
            seen[step] = waits + took
        waits = np.maximum(0.0, waits + took - rng.exponential(gap, size=len(served)))
    return seen
