"""Macro and weighted F1 as functions of counts per label, with intervals that hold where labels have few rows.

The interval is Wilson's on the sample size that the jackknife's standard error implies. The BCa bootstrap was tried
first and measured worse: a resample of 500 rows over 150 labels has lost a third of its labels, and one without a
mistake knows none (`benchmarks/coverage.py`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ockham.evals.distributions import Floats, binomial_shares, poisson_shares
from ockham.evals.intervals import Matrix, Statistic, Z, cluster_numbers, jackknife, wilson_ends
from ockham.records import Estimate, Score

_PLENTY = 60
"""Rows of one label from which its F1 has no bias worth a correction (below .0005)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Scored rows as cells of a confusion table, for statistics that are functions of column sums.

    ``rows`` is (cells, 3 * labels): per label right answers, answers, targets. ``counts`` are rows per cell.
    """

    rows: Matrix
    counts: npt.NDArray[np.int64]
    clusters: list[int] | None
    labels: tuple[str, ...]

    @property
    def total(self) -> Floats:
        """The sums over all rows, (1, 3 * labels)."""
        return np.asarray(self.counts.astype(np.float64) @ self.rows, dtype=np.float64)[None, :]


def f1_macro(sums: Floats) -> Floats:
    """Average the labels' F1 = 2 right / (answers + targets), over labels with a target, from sums (m, 3 * labels)."""
    label_f1, targets = _each(sums)
    there = targets > 0
    averaged: Floats = np.where(there, label_f1, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return averaged


def f1_weighted(sums: Floats) -> Floats:
    """Average the labels' F1, each weighted by its number of targets, from sums of shape (m, 3 * labels)."""
    label_f1, targets = _each(sums)
    averaged: Floats = (label_f1 * targets).sum(axis=1) / np.maximum(targets.sum(axis=1), 1)
    return averaged


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelAverage:
    """An average of the labels' F1: the statistic of the column sums, and whether few rows per label bias it."""

    statistic: Statistic
    has_shortfall: bool


MACRO = LabelAverage(statistic=f1_macro, has_shortfall=True)
WEIGHTED = LabelAverage(statistic=f1_weighted, has_shortfall=False)


def tabulate(scores: Sequence[Score], *, apart: bool = False) -> Cells:
    """Count equal (target, answer) pairs, or keep the rows ``apart`` (as always where they come in clusters)."""
    labels = tuple(sorted({score.target for score in scores}))
    column = {label: index for index, label in enumerate(labels)}
    clusters = cluster_numbers(scores)
    pairs: list[tuple[str, str | None]] = [(score.target, score.answer) for score in scores]
    counted = Counter(pairs)
    apart = apart or clusters is not None
    kinds = pairs if apart else list(counted)
    counts = [1] * len(kinds) if apart else [counted[kind] for kind in kinds]
    targets = np.array([column[target] for target, _ in kinds], dtype=np.int64)
    answers = np.array([-1 if answer is None else column.get(answer, -1) for _, answer in kinds], dtype=np.int64)
    every, named = np.arange(len(kinds)), np.flatnonzero(answers >= 0)
    right = np.flatnonzero(answers == targets)
    at = np.concatenate([right, named, every])
    columns = np.concatenate([targets[right], len(labels) + answers[named], 2 * len(labels) + targets])
    rows = sparse.csr_matrix((np.ones(at.size), (at, columns)), shape=(len(kinds), 3 * len(labels)), dtype=np.float64)
    return Cells(rows=rows, counts=np.array(counts, dtype=np.int64), clusters=clusters, labels=labels)


def estimate(average: LabelAverage, cells: Cells, labels: int) -> Estimate:
    """Estimate an average of the labels' F1; ``labels`` is how many labels the task has, with or without a test row.

    Wilson's interval at the effective size value (1 - value) / variance, with the jackknife's variance (by cluster
    where there are clusters), as if one more mistake of the average kind had been seen. Macro F1 of few rows per label
    is too low on average: the interval stands around the value without that `shortfall`.
    """
    statistic = average.statistic
    jackknifed = jackknife(statistic, cells.rows, cells.counts, cells.clusters)
    n = int(cells.counts.sum())
    loss, square = mistake_cost(statistic, cells)
    wrong = min(1 - jackknifed.value + loss, 1.0)
    variance = jackknifed.variance + square
    size = wrong * (1 - wrong) / variance if variance > 0 and 0 < wrong < 1 else float(n)
    centre = jackknifed.value + (shortfall(cells.total, labels) if average.has_shortfall else 0.0)
    low, high = wilson_ends(min(max(centre, 0.0), 1.0), size * (Z / jackknifed.quantile) ** 2)
    return Estimate(value=jackknifed.value, low=min(low, jackknifed.value), high=max(high, jackknifed.value), n=n)


def shortfall(total: Floats, labels: int) -> float:
    """Say how far macro F1 lies below the truth on average because labels have few rows.

    F1 is concave in the counts, so few rows bias it downwards. The expectation is worked out exactly under a pooled
    model: a label's rows are answered right with one common probability, wrong answers fall on labels by their
    frequency (Poisson), and frequencies are shrunk towards equal as far as the counts vary no more than by chance
    (gamma-Poisson, by moments).
    """
    right, answers, targets = (part.reshape(-1) for part in np.split(total, 3, axis=1))
    n, count = float(targets.sum()), max(labels, targets.size)
    rate, wrong = float(right.sum()) / n, max(float(answers.sum() - right.sum()), 0.0)
    mean = n / count
    spread = (float(np.square(targets - mean).sum()) + (count - targets.size) * mean**2) / count
    excess = max((spread - mean) / mean**2, 1e-9)
    frequency = (targets + 1 / excess) / (mean + 1 / excess) / count
    unseen = (count - targets.size) * (1 / excess) / (mean + 1 / excess) / count
    stray = wrong * frequency / (frequency.sum() + unseen)
    truth = 2 * rate * frequency / np.maximum(frequency * (1 + rate) + stray / n, 1e-300)
    missing = 0.0
    for rows in np.unique(targets[(targets > 0) & (targets < _PLENTY)]).astype(int).tolist():
        mask = targets == rows
        missing += float((truth[mask] - _expected_f1(rows, rate, stray[mask])).sum())
    return max(0.0, missing / max(int((targets > 0).sum()), 1))


def _expected_f1(rows: int, rate: float, stray: Floats) -> Floats:
    """Return the expected F1 of labels with so many rows each and a Poisson number of wrong answers naming them."""
    most = float(stray.max())
    right, wrong = np.arange(rows + 1), np.arange(math.ceil(most + 6 * math.sqrt(most)) + 3)
    f1 = 2 * right[:, None] / (rows + right[:, None] + wrong[None, :])
    by_wrong = binomial_shares(right, rows, rate) @ f1
    expected: Floats = poisson_shares(wrong[None, :], stray[:, None]) @ by_wrong
    return expected


def mistake_cost(statistic: Statistic, cells: Cells) -> tuple[float, float]:
    """Say what one more mistake among the right answers would cost on average, and its mean square.

    The wrong answer is spread over the other labels as the answers are. In clusters a mistake is made on a whole one:
    the cluster of a random row (Kish's sum m^2 / sum m rows), as `ockham.evals.intervals.effective_size` takes it.
    """
    total, count = cells.total, len(cells.labels)
    right: Floats = total[0, :count]
    if right.sum() == 0:
        return 0.0, 0.0
    answers: Floats = total[0, count : 2 * count]
    others = np.tile(answers, (count, 1))
    np.fill_diagonal(others, 0.0)
    changed = np.repeat(total, count, axis=0)
    changed[:, :count] -= np.eye(count)
    changed[:, count : 2 * count] += others / np.maximum(others.sum(axis=1, keepdims=True), 1) - np.eye(count)
    losses: Floats = np.where(right > 0, float(statistic(total)[0]) - statistic(changed), 0.0)
    rows = 1.0
    if cells.clusters is not None:
        sizes = np.unique(np.asarray(cells.clusters), return_counts=True)[1].astype(np.float64)
        rows = float(np.square(sizes).sum() / sizes.sum())
    return rows * float(losses @ right / right.sum()), rows**2 * float(losses**2 @ right / right.sum())


def _each(sums: Floats) -> tuple[Floats, Floats]:
    right, answers, targets = np.split(sums, 3, axis=1)
    label_f1: Floats = 2 * right / np.maximum(answers + targets, 1)
    return label_f1, targets
