"""What a run finds out about the data itself: label doubts, the learning curve, the flattery of a naive split.

All of it is measured inside the training and validation rows; the test set stays sealed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ockham import machine
from ockham.data import label_issues
from ockham.data.prepare import shorten
from ockham.data.split import SplitSpec, random_split
from ockham.errors import Defect
from ockham.evals import comparison, intervals, tasks
from ockham.models import linear, lookup, softmax
from ockham.records import CurvePoint, Example, LabelIssue, Progress, Score, SplitOptimism
from ockham.rungs.baselines import LINEAR
from ockham.rungs.encoder_rungs import ENCODER, embed_again, frozen_vectors
from ockham.rungs.label_rows import used_label_rows
from ockham.rungs.out_of_fold import out_of_fold_margins
from ockham.rungs.rung import BuildInfo, BuiltRung, RunContext, find_built
from ockham.store.memo import find_or_make
from ockham.tuning import linear_head
from ockham.verdict.sentences import LearningGain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHARES = (0.12, 0.25, 0.5, 1.0)
SHARES_OF_MANY = (0.03, 0.1, 0.3, 1.0)
"""The shares of more than `MANY_FOR_A_CURVE` rows: a curve takes less than half as long as its last point did."""
MANY_FOR_A_CURVE = 40_000
LEAST_ROWS = 20
MOST_SPLIT_ROWS = 40_000
"""Of more rows, whole clusters of so many are drawn to tell what leaks are worth: a lookup of all takes long."""
CHEAP = (LINEAR, ENCODER)
"""The rungs that are trained again and again to find out about the data."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataDiagnostics:
    """Labels in doubt, the learning curve, and what leaks would have been worth; empty where they cannot be told."""

    label_issues: tuple[LabelIssue, ...]
    curve: tuple[CurvePoint, ...]
    split_optimism: tuple[SplitOptimism, ...]


def diagnose(context: RunContext) -> DataDiagnostics:
    """Find out about the data what the cheap rungs of this run can tell, each once a run."""
    return DataDiagnostics(
        label_issues=check_labels(context), curve=learning_curve(context), split_optimism=split_optimism(context)
    )


def check_labels(context: RunContext) -> tuple[LabelIssue, ...]:
    """List the training and validation rows whose label the cross-validated cheap rungs doubt, worst first."""
    rows = [*context.short_side("train"), *context.short_side("valid")]
    if len(context.labels()) < 2 or not _cheap(context):
        return ()

    def study() -> tuple[LabelIssue, ...]:
        return label_issues.find_label_issues(rows, _probabilities(context), context.labels())

    return _once(context, "label_issues", tuple[LabelIssue, ...], study)


def learning_curve(context: RunContext) -> tuple[CurvePoint, ...]:
    """Train the cheap rungs on growing shares of the training rows; measure each on the validation rows."""
    valid, train = context.side("valid"), context.side("train")
    if not valid or not _cheap(context):
        return ()

    def study() -> tuple[CurvePoint, ...]:
        import numpy as np

        cheap = _cheap(context)
        clusters = [context.prepared.split.clusters[place] for place in context.prepared.split.valid]
        vectors = _vectors(context) if ENCODER.name in cheap else {}
        order = np.random.default_rng(context.config.seed).permutation(len(train)).tolist()
        points = []
        for share in SHARES if len(train) <= MANY_FOR_A_CURVE else SHARES_OF_MANY:
            part = sorted(order[: max(2, round(share * len(train)))])
            # All training rows, with the same C, is how each rung chose it: those answers are kept.
            whole = {name: list(built.answers) for name, built in cheap.items()}
            by_rung = whole if len(part) == len(train) else _answers(context, part, cheap, vectors)
            for name, answers in by_rung.items():
                right = [float(answer == row.target) for answer, row in zip(answers, valid, strict=True)]
                estimate = intervals.proportion(right, None if len(set(clusters)) == len(clusters) else clusters)
                points.append(CurvePoint(candidate=name, rows=len(part), share=share, metric=estimate))
        return tuple(points)

    return _once(context, "curve", tuple[CurvePoint, ...], study)


def learning_gain(curve: Sequence[CurvePoint]) -> LearningGain | None:
    """Return what the last step of the learning curve brought the rung that ends highest; ``None`` without a step."""
    if not curve:
        return None
    best = max((point for point in curve if point.share == 1), key=lambda point: point.metric.value, default=None)
    fewer = [point for point in curve if best and point.candidate == best.candidate and point.rows < best.rows]
    if best is None or not fewer:
        return None
    before = max(fewer, key=lambda point: point.rows)
    points = 100 * (best.metric.value - before.metric.value)
    return LearningGain(name=best.candidate, rows=before.rows, more_rows=best.rows, points=points)


def split_optimism(context: RunContext) -> tuple[SplitOptimism, ...]:
    """Measure what leaks are worth to the lookup rung: on a naive random split, repeats included, and without them.

    The lookup rung is the most easily flattered: a near-duplicate on the other side is all it needs. Both numbers are
    of the same rows, and differ in the rows that leak alone: no other row can be told better or worse for a leak.
    """
    split, repeats = context.prepared.split, context.prepared.repeats
    rows = [*context.short_side("train"), *context.short_side("valid")]
    cluster = {row.id: split.clusters[place] for row, place in zip(rows, (*split.train, *split.valid), strict=True)}
    first = {row.id: row.kept_id for row in context.prepared.intake.dropped if row.kept_id in cluster}
    again = [row for row in shorten(repeats, context.prepared.shared) if row.id in first]
    cluster |= {row.id: cluster[first[row.id] or ""] for row in again}
    if len(split.valid) < LEAST_ROWS:
        return ()

    def study() -> tuple[SplitOptimism, ...]:
        pool = _draw_clusters([*rows, *again], cluster, context.config.seed)
        return (_worth_of_leaks(context, pool, cluster),)

    return _once(context, "split_optimism", tuple[SplitOptimism, ...], study)


def _draw_clusters(pool: Sequence[Example], cluster: dict[str, int], seed: int) -> list[Example]:
    """Return all rows, or those of clusters drawn at random until there are `MOST_SPLIT_ROWS` of them, in their order.

    A cluster is taken whole or left out, so that as many rows leak in proportion as do among all.
    """
    import numpy as np

    if len(pool) <= MOST_SPLIT_ROWS:
        return list(pool)
    sizes = Counter(cluster[row.id] for row in pool)
    numbers, drawn, room = list(sizes), set[int](), MOST_SPLIT_ROWS
    for place in np.random.default_rng(seed).permutation(len(numbers)).tolist():
        if sizes[numbers[place]] <= room:
            drawn.add(numbers[place])
            room -= sizes[numbers[place]]
    return [row for row in pool if cluster[row.id] in drawn]


def _worth_of_leaks(context: RunContext, pool: Sequence[Example], cluster: dict[str, int]) -> SplitOptimism:
    task, metric = context.config.task, context.config.metric
    share = len(context.prepared.split.valid) / len(pool)
    random = random_split(pool, SplitSpec(seed=context.config.seed, test_share=share, valid_share=0))
    learnt, asked = ([pool[place] for place in side] for side in (random.train, random.test))
    seen = {cluster[row.id] for row in learnt}
    leaking = [row for row in asked if cluster[row.id] in seen]
    named = [cluster[row.id] for row in asked]

    def scores(model: lookup.Lookup, of: Sequence[Example]) -> dict[str, Score]:
        answers = model.answer([row.input for row in of])
        return {score.example: score for score in tasks.score_answers(task, of, answers, context.config.scorer)}

    model = lookup.learn(learnt)
    naive = scores(model, asked)
    told_apart = {cluster[row.id] for row in leaking}
    others = [index for index, row in enumerate(learnt) if cluster[row.id] not in told_apart]
    guarded = naive | (scores(model.restrict(others), leaking) if leaking and others else {})
    both = [
        tuple(replace(outcome[row.id], cluster=number) for row, number in zip(asked, named, strict=True))
        for outcome in (naive, guarded)
    ]
    labels = context.prepared.dataset.labels
    return SplitOptimism(
        candidate="lookup",
        naive=tasks.estimate_metrics(task, both[0], labels)[metric],
        guarded=tasks.estimate_metrics(task, both[1], labels)[metric],
        difference=comparison.compare(both[0], both[1], metric).difference,
        leaks=len(leaking),
        learnt_rows=len(learnt),
    )


_STUDIES = {
    "label_issues": "looking for doubtful labels",
    "curve": "measuring how much more rows would help",
    "split_optimism": "measuring how much an ordinary random split would overstate the score",
}


def _once(context: RunContext, name: str, kind: type[T], study: Callable[[], T]) -> T:
    key = context.cache_key("study", name, sorted(_cheap(context)), context.config.encoder)

    def announce_and_study() -> T:
        context.on_progress(Progress(stage="measure", message=_STUDIES[name]))
        return study()

    return find_or_make(context.run, "study", key, kind, announce_and_study)


def _cheap(context: RunContext) -> dict[str, BuildInfo]:
    """Return the cheap rungs that stand in this run, with what building them decided."""
    built_rungs = {rung.name: find_built(context, rung) for rung in CHEAP}
    return {name: built_rung.built for name, built_rung in built_rungs.items() if built_rung is not None}


def _probabilities(context: RunContext) -> dict[str, NDArray[np.float64]]:
    """Return each row's label probabilities from a model of each cheap rung that has not seen it: (rows, labels)."""
    cheap = _cheap(context)
    # The margins of a logistic regression are probabilities as they are; those of a support vector machine are not.
    temperatures = {LINEAR.name: float(cheap[LINEAR.name].settings["temperature"])} if LINEAR.name in cheap else {}
    margins = out_of_fold_margins(context, [rung for rung in CHEAP if rung.name in cheap])
    return {name: softmax.probabilities(part, temperatures.get(name, 1.0)) for name, part in margins.items()}


def _answers(
    context: RunContext, part: Sequence[int], cheap: dict[str, BuildInfo], vectors: dict[str, NDArray[np.float32]]
) -> dict[str, list[str]]:
    """Train the cheap rungs on some of the training rows, and answer the validation rows."""
    import numpy as np

    train, valid = context.short_side("train"), context.short_side("valid")
    examples = [train[index] for index in part]

    def by_linear(built: BuildInfo) -> list[str]:
        rows = [*examples, *used_label_rows(context, built)]
        is_sample = len(train) > MANY_FOR_A_CURVE
        model = linear.learn(rows, built.strength, seed=context.config.seed, is_sample=is_sample)
        return [str(answer.value) for answer in model.answer([row.input for row in valid])]

    def by_encoder(built: BuildInfo) -> list[str]:
        extra = used_label_rows(context, built)
        learnt, targets = vectors["train"][list(part)], [row.target for row in (*examples, *extra)]
        if extra:
            learnt = np.concatenate([learnt, _embed(context, [row.input for row in extra])])
        head = linear_head.solve(learnt, targets, built.strength)
        return head.best(vectors["valid"])

    asks = {LINEAR.name: by_linear, ENCODER.name: by_encoder}
    answers = machine.run_parallel([partial(asks[name], built) for name, built in cheap.items()])
    return dict(zip(cheap, answers, strict=True))


def _vectors(context: RunContext) -> dict[str, NDArray[np.float32]]:
    return frozen_vectors(context, _built_encoder(context))


def _embed(context: RunContext, texts: Sequence[str]) -> NDArray[np.float32]:
    return embed_again(_built_encoder(context), texts)


def _built_encoder(context: RunContext) -> BuiltRung:
    built = find_built(context, ENCODER)
    if built is None:
        raise Defect("E_DEFECT", "the vectors of an encoder that was not built", fix="please report this")
    return built
