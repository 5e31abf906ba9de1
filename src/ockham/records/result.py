"""What a run comes to: the verdict, and everything that stands behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ockham.records.dataset import Example, IngestReport, TaskName
from ockham.records.evaluation import (
    Comparison,
    CoveragePoint,
    Estimate,
    Finding,
    Parity,
    Report,
    SelectiveAnswers,
)
from ockham.records.extraction import FieldFacts
from ockham.records.plug_spec import PlugUse

Precision = Literal["float32", "bfloat16"]
"""What a language model is computed in while it is tuned."""
PrecisionName = Literal["auto", "float32", "bfloat16"]
"""A precision as it is asked for: ``auto`` is the one that measuring chooses."""
Status = Literal["measured", "skipped", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSummary:
    """The dataset's part of a verdict: rows = train + valid + test + the sum of ``dropped``."""

    rows: int
    """Rows that were read."""
    train: int
    """Rows to learn from."""
    valid: int
    """Rows by which settings and thresholds were chosen."""
    test: int
    """Rows of the sealed test set."""
    digest: str
    """SHA-256 over the rows that were kept, in hexadecimal."""
    dropped: Mapping[str, int]
    """Rows that were dropped, counted by reason."""
    leaks_prevented: int
    """Test rows that would have a near-duplicate or a member of their group in training, were the split random."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateResult:
    """A candidate's line in a verdict."""

    name: str
    """The rung, and after a colon the model's name where a rung has several models."""
    rung: int
    """Its place on the ladder; 0 is the smallest."""
    status: Status
    """Whether it was measured on the test rows, or why not."""
    why: str
    """Why it was skipped or failed, or a remark on a measured candidate; empty where there is nothing to say."""
    metrics: Mapping[str, Estimate] = field(default_factory=dict)
    """The task's metrics on the test rows, by name, with intervals."""
    latency_ms: Mapping[str, Any] | None = None
    """Milliseconds for one answer: p50, p95 and p99, with intervals and n; with --requests-per-day also at_rate."""
    throughput_per_s: float | None = None
    """Answers per second when many texts are answered at once."""
    memory_mb: float | None = None
    """Peak memory of the serving process in megabytes (10^6 bytes)."""
    artifact_mb: float | None = None
    """Size of the files of its bundle in megabytes (10^6 bytes)."""
    fit_seconds: float | None = None
    """Seconds that making it took."""
    cost_per_day: float | None = None
    """US dollars per day for the expected requests."""
    meets: Mapping[str, Finding] = field(default_factory=dict)
    """For each requirement: meets, misses or cannot tell."""
    rows_needed: int | None = None
    """Test rows with which a requirement that cannot be told yet could be."""
    named: bool = False
    """Its model was named by the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Which candidate, why, and what is still unknown. The field names are a contract with users' scripts."""

    ockham: str
    """Version of Ockham."""
    task: TaskName
    """What kind of answer the data ask for."""
    metric: str
    """Name of the metric that candidates are compared by."""
    dataset: DatasetSummary
    """The rows, and what became of them."""
    requirements: Mapping[str, float]
    """What was required, by name, such as min_accuracy."""
    candidates: tuple[CandidateResult, ...]
    """Every candidate, smallest first: also those that were skipped or failed."""
    chosen: str | None
    """Name of the chosen candidate; null where none was chosen."""
    headline: str
    """The verdict in a sentence: which candidate, or that there is none yet."""
    because: str
    """The reasons for it, in sentences; empty where the headline says all."""
    next: str
    """What to do next, as a sentence with a command."""
    test_evaluations: int
    """How many times the test set was opened."""
    run: str
    """Folder of the run."""
    bundle: str | None = None
    """Digest of the chosen bundle ("sha256:…"), which `ockham verify` compares."""
    sealed: str = "not known"
    """How the run was kept from the network: the label of `ockham.sealed`, the weakest where it was made in goes."""
    scorer: PlugUse | None = None
    """The scorer whose mean score is the metric ``score``."""
    proven: bool = True
    """Whether the choice meets a requirement or rests on a comparison beyond chance, with more right than wrong."""

    @property
    def summary(self) -> str:
        """Return the headline and the reasons as one paragraph."""
        return f"{self.headline} {self.because}".strip()

    @property
    def exit_status(self) -> int:
        """Return the exit status: 0 chosen, 4 cannot tell yet, 3 none meets the requirements.

        6: a candidate was chosen, but a model that the user named could not be measured.
        """
        if self.chosen is not None:
            return 6 if any(c.named and c.status != "measured" for c in self.candidates) else 0
        open_ = (c for c in self.candidates if c.status == "measured" and "misses" not in c.meets.values())
        return 4 if any("cannot tell" in c.meets.values() for c in open_) else 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelIssue:
    """A row whose label the cross-validated cheap rungs doubt. ``doubt`` is in [0, 1]; 1 is the strongest."""

    id: str
    given_label: str
    suggested_label: str
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
    """One epoch of tuning: loss over the training rows, the task metric over seen and over validation rows.

    Epoch 0 is the start, before any training row was seen: it has no loss and no metric of them.
    """

    epoch: float
    train_loss: float | None
    train_metric: float | None
    valid_metric: float
    is_best: bool
    valid_loss: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitOptimism:
    """What leaks are worth: a rung on the test rows of a naive random split, with the leaks and without them.

    ``leaks`` of the ``naive.n`` rows have a near-duplicate, a repeat or a member of their group among the rows learnt
    from. ``guarded`` is the same on the same rows where those were not learnt from; ``difference`` is naive - guarded,
    paired. All of it is measured inside the training and validation rows; the test set stays sealed.
    """

    candidate: str
    naive: Estimate
    guarded: Estimate
    difference: Estimate
    leaks: int
    learnt_rows: int = 0
    """How many rows the rung learnt from on the naive split: not all where there are very many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSummary:
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
    """Operating system."""
    processor: str
    """Processor and its instruction sets."""
    cores: int
    """Number of cores."""
    memory_gb: float
    """Memory in gigabytes (10^9 bytes)."""
    python: str
    """Version of Python."""
    packages: Mapping[str, str]
    """Versions of the installed packages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedIn:
    """The precision that a run tunes language models in, and why: it was requested, or measured once.

    ``speedup`` is how many times as fast bfloat16 was as float32 on ``processor``; ``None`` where it was not measured.
    """

    precision: Precision
    is_requested: bool
    processor: str
    speedup: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """Everything one run found out: what the HTML report is made from.

    ``examples`` are the test rows (the only ones shown with their answers) and the doubted rows, by id.
    """

    title: str
    created_at: str
    verdict: Verdict
    ingest: IngestReport
    reports: tuple[Report, ...]
    comparisons: tuple[Comparison, ...]
    examples: Mapping[str, Example]
    label_issues: tuple[LabelIssue, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    hosted: tuple[str, ...] = ()
    """The candidates behind an API: paid by the answer, and asked for the test rows alone."""
    training: Mapping[str, tuple[EpochPoint, ...]] = field(default_factory=dict)
    parity: Mapping[str, tuple[Parity, ...]] = field(default_factory=dict)
    split_optimism: tuple[SplitOptimism, ...] = ()
    coverage: Mapping[str, tuple[CoveragePoint, ...]] = field(default_factory=dict)
    apis: tuple[ApiCost, ...] = ()
    machine_per_day: float | None = None
    test_evaluations: tuple[str, ...] = ()
    judge_summaries: Mapping[str, JudgeSummary] = field(default_factory=dict)
    tuned_in: TunedIn | None = None
    machine: Machine | None = None
    warnings: tuple[str, ...] = ()
    owner: str | None = None
    """Who answers for the run, as the user wrote it."""
    selective: Mapping[str, SelectiveAnswers] = field(default_factory=dict)
    summaries: Mapping[str, str] = field(default_factory=dict)
    """What kind of model each candidate is, in a few plain words, by its name."""
    attacks: int = 0
    """How many attempts to get out of its own walls the run made before it began; each failed."""
    fields: tuple[FieldFacts, ...] = ()
    """What the training rows say of each field, where fields are extracted."""
