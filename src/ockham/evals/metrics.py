"""Metrics of scored answers: accuracy, F1 (macro and weighted), per label, and which labels are taken for which.

A score without a value (it could not be judged) is left out everywhere. An answer of ``None`` is wrong, and no label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ockham.errors import DataError, Defect
from ockham.evals.intervals import Bootstrap, Floats, Matrix, Statistic, mean, proportion, resample
from ockham.records import Estimate, LabelScore, Score

METRICS = ("accuracy", "f1_macro", "f1_weighted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Scored rows as cells of a confusion table, for statistics that are functions of column sums.

    ``rows`` is (cells, 3 * labels): per label right answers, answers, targets. ``counts`` are rows per cell.
    """

    rows: Matrix
    counts: npt.NDArray[np.int64]
    clusters: list[int] | None
    labels: tuple[str, ...]


def metrics(scores: Sequence[Score], labels: Sequence[str], *, seed: int = 0) -> dict[str, Estimate]:
    """Estimate accuracy, and macro and weighted F1 where the task has labels (``labels`` is not empty).

    Accuracy has Wilson's interval, F1 the BCa bootstrap's; rows in clusters are resampled by cluster. The F1 of a label
    without a test row is undefined and left out of the averages. Raises `DataError` (``E_TOO_FEW``) without scores.
    """
    judged = known(scores)
    found = {"accuracy": accuracy(judged)}
    if not labels:
        return found
    cells = tabulate(judged)
    draws = resample(cells.rows, cells.counts.tolist(), cells.clusters, resamples=2000, seed=seed)
    for name, statistic in (("f1_macro", f1_macro), ("f1_weighted", f1_weighted)):
        found[name] = f1_estimate(draws.apply(statistic), found["accuracy"])
    return found


def accuracy(scores: Sequence[Score]) -> Estimate:
    """Estimate the share of right answers, or the mean score where scores lie between 0 and 1."""
    values = [value for score in scores if (value := score.value) is not None]
    if all(value in (0.0, 1.0) for value in values):
        return proportion(values, cluster_numbers(scores))
    return mean(values)


def f1_macro(sums: Floats) -> Floats:
    """Average the labels' F1 = 2 right / (answers + targets), over labels with a target, from sums (m, 3 * labels)."""
    each, targets = _f1(sums)
    there = targets > 0
    shares: Floats = np.where(there, each, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return shares


def f1_weighted(sums: Floats) -> Floats:
    """Average the labels' F1, each weighted by its number of targets, from sums of shape (m, 3 * labels)."""
    each, targets = _f1(sums)
    averaged: Floats = (each * targets).sum(axis=1) / np.maximum(targets.sum(axis=1), 1)
    return averaged


def point(metric: str, targets: Sequence[str], answers: Sequence[str | None]) -> float:
    """Give one metric as one number, fast; F1 as scikit-learn does with ``labels=sorted(set(targets))``.

    Raises `DataError` (``E_TOO_FEW``) without rows and `Defect` for an unknown metric.
    """
    if not targets:
        raise DataError("E_TOO_FEW", "there is no row to measure on", fix="label some test rows")
    if metric == "accuracy":
        return sum(a == t for t, a in zip(targets, answers, strict=True)) / len(targets)
    wanted = Counter(targets)
    given = Counter(answers)
    right = Counter(t for t, a in zip(targets, answers, strict=True) if t == a)
    each = {label: 2 * right[label] / (count + given[label]) for label, count in wanted.items()}
    if metric == "f1_macro":
        return sum(each.values()) / len(each)
    if metric == "f1_weighted":
        return sum(each[label] * count for label, count in wanted.items()) / len(targets)
    raise Defect("E_DEFECT", f"no metric is called {metric!r}", fix=f"use one of {', '.join(METRICS)}")


def f1_estimate(found: Bootstrap, right: Estimate) -> Estimate:
    """Give an F1 its BCa interval, at least as wide as accuracy's where the resamples hardly differ.

    A bootstrap of rows without a mistake knows no mistake; accuracy's interval (``right``) still allows for some.
    """
    low, high = found.interval()
    value = found.value
    if found.degenerate:
        low, high = value - (right.value - right.low), value + (right.high - right.value)
    return Estimate(value=value, low=max(0.0, min(low, value)), high=min(1.0, max(high, value)), n=right.n)


def statistic_of(metric: str) -> Statistic:
    """Name the F1 statistic of a metric. Raises `Defect` for any other."""
    known_: dict[str, Callable[[Floats], Floats]] = {"f1_macro": f1_macro, "f1_weighted": f1_weighted}
    if metric not in known_:
        raise Defect("E_DEFECT", f"no metric is called {metric!r}", fix=f"use one of {', '.join(METRICS)}")
    return known_[metric]


def per_label(scores: Sequence[Score]) -> tuple[LabelScore, ...]:
    """Estimate precision, recall and F1 of every label that is a target or an answer, in the labels' order.

    All three have Wilson's interval: F1 = 2j / (1 + j) grows with the share j of right answers among the rows where
    the label is target or answer. ``None`` where no row says anything.
    """
    judged = known(scores)
    targets: dict[str, list[Score]] = {}
    answers: dict[str, list[Score]] = {}
    for score in judged:
        targets.setdefault(score.target, []).append(score)
        if score.answer is not None:
            answers.setdefault(score.answer, []).append(score)
    found = []
    for label in sorted(targets.keys() | answers.keys()):
        wanted, given = targets.get(label, []), answers.get(label, [])
        either = wanted + [score for score in given if score.target != label]
        found.append(
            LabelScore(
                label=label,
                precision=_right(given),
                recall=_right(wanted),
                f1=_f1_from_jaccard(_right(either)),
                n=len(wanted),
            )
        )
    return tuple(found)


def confusions(scores: Sequence[Score], top: int = 20) -> list[tuple[str, str, int]]:
    """List the commonest mistakes as (target, answer, rows), most frequent first, then by name.

    An answer of ``None`` is not a label and is not listed.
    """
    pairs = Counter((s.target, s.answer) for s in known(scores) if s.answer is not None and s.answer != s.target)
    ordered = sorted(((t, a, n) for (t, a), n in pairs.items()), key=lambda item: (-item[2], item[0], item[1]))
    return ordered[:top]


def known(scores: Iterable[Score]) -> list[Score]:
    """Keep the scores that have a value."""
    return [score for score in scores if score.value is not None]


def cluster_numbers(scores: Sequence[Score]) -> list[int] | None:
    """Give each row's cluster, or ``None`` where no two rows share one; a row without a cluster is its own."""
    named = [score.cluster for score in scores if score.cluster is not None]
    if len(set(named)) == len(named):
        return None
    free = max(named) + 1
    return [free + place if score.cluster is None else score.cluster for place, score in enumerate(scores)]


def tabulate(scores: Sequence[Score], *, apart: bool = False) -> Cells:
    """Count equal (target, answer) pairs, or keep the rows ``apart`` (as always where they come in clusters)."""
    labels = tuple(sorted({score.target for score in scores}))
    place = {label: index for index, label in enumerate(labels)}
    clusters = cluster_numbers(scores)
    pairs: list[tuple[str, str | None]] = [(score.target, score.answer) for score in scores]
    counted = Counter(pairs)
    apart = apart or clusters is not None
    kinds = pairs if apart else list(counted)
    counts = [1] * len(kinds) if apart else [counted[kind] for kind in kinds]
    entries: list[tuple[int, int]] = []
    for row, (target, answer) in enumerate(kinds):
        entries.append((row, 2 * len(labels) + place[target]))
        if answer in place:
            entries.append((row, len(labels) + place[answer]))
        if answer == target:
            entries.append((row, place[target]))
    at = np.array(entries, dtype=np.int64).reshape(-1, 2)
    rows = sparse.csr_matrix(
        (np.ones(len(entries)), (at[:, 0], at[:, 1])), shape=(len(kinds), 3 * len(labels)), dtype=np.float64
    )
    return Cells(rows=rows, counts=np.array(counts, dtype=np.int64), clusters=clusters, labels=labels)


def _f1(sums: Floats) -> tuple[Floats, Floats]:
    right, given, targets = np.split(sums, 3, axis=1)
    each: Floats = 2 * right / np.maximum(given + targets, 1)
    return each, targets


def _right(scores: Sequence[Score]) -> Estimate | None:
    if not scores:
        return None
    return proportion([float(score.answer == score.target) for score in scores], cluster_numbers(scores))


def _f1_from_jaccard(share: Estimate | None) -> Estimate | None:
    if share is None:
        return None
    value, low, high = (2 * j / (1 + j) for j in (share.value, share.low, share.high))
    return Estimate(value=value, low=low, high=high, n=share.n)
