"""Latency at a rate, against the theory of queues."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from ockham.evals import intervals, queueing
from ockham.records import Estimate, Profile, RateLatency

DAY = 86_400


def profile(times_ms: list[float]) -> Profile:
    flat = Estimate(value=1.0, low=1.0, high=1.0, n=1)
    return Profile(
        p50_ms=intervals.quantile(times_ms, 0.50),
        p95_ms=intervals.quantile(times_ms, 0.95),
        p99_ms=intervals.quantile(times_ms, 0.99),
        throughput_per_s=flat,
        memory_mb=1.0,
        load_seconds=0.0,
        times_ms=tuple(times_ms),
    )


def known(found: RateLatency) -> tuple[Estimate, Estimate, Estimate]:
    assert found.p50_ms is not None
    assert found.p95_ms is not None
    assert found.p99_ms is not None
    return found.p50_ms, found.p95_ms, found.p99_ms


def test_exponential_service_gives_the_percentiles_of_an_mm1_queue() -> None:
    """From arrival to answer, M/M/1 is exponential with rate mu - lambda."""
    spread = (np.arange(4000) + 0.5) / 4000
    times = (-10.0 * np.log1p(-spread)).tolist()  # mean 10 ms
    found = queueing.at_rate(profile(times), 50 * DAY, machines=1, seed=0)  # half busy
    left = 1 / 10 - 1 / 20
    for estimate, share in zip(known(found), (0.50, 0.95, 0.99), strict=True):
        theory = -math.log(1 - share) / left
        assert estimate.value == pytest.approx(theory, rel=0.04)
        assert estimate.low < theory < estimate.high


def test_rare_requests_wait_for_nobody() -> None:
    times = [float(10 + place % 7) for place in range(400)]
    alone = profile(times)
    found = queueing.at_rate(alone, 100, machines=1, seed=0)
    p50, p95, p99 = known(found)
    assert (p50.value, p95.value, p99.value) == (alone.p50_ms.value, alone.p95_ms.value, alone.p99_ms.value)
    assert p95.low <= alone.p95_ms.low
    assert p95.high >= alone.p95_ms.high
    assert p95.n == 400


def test_traffic_is_divided_among_the_machines() -> None:
    times = profile([10.0] * 50)
    one = queueing.at_rate(times, 40 * DAY, machines=1, seed=0)
    four = queueing.at_rate(times, 160 * DAY, machines=4, seed=0)
    assert four == dataclasses.replace(one, machines=4)
    assert one.requests_per_second == 40


def test_more_requests_than_can_be_answered_have_no_percentiles() -> None:
    found = queueing.at_rate(profile([10.0] * 50), 96 * DAY, machines=1, seed=0)
    assert (found.p50_ms, found.p95_ms, found.p99_ms) == (None, None, None)
    assert found.requests_per_second == pytest.approx(96)


def test_a_profile_without_its_times_has_no_percentiles() -> None:
    bare = dataclasses.replace(profile([1.0, 2.0]), times_ms=())
    assert queueing.at_rate(bare, 10, machines=1, seed=0).p95_ms is None
