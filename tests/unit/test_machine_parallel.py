"""Work on all cores: results in order, linear algebra on one core each."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from ockham import machine


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_results_stand_in_the_order_of_the_jobs() -> None:
    jobs = [partial(pow, place, 2) for place in range(7)]
    assert machine.run_parallel(jobs) == [0, 1, 4, 9, 16, 25, 36]
    assert machine.run_parallel([]) == []


def test_linear_algebra_has_one_core_inside_and_all_of_them_afterwards() -> None:
    before = blas_threads()
    assert machine.run_parallel([blas_threads]) == [{1}]
    assert blas_threads() == before


def test_a_product_is_the_same_bits_alone_and_beside_others() -> None:
    left, right = (np.random.default_rng(seed).standard_normal((300, 300)).astype(np.float32) for seed in (0, 1))
    [alone] = machine.run_parallel([lambda: left @ right])
    beside = machine.run_parallel([lambda: left @ right for _ in range(4)])
    assert all(np.array_equal(alone, one) for one in beside)


def test_the_fault_of_a_job_is_the_fault_of_all() -> None:
    before = blas_threads()

    def fails() -> None:
        raise ValueError("a fault")

    with pytest.raises(ValueError, match="a fault"):
        machine.run_parallel([fails, lambda: None])
    assert blas_threads() == before
