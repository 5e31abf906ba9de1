"""Our quantiles and probabilities are those of `scipy.stats`, which works them out with other code (Boost)."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from ockham.evals import distributions

SHARES = (1e-6, 0.025, 0.15, 0.5, 0.9, 0.975, 1 - 1e-6)


def test_quantiles_are_scipys() -> None:
    for share in SHARES:
        assert distributions.normal_quantile(share) == pytest.approx(stats.norm.ppf(share), rel=1e-12, abs=1e-15)
        for freedom in (1, 2, 5, 41, 1_000):
            assert distributions.student_quantile(share, freedom) == pytest.approx(
                stats.t.ppf(share, freedom), rel=1e-9, abs=1e-12
            )
            assert distributions.chi_square_quantile(share, freedom) == pytest.approx(
                stats.chi2.ppf(share, freedom), rel=1e-9
            )


def test_tails_are_scipys() -> None:
    for value in (-3.0, 0.0, 1.0, 6.0, 30.0):
        assert distributions.normal_tail(value) == pytest.approx(stats.norm.sf(value), rel=1e-12)


def test_counts_are_scipys() -> None:
    for share, n, rate in itertools.product(SHARES, (1, 2, 20, 368, 50_000), (0.01, 0.5, 0.95, 0.99)):
        assert distributions.binomial_quantile(share, n, rate) == stats.binom.ppf(share, n, rate), (share, n, rate)


def test_probabilities_are_scipys() -> None:
    counts = np.arange(41)
    for rate in (0.0, 0.3, 0.99, 1.0):
        np.testing.assert_allclose(
            distributions.binomial_shares(counts, 40, rate), stats.binom.pmf(counts, 40, rate), rtol=1e-10, atol=1e-300
        )
    means = np.array([[0.0], [0.2], [7.0]])
    np.testing.assert_allclose(
        distributions.poisson_shares(counts[None, :], means), stats.poisson.pmf(counts[None, :], means), rtol=1e-10
    )


def test_the_sign_test_is_scipys() -> None:
    for n in (1, 2, 9, 10, 400):
        for heads in {0, 1, n // 3, n // 2, n}:
            assert distributions.sign_test(heads, n) == pytest.approx(stats.binomtest(heads, n, 0.5).pvalue, rel=1e-12)


def test_measuring_does_without_scipys_distributions() -> None:
    script = "import ockham.ladder.fit, ockham.bundles.predict, sys; print('scipy.stats' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert done.stdout == "False\n"
