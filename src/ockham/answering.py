"""Use a bundle: answer a file of inputs, or measure it on labelled rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ockham import store
from ockham.data import cluster, options
from ockham.data.clean import clean
from ockham.data.read import ReadSpec, read
from ockham.errors import DataError
from ockham.evals import judging
from ockham.evals.serving import ProbeSpec, Serving
from ockham.ladder import bundle_of, ignore
from ockham.measuring import judged, size_mb
from ockham.records import Manifest, Progress, Report, digest

_STEP = 2048
"""Inputs sent to the serving process at a time, so that progress can be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One answer: the row it belongs to, the label, and how sure the model is."""

    id: str
    answer: str | None
    confidence: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalSpec:
    """How to read the labelled rows; columns that are not named are those the bundle was made with."""

    inputs: tuple[str, ...] = ()
    target: str | None = None
    group: str | None = None
    encoding: str | None = None
    seed: int = field(default=0, metadata={"min": 0})


def predict(
    bundle: str | Path, source: object, *, encoding: str | None = None, tell: Callable[[Progress], None] = ignore
) -> tuple[Prediction, ...]:
    """Answer every readable row of a file or table, in order; ``bundle`` may be a run, whose chosen bundle is used.

    Records that cannot be read are left out; their number and places are told. Raises `BundleError` for a folder that
    is not a whole bundle, `DataError` for data that cannot be used.
    """
    folder = bundle_of(Path(bundle))
    manifest = store.read_bundle(folder)
    reading = read(source, ReadSpec(inputs=_columns(manifest), encoding=encoding, labelled=False))
    for bad in reading.quarantined:
        tell(Progress(stage="read", message=f"left out: {bad.file}, record {bad.record}: {bad.code} ({bad.reason})"))
    answers = []
    with Serving(folder) as serving:
        total = len(reading.examples)
        for start in range(0, total, _STEP):
            rows = reading.examples[start : start + _STEP]
            for row, answer in zip(rows, serving.answer([row.input for row in rows]), strict=True):
                answers.append(Prediction(id=row.id, answer=answer.value, confidence=answer.confidence))
            tell(Progress(stage="measure", message="answering", done=min(total, start + _STEP), total=total))
    return tuple(answers)


def evaluate(
    bundle: str | Path, source: object, spec: EvalSpec | None = None, *, tell: Callable[[Progress], None] = ignore
) -> Report:
    """Measure a bundle on labelled rows, as it is served: metrics with intervals, latency, throughput and memory.

    Exact duplicates and rows with contradicting labels are left out, as in a fit; near-duplicates and groups count as
    clusters in the intervals; options are asked in a random order. Raises `BundleError` for a folder that is not a
    whole bundle, `DataError` for data that cannot be used.
    """
    spec = spec or EvalSpec()
    folder = bundle_of(Path(bundle))
    manifest = store.read_bundle(folder)
    chat = manifest.inputs == ("messages",)
    reading = read(
        source,
        ReadSpec(
            inputs=spec.inputs or _columns(manifest),
            target=spec.target or (None if chat else manifest.target),
            group=spec.group,
            encoding=spec.encoding,
        ),
    )
    rows, _ = clean(reading)
    if not rows:
        raise DataError("E_TOO_FEW", "no row is left after cleaning", fix="give a file of labelled rows")
    tell(Progress(stage="measure", message=f"asking {manifest.candidate.name} about {len(rows):,} rows"))
    clusters = cluster.near_duplicates([row.input for row in rows], seed=spec.seed)
    clusters = cluster.join(clusters, [row.group for row in rows])
    if manifest.task == "choose":
        rows = tuple(options.shuffled(rows, spec.seed)[0])
    with Serving(folder) as serving:
        answers = serving.answer([row.input for row in rows])
        profile = serving.profile([row.input for row in rows], ProbeSpec())
    scores = judged(manifest.task, rows, answers, [int(place) for place in clusters])
    return Report(
        candidate=manifest.candidate,
        dataset=digest([[row.id, row.input, row.target] for row in rows]),
        spec=digest(spec),
        side="test",
        metrics=judging.measure(manifest.task, scores, manifest.labels),
        per_label=judging.parts(manifest.task, scores),
        scores=scores,
        profile=profile,
        artifact_mb=size_mb(folder),
        fit_seconds=0.0,
    )


def _columns(manifest: Manifest) -> tuple[str, ...]:
    """Name the input columns; conversations are found again by themselves."""
    return () if manifest.inputs == ("messages",) else manifest.inputs
