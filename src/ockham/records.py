"""What flows between the rooms: plain values and nothing that acts.

Every record is frozen; equal records have equal digests (`digest`), so equal work has one name and is not done twice.
A missing number is ``None``, never 0. A number that was measured is an `Estimate`: value, 95 % interval, n.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

TaskName = Literal["classify", "extract", "choose", "generate"]
DeviceName = Literal["auto", "cpu", "cuda"]
Precision = Literal["float32", "bfloat16"]
"""What a language model is computed in while it is tuned."""
PrecisionName = Literal["auto", "float32", "bfloat16"]
"""A precision as it is asked for: ``auto`` is the one that measuring chooses."""
Status = Literal["measured", "skipped", "failed"]
Finding = Literal["meets", "misses", "cannot tell"]
Side = Literal["train", "valid", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One labelled row: what goes in and the answer a person gave.

    ``id`` is the record number in its file ("17"), with the file's name in
    front ("test.csv:17") where there are several.
    """

    id: str
    input: str
    target: str
    group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """The examples of one task, in file order."""

    name: str
    task: TaskName
    examples: tuple[Example, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The distinct targets, sorted."""
        return tuple(sorted({example.target for example in self.examples}))

    @property
    def digest(self) -> str:
        """Name the content: SHA-256 over task and examples (the dataset's name is not content)."""
        return digest([self.task, [[e.id, e.input, e.target, e.group] for e in self.examples]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A record that could not be read safely: kept out, counted, and named by place, never by content."""

    file: str
    record: int
    offset: int | None
    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A readable row that was left out, the rule that left it out, and the row that stays in its place (if any)."""

    id: str
    reason: str
    kept: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelMerge:
    """Two spellings of what looks like one label; proposed to the user, never merged silently."""

    labels: tuple[str, ...]
    counts: tuple[int, ...]
    proposal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Rows with the same input and different targets; all of them are left out until a person decides."""

    ids: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """How one file was read: said to the user, so that nothing is guessed silently."""

    file: str
    sha256: str
    format: str
    encoding: str
    dialect: str | None
    inputs: tuple[str, ...]
    target: str
    group: str | None
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What reading and cleaning did. Always: rows = kept + dropped + quarantined."""

    rows: int
    kept: int
    dropped: tuple[Dropped, ...]
    quarantined: tuple[Quarantined, ...]
    sources: tuple[Source, ...]
    merges: tuple[LabelMerge, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    personal: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    task_reason: str = ""

    def dropped_counts(self) -> dict[str, int]:
        """Count what was left out, per rule, largest first; quarantined records count under their own name."""
        counts: dict[str, int] = {}
        for row in self.dropped:
            counts[row.reason] = counts.get(row.reason, 0) + 1
        if self.quarantined:
            counts["quarantined"] = len(self.quarantined)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Which example stands where. ``clusters[i]`` names the cluster of example i; no cluster stands on two sides."""

    train: tuple[int, ...]
    valid: tuple[int, ...]
    test: tuple[int, ...]
    clusters: tuple[int, ...]
    leaks_prevented: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One model as it would be served, and its place on the ladder (0 is the smallest)."""

    name: str
    rung: int
    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model answered: ``None`` where it gave no valid answer; confidence is in [0, 1] or unknown.

    ``tokens_in`` are those of the question, ``tokens_kept`` the ones among them that the model still had from the
    question before and did not read again (no part of what makes two answers equal), ``tokens_out`` the steps that
    chose the answer, one for each token that was written; ``None`` for a model without tokens.
    """

    value: str | None
    confidence: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_kept: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One answer judged: ``value`` is 1.0 for right and 0.0 for wrong, ``None`` where it could not be judged."""

    example: str
    answer: str | None
    target: str
    value: float | None
    confidence: float | None = None
    cluster: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A measured number with its 95 % interval and the number of observations behind it."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What serving costs, measured in a process that only serves.

    Latencies in milliseconds, throughput in answers per second, peak resident memory in megabytes (10^6 bytes).
    ``times_ms`` are the single latencies that the percentiles were taken from, in the order of measuring; the tokens
    are means over the same answers, each as in `Answer`.
    """

    p50_ms: Estimate
    p95_ms: Estimate
    p99_ms: Estimate
    throughput_per_s: Estimate
    memory_mb: float
    load_seconds: float
    times_ms: tuple[float, ...] = ()
    tokens_in: float | None = None
    tokens_kept: float | None = None
    tokens_out: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLatency:
    """Latency in milliseconds from a request's arrival to its answer, at a rate of requests to each machine.

    ``None`` where requests come faster than one machine can answer them one at a time.
    """

    requests_per_second: float
    machines: int
    p50_ms: Estimate | None = None
    p95_ms: Estimate | None = None
    p99_ms: Estimate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScore:
    """Precision, recall and F1 of one label, with its number of test rows."""

    label: str
    precision: Estimate | None
    recall: Estimate | None
    f1: Estimate | None
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A candidate measured on a dataset. ``metrics`` maps metric names to estimates.

    ``reordered`` is the share of questions that are answered the same when their options stand in another order.
    """

    candidate: Candidate
    dataset: str
    spec: str
    side: Side
    metrics: Mapping[str, Estimate]
    per_label: tuple[LabelScore, ...]
    scores: tuple[Score, ...]
    profile: Profile | None
    artifact_mb: float | None
    fit_seconds: float
    cost_per_day: float | None = None
    cost_per_million: float | None = None
    at_rate: RateLatency | None = None
    reordered: Estimate | None = None


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
class Requirements:
    """What the user needs. A field that is ``None`` is not required.

    ``tolerance`` is in points of the metric (1 is .01). Ranges stand with the fields, for `ockham.config`.
    """

    min_accuracy: float | None = field(default=None, metadata={"min": 0, "max": 1})
    min_f1_macro: float | None = field(default=None, metadata={"min": 0, "max": 1})
    min_f1_weighted: float | None = field(default=None, metadata={"min": 0, "max": 1})
    min_f1_micro: float | None = field(default=None, metadata={"min": 0, "max": 1})
    min_validity: float | None = field(default=None, metadata={"min": 0, "max": 1})
    min_chrf: float | None = field(default=None, metadata={"min": 0, "max": 1})
    min_rouge_l: float | None = field(default=None, metadata={"min": 0, "max": 1})
    min_f1_tokens: float | None = field(default=None, metadata={"min": 0, "max": 1})
    max_p50_ms: float | None = field(default=None, metadata={"above": 0})
    max_p95_ms: float | None = field(default=None, metadata={"above": 0})
    max_p99_ms: float | None = field(default=None, metadata={"above": 0})
    max_memory_mb: float | None = field(default=None, metadata={"above": 0})
    max_artifact_mb: float | None = field(default=None, metadata={"above": 0})
    max_cost_per_day: float | None = field(default=None, metadata={"min": 0})
    requests_per_day: float | None = field(default=None, metadata={"above": 0})
    tolerance: float = field(default=1.0, metadata={"min": 0, "max": 100})

    def limits(self) -> dict[str, float]:
        """Name the limits that are set, ``min_…`` and ``max_…`` alone."""
        every = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {k: v for k, v in every.items() if v is not None and k.startswith(("min_", "max_"))}


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSummary:
    """The dataset's part of a verdict: rows = train + valid + test + the sum of ``dropped``."""

    rows: int
    train: int
    valid: int
    test: int
    digest: str
    dropped: Mapping[str, int]
    leaks_prevented: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateResult:
    """A candidate's line in a verdict."""

    name: str
    rung: int
    status: Status
    why: str
    metrics: Mapping[str, Estimate] = field(default_factory=dict)
    latency_ms: Mapping[str, Any] | None = None
    throughput_per_s: float | None = None
    memory_mb: float | None = None
    artifact_mb: float | None = None
    fit_seconds: float | None = None
    cost_per_day: float | None = None
    meets: Mapping[str, Finding] = field(default_factory=dict)
    rows_needed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Which candidate, why, and what is still unknown. The field names are a contract with users' scripts.

    ``bundle`` is the digest ("sha256:…") of the chosen bundle's ``bundle.json``, which lists those of its files.
    """

    ockham: str
    task: TaskName
    metric: str
    dataset: DatasetSummary
    requirements: Mapping[str, float]
    candidates: tuple[CandidateResult, ...]
    chosen: str | None
    because: str
    next: str
    test_openings: int
    run: str
    bundle: str | None = None
    sealed: str = "not known"
    """How the run was kept from the network: the label of `ockham.sealed`, the weakest where it was made in goes."""

    @property
    def exit_status(self) -> int:
        """Give the exit status: 0 chosen, 4 cannot tell yet, 3 none meets the requirements."""
        if self.chosen is not None:
            return 0
        open_ = (c for c in self.candidates if c.status == "measured" and "misses" not in c.meets.values())
        return 4 if any("cannot tell" in c.meets.values() for c in open_) else 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelDoubt:
    """A row whose label the cross-validated cheap rungs doubt. ``doubt`` is in [0, 1]; 1 is the strongest."""

    id: str
    given: str
    suggested: str
    doubt: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """A rung trained on a share of the training rows, measured on the validation rows."""

    candidate: str
    rows: int
    share: float
    metric: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochPoint:
    """One pass of tuning: loss over the training rows, the task metric over seen and over validation rows."""

    epoch: float
    train_loss: float
    train_metric: float
    valid_metric: float
    kept: bool
    valid_loss: float | None = None


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
class Flattery:
    """What a naive random split would have shown: the same rung, measured with and without the leak guard.

    Both are measured inside the training and validation rows; the test set stays sealed.
    """

    candidate: str
    naive: Estimate
    guarded: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a large model, named as judge, said of a candidate's test answers; no verdict rests on it.

    The four counts hold its opinion against exact scoring, ``kappa`` is their agreement beyond chance; rows on which it
    gave no usable opinion count under ``unusable`` alone. ``cost`` is in USD, ``None`` where prices are not known.
    """

    model: str
    accuracy: Estimate | None
    both_right: int
    judge_alone: int
    exact_alone: int
    both_wrong: int
    unusable: int
    kappa: Estimate | None
    cost: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveragePoint:
    """A threshold on confidence: the share of answers kept, and the error among the kept ones."""

    threshold: float
    share: float
    error: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCost:
    """What an API would cost for the same requests, and the traffic at which serving here costs the same."""

    name: str
    date: str
    per_million: float
    per_day: float | None
    break_even_per_day: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where the measuring was done."""

    system: str
    processor: str
    cores: int
    memory_gb: float
    python: str
    packages: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedIn:
    """The precision that a run tunes language models in, and why: it was ``asked`` for, or measured once.

    ``speedup`` is how many times as fast bfloat16 was as float32 on ``processor``; ``None`` where it was not measured.
    """

    precision: Precision
    asked: bool
    processor: str
    speedup: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Everything one run found out: what the HTML report is made from.

    ``examples`` are the test rows (the only ones shown with their answers) and the doubted rows, by id.
    """

    title: str
    made: str
    verdict: Verdict
    intake: Intake
    reports: tuple[Report, ...]
    comparisons: tuple[Comparison, ...]
    examples: Mapping[str, Example]
    doubts: tuple[LabelDoubt, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    training: Mapping[str, tuple[EpochPoint, ...]] = field(default_factory=dict)
    parity: Mapping[str, tuple[Parity, ...]] = field(default_factory=dict)
    flattery: tuple[Flattery, ...] = ()
    coverage: Mapping[str, tuple[CoveragePoint, ...]] = field(default_factory=dict)
    apis: tuple[ApiCost, ...] = ()
    machine_per_day: float | None = None
    openings: tuple[str, ...] = ()
    judged: Mapping[str, Judged] = field(default_factory=dict)
    tuned_in: TunedIn | None = None
    machine: Machine | None = None
    warnings: tuple[str, ...] = ()
    attacks: int = 0
    """How many attempts to get out of its own walls the run made before it began; each failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where long work stands: its stage, one line for a person, and how far it is (where that is known)."""

    stage: str
    message: str
    done: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a bundle is: enough to load it, check it and know where it came from. Stored as ``bundle.json``."""

    format: int
    ockham: str
    task: TaskName
    kind: str
    candidate: Candidate
    labels: tuple[str, ...]
    inputs: tuple[str, ...]
    target: str
    dataset: str
    files: Mapping[str, str]
    """Relative path → SHA-256 of every file but ``bundle.json``."""


def plain(value: Any) -> Any:  # noqa: ANN401 - the one door from records to JSON
    """Turn a record into plain JSON values (dataclasses to dicts, tuples to lists, non-finite floats refused)."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a record holds a number that is not finite")
    return value


def canonical(value: Any) -> bytes:  # noqa: ANN401
    """Give the one JSON text of a value: sorted keys, no spaces, floats to 12 significant digits, UTF-8."""
    text = json.dumps(_fixed(plain(value)), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return text.encode()


def digest(value: Any) -> str:  # noqa: ANN401
    """Name a value by the SHA-256 of its canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _fixed(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, float):
        return float(f"{value:.12g}")
    if isinstance(value, dict):
        return {key: _fixed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_fixed(item) for item in value]
    return value
