"""How answers are judged, task by task: the scorer, and the metrics with their estimates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ockham.errors import ConfigError, Defect
from ockham.evals import field_scores, metrics, scorers
from ockham.evals.intervals import (
    Floats,
    Z,
    bounded_mean,
    cluster_numbers,
    jackknife,
    mean,
    proportion,
    wilson_ends,
)
from ockham.evals.scorer_plugs import METRIC, LoadedScorer
from ockham.evals.scorers import RightOrWrong
from ockham.evals.text_similarity import LIKENESS
from ockham.records import Answer, Estimate, Example, LabelScore, Requirements, Score, TaskName


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScoring:
    """How one task is judged; the first of its metrics is the one that choices are made by."""

    scorer: RightOrWrong
    metrics: tuple[str, ...]


TASK_SCORING: Mapping[TaskName, TaskScoring] = {
    "classify": TaskScoring(scorer=scorers.exact, metrics=metrics.METRICS),
    "choose": TaskScoring(scorer=scorers.option, metrics=("accuracy",)),
    "extract": TaskScoring(scorer=scorers.fields, metrics=("f1_micro", "accuracy", "validity")),
    "generate": TaskScoring(scorer=scorers.words, metrics=(*LIKENESS, "accuracy")),
}


def metric_for(task: TaskName, requirements: Requirements, scorer: LoadedScorer | None = None) -> str:
    """Name the metric that choices are made by: the one that is required, the task's own where none or several are.

    Where a scorer is named, it is that one's. Validity can be required and is no such metric: a constant answer is
    always valid. Raises `ConfigError` (``E_CONFIG``) for a required metric that the task does not have, and for a
    required score without a scorer.
    """
    task_metrics = TASK_SCORING[task].metrics
    if requirements.min_score is not None and scorer is None:
        message = "min_score is required, and no scorer is named"
        raise ConfigError("E_CONFIG", message, fix="name it: --scorer NAME")
    required = [name.removeprefix("min_") for name in requirements.limits() if name.startswith("min_")]
    required = [name for name in required if name != METRIC]
    strange = next((name for name in required if name not in task_metrics), None)
    if strange is not None:
        flags = ", ".join(f"--min-{name.replace('_', '-')}" for name in task_metrics)
        message = f"min_{strange} is required, and the task is {task}, which has no such metric"
        raise ConfigError("E_CONFIG", message, fix=f"use one of {flags}, or name another task with --task")
    if scorer is not None:
        return METRIC
    aims = [name for name in required if name != "validity"]
    return aims[0] if len(aims) == 1 else task_metrics[0]


def score_answers(
    task: TaskName, rows: Sequence[Example], answers: Sequence[Answer], scorer: LoadedScorer | None = None
) -> tuple[Score, ...]:
    """Judge one answer per row; with a scorer also by its grade. Raises `PlugError` (``E_PLUG``) where that fails."""
    judge = TASK_SCORING[task].scorer
    scores = tuple(judge(row, answer) for row, answer in zip(rows, answers, strict=True))
    if scorer is None:
        return scores
    grades = scorer.grade([row.target for row in rows], [answer.value for answer in answers])
    return tuple(replace(score, grade=grade) for score, grade in zip(scores, grades, strict=True))


def estimate_metrics(task: TaskName, scores: Sequence[Score], labels: Sequence[str]) -> dict[str, Estimate]:
    """Estimate every metric of a task, the first first; ``labels`` are those of a task that has labels.

    Where the answers have grades of a scorer, their mean comes first of all. Raises `DataError` (``E_TOO_FEW``) without
    scores.
    """
    grades = [score.grade for score in scores if score.grade is not None]
    if grades and len(grades) == len(scores):
        graded = {METRIC: bounded_mean(grades, cluster_numbers(scores))}
        return graded | estimate_metrics(task, [replace(score, grade=None) for score in scores], labels)
    if task == "classify":
        return metrics.metrics(scores, labels)
    judged = metrics.with_values(scores)
    estimates: dict[str, Callable[[Sequence[Score]], Estimate]] = {"accuracy": metrics.accuracy, "f1_micro": f1_micro}
    estimates |= {"validity": validity, **{name: partial(mean_similarity, name) for name in LIKENESS}}
    return {name: estimates[name](judged) for name in TASK_SCORING[task].metrics}


def metric_value(
    task: TaskName,
    metric: str,
    targets: Sequence[str],
    answers: Sequence[str | None],
    scorer: LoadedScorer | None = None,
) -> float:
    """Return one metric as one number, fast: what choices are made by.

    Raises `DataError` (``E_TOO_FEW``) without rows and `Defect` for a metric that the task does not have.
    """
    if metric == METRIC and scorer is not None and targets:
        return sum(scorer.grade(targets, answers)) / len(targets)
    if metric not in TASK_SCORING[task].metrics:
        raise Defect("E_DEFECT", f"{task} has no metric {metric!r}", fix="report this defect")
    if task == "classify" or not targets:
        return metrics.point(metric, targets, answers)
    pairs = list(zip(answers, targets, strict=True))
    if metric == "f1_micro":
        return float(field_scores.f1_micro(field_scores.tally(pairs).sum(axis=0)[None, :])[0])
    if metric == "validity":
        return sum(field_scores.valid(answer) for answer, _ in pairs) / len(pairs)
    if metric in LIKENESS:
        return sum(LIKENESS[metric](answer, target) for answer, target in pairs) / len(pairs)
    rows = [Example(id="", input="", target=target) for target in targets]
    scores = score_answers(task, rows, [Answer(value=answer) for answer in answers])
    return sum(score.value or 0.0 for score in scores) / len(scores)


def per_label_scores(task: TaskName, scores: Sequence[Score]) -> tuple[LabelScore, ...]:
    """Estimate precision, recall and F1 of every label, or of every field; nothing for other tasks."""
    if task == "classify":
        return metrics.per_label(scores)
    if task != "extract":
        return ()
    judged = metrics.with_values(scores)
    numbers = cluster_numbers(judged)
    return tuple(
        _field_scores(path, counts, None if numbers is None else [numbers[place] for place in places])
        for path, (counts, places) in field_scores.by_field(judged).items()
    )


def _field_scores(path: str, counts: Floats, clusters: Sequence[int] | None) -> LabelScore:
    return LabelScore(
        label=path,
        precision=_ratio(counts[:, 0], counts[:, 1], clusters),
        recall=_ratio(counts[:, 0], counts[:, 2], clusters),
        f1=_f1(counts, clusters),
        n=int((counts[:, 2] > 0).sum()),
    )


def f1_micro(scores: Sequence[Score]) -> Estimate:
    """Estimate F1 over the fields of all rows together, 2 right / (given + wanted).

    Wilson's interval on the sample size that the jackknife's standard error implies (by cluster where there are
    clusters), as if one more field had been answered wrong: without that, a hundred right answers would claim to be
    certain. Raises `DataError` (``E_TOO_FEW``) without scores.
    """
    return _f1(field_scores.tally((score.answer, score.target) for score in scores), cluster_numbers(scores))


def validity(scores: Sequence[Score]) -> Estimate:
    """Estimate the share of answers that are a JSON object, right or wrong, with Wilson's interval.

    What a program that reads the answers can take at all. An answer cut off by its limit is none, and neither is
    prose; fields that nobody asked for count in F1.
    """
    return proportion([float(field_scores.valid(score.answer)) for score in scores], cluster_numbers(scores))


def mean_similarity(metric: str, scores: Sequence[Score]) -> Estimate:
    """Estimate the mean likeness of the answers to their targets, with Student's interval."""
    return mean([LIKENESS[metric](score.answer, score.target) for score in scores], cluster_numbers(scores))


def _f1(counts: Floats, clusters: Sequence[int] | None) -> Estimate:
    jackknifed = jackknife(field_scores.f1_micro, counts, clusters=clusters)
    loss = field_scores.one_mistake(counts, clusters)
    wrong = min(1 - jackknifed.value + loss, 1.0)
    variance = jackknifed.variance + loss**2
    size = wrong * (1 - wrong) / variance if variance > 0 and 0 < wrong < 1 else float(len(counts))
    low, high = wilson_ends(jackknifed.value, size * (Z / jackknifed.quantile) ** 2)
    return Estimate(value=jackknifed.value, low=low, high=high, n=len(counts))


def _ratio(right: Floats, of: Floats, clusters: Sequence[int] | None) -> Estimate | None:
    """Estimate a share of fields; those of one row, and of the rows of one cluster, are one cluster."""
    rows = np.repeat(np.arange(len(of)) if clusters is None else np.asarray(clusters), of.astype(np.int64))
    if not rows.size:
        return None
    values = [float(index < hits) for hits, total in zip(right, of, strict=True) for index in range(int(total))]
    return proportion(values, None if len(set(rows.tolist())) == rows.size else rows.tolist())
