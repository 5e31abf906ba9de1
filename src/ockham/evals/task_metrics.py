"""Every metric of answers, one row each: the tasks that have it, its estimate, its value and its paired difference.

What a metric is called, and how it is required, stands in `ockham.records.quantities`. The rows stand in the order in
which metrics are shown; the first that a task has is the one that its choices are made by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from ockham.errors import Defect
from ockham.evals import f1, field_scores, metrics
from ockham.evals.distributions import Floats
from ockham.evals.f1 import LabelAverage
from ockham.evals.intervals import (
    Z,
    bounded_mean,
    cluster_numbers,
    jackknife,
    proportion,
    wilson_ends,
)
from ockham.evals.paired_gaps import (
    Clusters,
    Gap,
    Pairs,
    f1_micro_gap,
    grade_gap,
    label_f1_gap,
    share_gap,
)
from ockham.evals.scorer_plugs import METRIC
from ockham.evals.text_similarity import TEXT_SIMILARITY
from ockham.records import Estimate, Score, TaskName

Similarity: TypeAlias = "Callable[[str | None, str], float]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """How one metric is worked out.

    ``estimate`` takes scores and the labels of the task, ``gap`` the scores of two candidates on the same rows, their
    clusters and a seed. ``value`` takes targets and answers and is one number, fast; without it the value is the share
    of answers that are right. A metric that ``needs_labels`` is left out where the task has none.
    """

    tasks: tuple[TaskName, ...]
    estimate: Callable[[Sequence[Score], Sequence[str]], Estimate]
    gap: Callable[[Pairs, Clusters, int], Gap]
    value: Callable[[Sequence[str], Sequence[str | None]], float] | None = None
    needs_labels: bool = False


def find_metric(name: str) -> Metric:
    """Return the row of a metric. Raises `Defect` for an unknown one."""
    if name not in METRICS:
        raise Defect("E_DEFECT", f"no metric is called {name!r}", fix="report this defect")
    return METRICS[name]


def metrics_of(task: TaskName) -> tuple[str, ...]:
    """Name the metrics of a task; the first is the one that choices are made by."""
    return tuple(name for name, metric in METRICS.items() if task in metric.tasks)


def f1_micro(scores: Sequence[Score]) -> Estimate:
    """Estimate F1 over the fields of all rows together, 2 right / (given + wanted), with the interval of its counts.

    Raises `DataError` (``E_TOO_FEW``) without scores.
    """
    return f1_of_counts(field_scores.tally((score.answer, score.target) for score in scores), cluster_numbers(scores))


def f1_of_counts(counts: Floats, clusters: Clusters) -> Estimate:
    """Estimate micro F1 from the fields of rows: right, given, wanted, (rows, 3).

    Wilson's interval on the sample size that the jackknife's standard error implies (by cluster where there are
    clusters), as if one more field had been answered wrong: without that, a hundred right answers would claim to be
    certain.
    """
    jackknifed = jackknife(field_scores.f1_micro, counts, clusters=clusters)
    loss = field_scores.one_mistake(counts, clusters)
    wrong = min(1 - jackknifed.value + loss, 1.0)
    variance = jackknifed.variance + loss**2
    size = wrong * (1 - wrong) / variance if variance > 0 and 0 < wrong < 1 else float(len(counts))
    low, high = wilson_ends(jackknifed.value, size * (Z / jackknifed.quantile) ** 2)
    return Estimate(value=jackknifed.value, low=low, high=high, n=len(counts))


def _f1_micro_value(targets: Sequence[str], answers: Sequence[str | None]) -> float:
    counts = field_scores.tally(zip(answers, targets, strict=True))
    return float(field_scores.f1_micro(counts.sum(axis=0)[None, :])[0])


def _valid(score: Score) -> float:
    """Return 1 for an answer that is a JSON object, right or wrong: what a program that reads the answers can take."""
    return float(field_scores.valid(score.answer))


def _mean_similarity(similarity: Similarity, targets: Sequence[str], answers: Sequence[str | None]) -> float:
    return sum(similarity(answer, target) for answer, target in zip(answers, targets, strict=True)) / len(targets)


def _similarity(similarity: Similarity) -> Metric:
    """Return the row of the mean similarity of answers to their targets: grades in [0, 1], as a scorer's are.

    The interval is `bounded_mean`'s: the corpus value is the mean over rows, of which each is one text against one.
    """

    def of_row(score: Score) -> float:
        return similarity(score.answer, score.target)

    return Metric(
        tasks=("generate",),
        estimate=lambda scores, _: bounded_mean([of_row(score) for score in scores], cluster_numbers(scores)),
        gap=partial(grade_gap, of_row),
        value=partial(_mean_similarity, similarity),
    )


def _label_f1(average: LabelAverage, value: Callable[[Sequence[str], Sequence[str | None]], float]) -> Metric:
    """Return the row of an average of the labels' F1.

    The F1 of a label without a test row is undefined and left out of the average.
    """

    def estimate(scores: Sequence[Score], labels: Sequence[str]) -> Estimate:
        cells = f1.tabulate(scores)
        return f1.estimate(average, cells, len({*labels, *cells.labels}))

    return Metric(
        tasks=("classify",), estimate=estimate, gap=partial(label_f1_gap, average), value=value, needs_labels=True
    )


METRICS: Mapping[str, Metric] = {
    "f1_micro": Metric(
        tasks=("extract",), estimate=lambda scores, _: f1_micro(scores), gap=f1_micro_gap, value=_f1_micro_value
    ),
    **{name: _similarity(similarity) for name, similarity in TEXT_SIMILARITY.items()},
    "accuracy": Metric(
        tasks=("classify", "choose", "extract", "generate"),
        estimate=lambda scores, _: metrics.accuracy(scores),
        gap=partial(share_gap, lambda score: score.value or 0.0),
    ),
    "f1_macro": _label_f1(f1.MACRO, metrics.macro_f1),
    "f1_weighted": _label_f1(f1.WEIGHTED, metrics.weighted_f1),
    "validity": Metric(
        tasks=("extract",),
        estimate=lambda scores, _: proportion([_valid(score) for score in scores], cluster_numbers(scores)),
        gap=partial(share_gap, _valid),
        value=lambda _, answers: sum(field_scores.valid(answer) for answer in answers) / len(answers),
    ),
    # The mean of a scorer's grades, for whatever task it is named.
    METRIC: Metric(
        tasks=(),
        estimate=lambda scores, _: bounded_mean([score.grade or 0.0 for score in scores], cluster_numbers(scores)),
        gap=partial(grade_gap, lambda score: score.grade or 0.0),
    ),
}
