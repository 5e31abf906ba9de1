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
    """Step that the rule belongs to."""
    reason: str
    """Name of the rule, as in the quarantine."""
    left_out: int
    """Documents dropped under this rule."""
    limit: float | None = None
    """Limit of the rule; null where it has none."""
    broken: int | None = None
    """Documents that break the limit, whatever else they break."""
    looser: int | None = None
    """Documents that would break the looser limit."""
    stricter: int | None = None
    """Documents that would break the stricter limit."""
    looser_limit: float | None = None
    """The limit, one step looser."""
    stricter_limit: float | None = None
    """The limit, one step stricter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One document that was left out, by its place; its text is cut, and personal data in it is masked."""

    location: str
    """File and record of the document."""
    reason: str
    """Rule under which it was dropped."""
    text: str
    """The beginning of the text, with personal data masked."""
    score: float | None = None
    """What was measured of it; null where the rule measures nothing."""
    limit: float | None = None
    """Limit that it breaks; null where the rule has none."""
    instead: str | None = None
    """Place of the duplicate that is kept in its stead; null for other rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLabelIssue:
    """One row whose label looks wrong, by its place; its text is cut and masked. ``doubt`` is in [0, 1]."""

    location: str
    """File and record of the row."""
    text: str
    """The beginning of the text, with personal data masked."""
    given_label: str
    """Label in the data."""
    suggested_label: str
    """Label that the models suggest."""
    doubt: float
    """How sure the models are that the given label is wrong, from 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Duplicates of one document: the place of the one that stays, and how many were left out for it."""

    survivor: str
    """Place of the document that is kept."""
    left_out: int
    """Duplicates of it that were dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCount:
    """One input file: how it was read and how many records it holds."""

    file: str
    """Name of the file."""
    sha256: str
    """SHA-256 of the file."""
    format: str
    """Format that it was read as."""
    inputs: tuple[str, ...]
    """Columns with the text."""
    target: str | None
    """Column with the answer; null where there is none."""
    megabytes: float
    """Size in megabytes (10^6 bytes)."""
    records: int
    """Records in the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One file that was written: its path inside the folder, SHA-256, rows and bytes."""

    path: str
    """Path inside the output folder."""
    sha256: str
    """SHA-256 of the file."""
    rows: int
    """Rows in the file."""
    bytes: int
    """Size in bytes."""


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
    """Version of Ockham."""
    rows: int
    """Documents read."""
    unchanged: int
    """Documents kept exactly as they were."""
    changed: int
    """Documents kept after a repair."""
    quarantined: int
    """Documents dropped; each is in the quarantine with its reason."""
    left_out: Mapping[str, int]
    """Documents dropped, by reason."""
    changes: Mapping[str, int]
    """Documents changed, by step."""
    rules: tuple[RuleCount, ...]
    """Each rule, with the documents dropped under it and those that other limits would drop."""
    steps: tuple[str, ...]
    """The steps that ran, in order."""
    labelled: bool
    """Whether the documents are labelled rows."""
    raw_duplicates: int
    """Documents equal to an earlier one before anything was changed."""
    personal: Mapping[str, int]
    """Documents that hold personal data, by kind."""
    languages: Mapping[str, int]
    """Documents by detected language."""
    lengths: Mapping[str, tuple[int, ...]]
    """Documents by number of words, before and after; place k counts 2^(k-1) to 2^k - 1 words."""
    clusters: tuple[Cluster, ...]
    """The largest groups of duplicates."""
    samples: tuple[Sample, ...]
    """A few dropped documents of each rule, cut and masked."""
    files: tuple[FileCount, ...]
    """The input files."""
    shards: tuple[Shard, ...]
    """The files written."""
    similarity: float
    """The similarity from which two documents are near-duplicates, from 0 to 1."""
    near_looser: int
    """Near-duplicates that a threshold lower by 0.05 would add, at least."""
    near_stricter: int
    """Near-duplicates that a threshold higher by 0.05 would keep."""
    doubted: int = 0
    """Rows whose label is in doubt."""
    label_issues: tuple[DocumentLabelIssue, ...] = ()
    """The most doubtful of these rows."""
    sample_of_rows: int | None = None
    """How many rows a dry run looked at; null when all were read."""
    warnings: tuple[str, ...] = ()
    """Remarks for a person."""
    estimate: Mapping[str, float] = field(default_factory=dict)
    """What a dry run expects for all of the data."""
    filters: tuple[PlugUse, ...] = ()
    """The filters that were named, in order."""


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
