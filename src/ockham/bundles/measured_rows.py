"""The labelled rows that a model is measured on, whoever answers them: read, held against its task, judged."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ockham.bundles.eval_rows import comparable_rows
from ockham.data import multiple_choice, near_duplicates
from ockham.data.own_split import shared_text_of
from ockham.data.passage_search import describe_shared_text
from ockham.evals import tasks
from ockham.evals.cut_texts import count_cut_texts
from ockham.evals.scorer_plugs import load_scorer
from ockham.ladder.measure import score_with_clusters
from ockham.models.extraction import field_match
from ockham.readers.label_sets import SeveralLabels
from ockham.readers.read import ReadResult, ReadSpec, read
from ockham.records import Answer, Example, Manifest, PlugRequest, Progress, Quarantined, Report, digest

_log = logging.getLogger(__name__)
_NAMED = 10
"""Records that are named one by one; of more, their number is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalSpec:
    """How to read the labelled rows; columns that are not named are those the bundle was made with.

    ``scorer`` names a scorer whose mean score is measured too; ``target`` (one column or several) and ``match`` (how
    extracted fields match) are as in `FitSpec`.
    ``instructions`` and ``labels`` are those of `FitSpec`, for a language model that is measured without a run; a
    bundle has its own.
    """

    inputs: tuple[str, ...] = ()
    target: str | None = None
    group: str | None = None
    encoding: str | None = None
    several_labels: SeveralLabels | None = None
    seed: int = field(default=0, metadata={"min": 0})
    scorer: PlugRequest | None = None
    match: tuple[str, ...] = ()
    instructions: str | None = None
    labels: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRows:
    """Rows as they are asked, and as they stand in the file (their options in its order), with their clusters."""

    manifest: Manifest
    rows: tuple[Example, ...]
    unshuffled: tuple[Example, ...]
    clusters: tuple[int, ...]
    remarks: tuple[str, ...]

    @property
    def inputs(self) -> list[str]:
        """What the model is asked."""
        return [row.input for row in self.rows]

    def report(self, answers: Sequence[Answer], spec: EvalSpec) -> Report:
        """Judge the answers: metrics with their intervals. What it took to give them is not known here."""
        task, scorer = self.manifest.task, None if spec.scorer is None else load_scorer(spec.scorer)
        match = field_match.read_match(spec.match)
        credited = field_match.credit_answers(self.rows, answers, match)
        scores = score_with_clusters(task, self.rows, credited, list(self.clusters), scorer)
        return Report(
            candidate=self.manifest.candidate,
            dataset=digest([[row.id, row.input, row.target] for row in self.rows]),
            spec=digest(spec),
            side="test",
            metrics=tasks.estimate_metrics(task, scores, self.manifest.labels),
            per_label=tasks.per_label_scores(task, scores),
            scores=scores,
            profile=None,
            artifact_mb=None,
            fit_seconds=0.0,
            remarks=(*self.remarks, *([field_match.describe_match(match)] if match else [])),
            scorer=None if scorer is None else scorer.use,
            cut=count_cut_texts(answers),
        )


def read_measured_rows(
    manifest: Manifest, source: object, spec: EvalSpec, on_progress: Callable[[Progress], None]
) -> MeasuredRows:
    """Read labelled rows for a model.

    Raises `DataError` for those that cannot be used, and what loading a scorer raises.
    """
    if spec.scorer is not None:
        load_scorer(spec.scorer)  # before the rows are read
    chat = manifest.inputs == ("messages",)
    reading = read(
        source,
        ReadSpec(
            inputs=spec.inputs or input_columns(manifest),
            target=spec.target or (None if chat else manifest.target),
            fields=manifest.task == "extract",
            group=spec.group,
            encoding=spec.encoding,
            several_labels=spec.several_labels,
        ),
    )
    warn_of(reading.quarantined, reading.rows)
    comparable = comparable_rows(manifest, _test_side(reading, on_progress))
    rows = comparable.rows
    for remark in comparable.remarks:
        on_progress(Progress(stage="clean", message=f"note: {remark}"))
    on_progress(Progress(stage="measure", message=f"answering {len(rows):,} rows with {manifest.candidate.name}"))
    shared = shared_text_of(rows)
    described = describe_shared_text(shared, [row.input for row in rows])
    if described is not None:
        on_progress(Progress(stage="measure", message=f"note: {described}"))
    clusters = near_duplicates.near_duplicates([shared.text_to_compare(row.input) for row in rows], seed=spec.seed)
    clusters = near_duplicates.join(clusters, [row.group for row in rows])
    asked = tuple(multiple_choice.shuffle_options(rows, spec.seed)[0]) if manifest.task == "choose" else rows
    return MeasuredRows(
        manifest=manifest,
        rows=asked,
        unshuffled=rows,
        clusters=tuple(int(cluster) for cluster in clusters),
        remarks=comparable.remarks if described is None else (*comparable.remarks, described),
    )


def _test_side(reading: ReadResult, on_progress: Callable[[Progress], None]) -> ReadResult:
    """Return the rows of the test side alone, where the data name the sides of a split."""
    if "test" not in reading.sides.values():
        return reading
    rows = tuple(row for row in reading.examples if reading.sides.get(row.id) == "test")
    message = f"the data name the sides of a split: measured on the {len(rows):,} rows of the test side"
    on_progress(Progress(stage="read", message=message))
    return replace(reading, examples=rows)


def warn_of(quarantined: Sequence[Quarantined], rows: int) -> None:
    """Log how many records could not be read, why, and which: no progress, but a loss that must be seen."""
    if quarantined:
        _log.warning("left out %d of %d records: %s", len(quarantined), rows, _loss(quarantined))


def _loss(left_out: Sequence[Quarantined]) -> str:
    reasons = Counter(f"{bad.code}, {bad.reason}" for bad in left_out)
    first = left_out[:_NAMED]
    files = dict.fromkeys(bad.file for bad in first)
    records = [f"{file}: {', '.join(str(bad.record) for bad in first if bad.file == file)}" for file in files]
    more = f" and {len(left_out) - _NAMED} more" if len(left_out) > _NAMED else ""
    counts = "; ".join(f"{number} of them {reason}" for reason, number in reasons.most_common())
    return f"{counts} (record numbers in {'; in '.join(records)}{more})"


def input_columns(manifest: Manifest) -> tuple[str, ...]:
    """Name the input columns; conversations are found again by themselves."""
    return () if manifest.inputs == ("messages",) else manifest.inputs
