"""What a curation did: the record behind ``report.json`` and ``report.html``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from ockham.records.plug_spec import PlugUse

Step = Literal[
    "encoding", "html", "characters", "personal", "language", "length", "quality", "repetition", "leak", "filter",
    "labels", "exact", "near",
]  # fmt: skip

CHANGES: tuple[Step, ...] = ("encoding", "html", "characters", "personal")
"""The steps that change documents, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCount:
    """One rule: how many documents were left out under it, and how many break its limit, whatever else they break.

    ``looser`` and ``stricter`` are that second number with the limit one step further out and in; ``None`` where the
    rule has no limit.
    """

    step: str
    reason: str
    left_out: int
    limit: float | None = None
    broken: int | None = None
    looser: int | None = None
    stricter: int | None = None
    looser_limit: float | None = None
    stricter_limit: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One document that was left out, by its place; its text is cut, and personal data in it is masked."""

    location: str
    reason: str
    text: str
    score: float | None = None
    limit: float | None = None
    instead: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLabelIssue:
    """One row whose label looks wrong, by its place; its text is cut and masked. ``doubt`` is in [0, 1]."""

    location: str
    text: str
    given_label: str
    suggested_label: str
    doubt: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Duplicates of one document: the place of the one that stays, and how many were left out for it."""

    survivor: str
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCount:
    """One input file: how it was read and how many records it holds."""

    file: str
    sha256: str
    format: str
    inputs: tuple[str, ...]
    target: str | None
    megabytes: float
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One file that was written: its path inside the folder, SHA-256, rows and bytes."""

    path: str
    sha256: str
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CurationReport:
    """Everything that was counted. Always: rows = unchanged + changed + quarantined, the sum of ``left_out``.

    ``lengths`` are numbers of documents by their number of words, before and after: place k counts those of
    2^(k-1) to 2^k - 1 words, place 0 those of none. ``near_looser`` are near-duplicates that a threshold .05 lower
    would add (at least: pairs far below the threshold are not looked for), ``near_stricter`` those that one .05 higher
    would leave in. ``doubted`` are the rows whose label looks wrong, ``label_issues`` the worst of them. ``estimate``
    is what a dry run foresees for all of the data. ``filters`` are those that were named, in their order.
    """

    ockham: str
    rows: int
    unchanged: int
    changed: int
    quarantined: int
    left_out: Mapping[str, int]
    changes: Mapping[str, int]
    rules: tuple[RuleCount, ...]
    steps: tuple[str, ...]
    labelled: bool
    raw_duplicates: int
    personal: Mapping[str, int]
    languages: Mapping[str, int]
    lengths: Mapping[str, tuple[int, ...]]
    clusters: tuple[Cluster, ...]
    samples: tuple[Sample, ...]
    files: tuple[FileCount, ...]
    shards: tuple[Shard, ...]
    similarity: float
    near_looser: int
    near_stricter: int
    doubted: int = 0
    label_issues: tuple[DocumentLabelIssue, ...] = ()
    sample_of_rows: int | None = None
    warnings: tuple[str, ...] = ()
    estimate: Mapping[str, float] = field(default_factory=dict)
    filters: tuple[PlugUse, ...] = ()


def in_order(report: CurationReport) -> CurationReport:
    """Return a report whose counts stand in their order: the largest first, changes by their steps.

    A report that was stored has its names sorted, and is to be shown like one that was not.
    """
    return replace(
        report,
        left_out=_largest_first(report.left_out),
        personal=_largest_first(report.personal),
        languages=_largest_first(report.languages),
        changes={step: report.changes[step] for step in CHANGES if step in report.changes},
        lengths={name: report.lengths[name] for name in ("before", "after")},
    )


def _largest_first(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
