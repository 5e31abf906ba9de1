"""What is measured: candidates, answers, scores, estimates with their intervals, and reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ockham.records.dataset import Side
from ockham.records.plug_spec import PlugUse

Finding = Literal["meets", "misses", "cannot tell"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One model as it would be served, and its place on the ladder (0 is the smallest)."""

    name: str
    """Name of the candidate."""
    rung: int
    """Place on the ladder; 0 is the smallest."""
    kind: str
    """Kind of model."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model answered: ``None`` where it gave no valid answer; confidence is in [0, 1] or unknown.

    ``tokens_in`` are those of the question, ``tokens_kept`` the ones among them that the model still had from the
    question before and did not read again, ``tokens_out`` the steps that
    chose the answer, one for each token that was written; ``None`` for a model without tokens. ``unread`` is the share
    of the text that the model left out because it was too long, 0 where it read all of it, ``None`` where it does not
    say. ``fields`` says of each field of an extracted object, by its path with dots, how sure the model is that it is
    right as it stands, left empty too; ``None`` where the model does not say. These two and ``tokens_kept`` are no part
    of what makes two answers equal.
    """

    value: str | None
    confidence: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_kept: int | None = field(default=None, compare=False)
    unread: float | None = field(default=None, compare=False)
    fields: Mapping[str, float] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One answer judged: ``value`` is 1.0 for right and 0.0 for wrong, ``None`` where it could not be judged.

    ``grade`` is what the scorer that was named gives it, in [0, 1]; ``None`` where none was. ``fields`` are the
    confidences of its fields, as in `Answer`.
    """

    example: str
    """Identifier of the row."""
    answer: str | None
    """What was answered; null where there was no valid answer."""
    target: str
    """The correct answer."""
    value: float | None
    """1 for right, 0 for wrong; null where it could not be judged."""
    confidence: float | None = None
    """Confidence from 0 to 1; null where the model gives none."""
    cluster: int | None = None
    """Number of the row's group of near-duplicates; null where rows are independent."""
    grade: float | None = None
    """What the named scorer gives the answer, from 0 to 1; null without a scorer."""
    fields: Mapping[str, float] | None = None
    """Confidence of each extracted field; null where the model gives none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A measured number with its 95 % interval and the number of observations behind it."""

    value: float
    """The measured value."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end of the 95 % interval."""
    n: int
    """Observations that it rests on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What serving costs, measured in a process that only serves.

    Latencies in milliseconds, throughput in answers per second, peak resident memory in megabytes (10^6 bytes).
    ``times_ms`` are the single latencies that the percentiles were taken from, in the order of measuring; the tokens
    are means over the same answers, each as in `Answer`. ``contention`` is the share of the time of measuring that
    other programs took from this one: 0 on a machine that did nothing else, ``None`` where that is not known.
    """

    p50_ms: Estimate
    """Median latency in milliseconds."""
    p95_ms: Estimate
    """95th-percentile latency in milliseconds."""
    p99_ms: Estimate
    """99th-percentile latency in milliseconds."""
    throughput_per_s: Estimate
    """Answers per second."""
    memory_mb: float
    """Peak resident memory in megabytes (10^6 bytes)."""
    load_seconds: float
    """Time to load the model in seconds."""
    times_ms: tuple[float, ...] = ()
    """Each latency that was measured, in order."""
    tokens_in: float | None = None
    """Mean tokens of a prompt; null for a model without tokens."""
    tokens_kept: float | None = None
    """Mean tokens of a prompt that were reused from the one before; null for a model without tokens."""
    tokens_out: float | None = None
    """Mean tokens written; null for a model without tokens."""
    contention: float | None = None
    """Share of the time that other programs took; null where unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLatency:
    """Latency in milliseconds from a request's arrival to its answer, at a rate of requests to each machine.

    ``None`` where requests come faster than one machine can answer them one at a time.
    """

    requests_per_second: float
    """Requests per second to each machine."""
    machines: int
    """Machines needed."""
    p50_ms: Estimate | None = None
    """Median latency in milliseconds; null where requests pile up."""
    p95_ms: Estimate | None = None
    """95th-percentile latency in milliseconds; null where requests pile up."""
    p99_ms: Estimate | None = None
    """99th-percentile latency in milliseconds; null where requests pile up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScore:
    """Precision, recall and F1 of one label, with its number of test rows."""

    label: str
    """Label or field."""
    precision: Estimate | None
    """Share of the answers with this label that are right; null where there are none."""
    recall: Estimate | None
    """Share of the rows with this label that were answered with it; null where there are none."""
    f1: Estimate | None
    """Harmonic mean of precision and recall; null where it is undefined."""
    n: int
    """Test rows with this label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenShare:
    """How many of the rows that a bundle was measured on stood in the data that it was made from.

    It has learnt from the ``trained`` rows, and its settings were chosen by the ``chosen_by`` ones. Rows are one where
    they differ in case, digits and punctuation alone. ``without`` are the metrics on all other rows; empty where there
    are none, or nothing else.
    """

    rows: int
    """Rows measured on."""
    trained: int
    """Rows that the bundle was trained on."""
    chosen_by: int
    """Rows that its settings were chosen by."""
    without: Mapping[str, Estimate] = field(default_factory=dict)
    """The metrics on all other rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutTexts:
    """Texts that were too long for a model: ``cut`` of ``texts``, of each of which it left out a share.

    ``least`` and ``most`` are the smallest and the largest of these shares.
    """

    texts: int
    """Texts in all."""
    cut: int
    """Texts that were too long for the model."""
    least: float
    """Smallest share of such a text that was not read."""
    most: float
    """Largest share of such a text that was not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A candidate measured on a dataset. ``metrics`` maps metric names to estimates.

    ``order_consistency`` is the share of questions that are answered alike when their options stand in another order.
    ``seen`` says how many of the rows the candidate was made from, where rows were given to measure a bundle on, and
    ``remarks`` what was changed in those rows so that they could be compared.
    ``scorer`` is the one whose mean score is the metric ``score``. ``cut`` counts the texts that the candidate did not
    read whole; ``None`` where it read all of them, or does not say.
    """

    candidate: Candidate
    """What was measured."""
    dataset: str
    """Digest of the data."""
    spec: str
    """Digest of the settings."""
    side: Side
    """Which rows it was measured on."""
    metrics: Mapping[str, Estimate]
    """Each metric with its interval."""
    per_label: tuple[LabelScore, ...]
    """Precision, recall and F1 of each label or field."""
    scores: tuple[Score, ...]
    """Every answer with its score."""
    profile: Profile | None
    """Latency, throughput and memory; null where they were not measured."""
    artifact_mb: float | None
    """Size on disk in megabytes (10^6 bytes); null where there are no files."""
    fit_seconds: float
    """Duration of training in seconds."""
    cost_per_day: float | None = None
    """Cost per day at the expected traffic; null without traffic."""
    cost_per_million: float | None = None
    """Cost per million requests; null where unknown."""
    at_rate: RateLatency | None = None
    """Latency at the expected traffic, waiting included; null without traffic."""
    order_consistency: Estimate | None = None
    """Share of questions answered the same with their options in another order; null where it was not measured."""
    seen: SeenShare | None = None
    """How many of the rows the bundle was made from; null where that does not apply."""
    remarks: tuple[str, ...] = ()
    """What was changed in the rows so that they could be compared."""
    scorer: PlugUse | None = None
    """Scorer whose mean is the metric; null without one."""
    cut: CutTexts | None = None
    """Texts that were too long for the model; null where there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two candidates on the same rows: ``difference`` is metric(first) - metric(second), paired.

    ``p_value`` is two-sided; ``p_holm`` is corrected over all comparisons of the run (Holm, 1979).
    """

    first: str
    second: str
    metric: str
    difference: Estimate
    p_value: float
    p_holm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """The same validation rows before and after a step that should change nothing (merging, quantizing).

    ``agreement`` is the share of answers that stayed the same, ``difference`` the metric after minus the one before.
    """

    step: str
    agreement: Estimate
    difference: Estimate
    metric: str = "accuracy"


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveragePoint:
    """A threshold on confidence: the share of answers kept, and the error among the kept ones."""

    threshold: float
    share: float
    error: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectiveAnswers:
    """A threshold on confidence that the validation rows chose, and what it does on the test rows.

    Answers at least as confident are kept: ``share`` of all, with ``error`` among them. ``aim`` is the error that the
    threshold was chosen for; ``whole`` is the error of all answers, where none is passed on.
    """

    threshold: float
    aim: float
    share: Estimate
    error: Estimate
    whole: Estimate
