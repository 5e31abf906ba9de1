"""How answers are judged, task by task: the scorer, and the metrics with their estimates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ockham.errors import ConfigError, DataError, Defect
from ockham.evals import field_scores, metrics, scorers
from ockham.evals.distributions import Floats
from ockham.evals.intervals import cluster_numbers, proportion
from ockham.evals.scorer_plugs import METRIC, LoadedScorer
from ockham.evals.scorers import RightOrWrong
from ockham.evals.task_metrics import METRICS, f1_of_counts, metrics_of
from ockham.records import Answer, Estimate, Example, LabelScore, Requirements, Score, TaskName
from ockham.records.quantities import FIELD, QUANTITIES

RIGHT_OR_WRONG: Mapping[TaskName, RightOrWrong] = {
    "classify": scorers.exact,
    "choose": scorers.option,
    "extract": scorers.fields,
    "generate": scorers.words,
}
"""How an answer of each task is judged right or wrong."""


def metric_for(task: TaskName, requirements: Requirements, scorer: LoadedScorer | None = None) -> str:
    """Name the metric that choices are made by: the one that is required, the task's own where none or several are.

    Where a scorer is named, it is that one's. Validity can be required and is no such metric: a constant answer is
    always valid. Raises `ConfigError` (``E_CONFIG``) for a required metric that the task does not have, and for a
    required score without a scorer.
    """
    task_metrics = metrics_of(task)
    if requirements.min_score is not None and scorer is None:
        message = "min_score needs a scorer"
        raise ConfigError("E_CONFIG", message, fix="name it: --scorer NAME")
    required = [name.removeprefix("min_") for name in requirements.limits() if name.startswith("min_")]
    if requirements.min_field and task != "extract":
        message = f"a field is required to reach an F1, and the task is {task}, which has no fields"
        raise ConfigError("E_CONFIG", message, fix="leave --min-field out, or name another task with --task")
    required = [name for name in required if name != METRIC and not name.startswith(FIELD)]
    strange = next((name for name in required if name not in task_metrics), None)
    if strange is not None:
        flags = ", ".join(f"--min-{name.replace('_', '-')}" for name in task_metrics)
        message = f"min_{strange} is required, and the task is {task}, which has no such metric"
        raise ConfigError("E_CONFIG", message, fix=f"use one of {flags}, or name another task with --task")
    if scorer is not None:
        return METRIC
    aims = [name for name in required if QUANTITIES[name].aim]
    return aims[0] if len(aims) == 1 else task_metrics[0]


def score_answers(
    task: TaskName, rows: Sequence[Example], answers: Sequence[Answer], scorer: LoadedScorer | None = None
) -> tuple[Score, ...]:
    """Judge one answer per row; with a scorer also by its grade. Raises `PlugError` (``E_PLUG``) where that fails."""
    judge = RIGHT_OR_WRONG[task]
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
    estimates = {}
    if all(score.grade is not None for score in scores):
        estimates[METRIC] = METRICS[METRIC].estimate(scores, labels)
    judged = metrics.with_values(scores)
    for name in metrics_of(task):
        if labels or not METRICS[name].needs_labels:
            estimates[name] = METRICS[name].estimate(judged, labels)
    return estimates


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
    if not targets:
        raise DataError("E_TOO_FEW", "there is no row to measure on", fix="label some test rows")
    if metric == METRIC and scorer is not None:
        return sum(scorer.grade(targets, answers)) / len(targets)
    if metric not in metrics_of(task):
        raise Defect("E_DEFECT", f"{task} has no metric {metric!r}", fix="report this defect")
    if (value := METRICS[metric].value) is not None:
        return value(targets, answers)
    if task == "classify":
        return metrics.share_right(targets, answers)
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
        f1=f1_of_counts(counts, clusters),
        n=int((counts[:, 2] > 0).sum()),
    )


def _ratio(right: Floats, of: Floats, clusters: Sequence[int] | None) -> Estimate | None:
    """Estimate a share of fields; those of one row, and of the rows of one cluster, are one cluster."""
    rows = np.repeat(np.arange(len(of)) if clusters is None else np.asarray(clusters), of.astype(np.int64))
    if not rows.size:
        return None
    values = [float(index < hits) for hits, total in zip(right, of, strict=True) for index in range(int(total))]
    return proportion(values, None if len(set(rows.tolist())) == rows.size else rows.tolist())
